//! Readers of one format each: `CUPOLA_READER` names one.
#![no_main]

use std::sync::LazyLock;

use cupola_fuzz::Reader;

static READER: LazyLock<Reader> = LazyLock::new(cupola_fuzz::reader);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| READER(bytes));
