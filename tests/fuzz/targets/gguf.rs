//! Files of llama.cpp.
#![no_main]

use cupola_runtime::Gguf;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(found) = Gguf::read(bytes) {
        let _ = found.tokenizer.encode("a b</s>");
        let vocabulary = found.tokenizer.vocabulary() - 1;
        let _ = found.sizes.import(found.weights, 48, vocabulary);
    }
});
