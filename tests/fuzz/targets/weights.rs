//! Safetensors files: alone, in memory and read in parts, and with a Hugging Face `config.json`.
#![no_main]

use cupola_fuzz::halves;
use cupola_import::HuggingFaceConfig;
use cupola_nn::{SafetensorsFile, StateDict, WeightReader};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (config, file) = halves(bytes);
    let _ = StateDict::from_safetensors(file);
    if let Ok(file) = SafetensorsFile::open(file) {
        for name in file.names() {
            let _ = file.read(name);
            let _ = file.read_transposed(name);
        }
    }
    let Ok(weights) = StateDict::from_any_floats(file) else { return };
    let Ok(model) = serde_json::from_slice::<HuggingFaceConfig>(config) else { return };
    cupola_fuzz::import(&model, &weights);
});
