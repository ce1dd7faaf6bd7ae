//! Requests of every protocol against a server with models, in one process.
#![no_main]

use std::sync::LazyLock;

use cupola_fuzz::App;

static APP: LazyLock<App> = LazyLock::new(App::open);

libfuzzer_sys::fuzz_target!(|message: &[u8]| APP.send(message));
