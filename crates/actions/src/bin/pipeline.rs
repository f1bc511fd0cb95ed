//! The `pipeline` command.

use std::process::ExitCode;

/// Thousands of files are read on all cores at once: glibc gives each thread memory by the page, and
/// musl lets one thread at a time have any.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    actions::cli::main()
}
