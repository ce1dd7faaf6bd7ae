//! Run and server configs: any text must parse or give an error.
#![no_main]

use cupola_spec::{parse, parse_data, parse_model_file, parse_serve};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = parse("fuzz", text, &[], &|_| Err("no file".to_owned()));
    let _ = parse_data("fuzz", text);
    let _ = parse_model_file("fuzz", text);
    let _ = parse_serve("fuzz", text);
});
