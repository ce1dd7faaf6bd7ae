//! The `cupola` binary.

use std::process::ExitCode;

// Page faults were 6 % of a CPU training step with the system's allocator; see BENCHMARKS.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cupola_cli::main()
}
