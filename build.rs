//! Linker arguments that make the binary smaller.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Rust's own linker, LLD, links this target unless the flags say otherwise.
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    if env::var("TARGET").as_deref() != Ok("x86_64-unknown-linux-gnu") || flags.contains("link") {
        return;
    }
    // Functions with the same machine code are kept once (10 MB). Nothing here compares function pointers.
    println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
    // Relocations as a bit map (13 MB), which the loader reads from glibc 2.36 on.
    if glibc().is_some_and(|version| version >= (2, 36)) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Version of this machine's C library, which is the one that the binary will be run with.
fn glibc() -> Option<(u32, u32)> {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().rsplit(' ').next()?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
