//! The `cupola` binary.

use std::process::ExitCode;

// Fewer page faults in a training step than with the system's allocator; see BENCHMARKS.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cupola_cli::main()
}
