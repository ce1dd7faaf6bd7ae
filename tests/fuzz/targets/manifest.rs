//! Packages with an arbitrary manifest, signature or alias file.
#![no_main]

use std::sync::LazyLock;

use cupola_fuzz::halves;
use cupola_registry::{Aliases, Home, Package};

const SIGNER: &str = include_str!("../../../crates/registry/src/golden/signer.pub");

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = cupola_fuzz::folder();
    let _ = std::fs::create_dir_all(folder.path().join("models/m"));
    folder
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (manifest, signature) = halves(bytes);
    let at = |name| FOLDER.path().join(name);
    for (name, bytes) in [
        ("manifest.json", manifest),
        ("manifest.json.minisig", signature),
        ("models/m/aliases.json", manifest),
    ] {
        cupola_fuzz::write(&at(name), bytes);
    }
    if let Ok(package) = Package::open(FOLDER.path()) {
        let _ = package.verify();
        let _ = package.verify_signature(&[SIGNER.trim().to_owned()]);
    }
    let _ = Aliases::read(&Home::new(FOLDER.path().into()), "m");
});
