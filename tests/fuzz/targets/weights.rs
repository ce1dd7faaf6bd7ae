//! Weights: a safetensors file alone, and one that comes with a `config.json` of Hugging Face.
#![no_main]

use cupola_fuzz::halves;
use cupola_import::HuggingFaceConfig;
use cupola_nn::StateDict;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (config, file) = halves(bytes);
    let _ = StateDict::from_safetensors(file);
    let Ok(weights) = StateDict::from_any_floats(file) else { return };
    let Ok(model) = serde_json::from_slice::<HuggingFaceConfig>(config) else { return };
    cupola_fuzz::import(&model, &weights);
});
