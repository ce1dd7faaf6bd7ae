//! Requests of every protocol to an in-process server with models.
#![no_main]

use std::sync::LazyLock;

use cupola_fuzz::App;

static APP: LazyLock<App> = LazyLock::new(App::open);

libfuzzer_sys::fuzz_target!(|message: &[u8]| APP.send(message));
