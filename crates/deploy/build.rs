//! Names and versions of the crates in the lock file, for the bill of materials of an image.

use std::path::Path;
use std::{env, fs};

fn main() {
    // At run time: a cached build script may have been compiled in another checkout.
    let root = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let lock = Path::new(&root).join("../../Cargo.lock");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", lock.display());
    let out = env::var_os("OUT_DIR").unwrap_or_default();
    // A package without a lock file has an empty list.
    let text = fs::read_to_string(&lock).unwrap_or_default();
    if let Err(error) = fs::write(Path::new(&out).join("crates.txt"), crates(&text)) {
        println!("cargo::error=failed to write the list of crates: {error}");
    }
}

/// A line `NAME VERSION` for each crate of a registry.
fn crates(lock: &str) -> String {
    let value = |line: &str, key: &str| Some(line.strip_prefix(key)?.trim_matches('"').to_owned());
    let mut lines = String::new();
    for package in lock.split("[[package]]").skip(1) {
        let find = |key: &str| package.lines().find_map(|line| value(line, key));
        if let (Some(name), Some(version), Some(_)) = (find("name = "), find("version = "), find("source = "))
        {
            lines.extend([&name, " ", &version, "\n"]);
        }
    }
    lines
}
