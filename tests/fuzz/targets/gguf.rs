//! GGUF files.
#![no_main]

use cupola_import::GgufModel;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(found) = GgufModel::parse(bytes) {
        let _ = found.tokenizer.encode("a b</s>");
        let _ = found.into_model(48);
    }
});
