//! The `pipeline` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    actions::cli::main()
}
