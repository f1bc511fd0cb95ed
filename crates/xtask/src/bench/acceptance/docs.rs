use std::path::Path;

use crate::bench::files::write;
use crate::bench::row::{self, Row};
use crate::error::Error;

/// Writes the table into `docs/benchmarks`.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn write_page(root: &Path, rows: &[Row]) -> Result<(), Error> {
    write(&root.join("docs/benchmarks/acceptance.md"), page(rows))
}

fn page(rows: &[Row]) -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut text = format!(
        "# Measurements of acceptance and its gate\n\n\
         Written by `cargo xtask bench acceptance --write-docs`; do not edit by hand. Each number is \
         the median of several runs on one machine with {processors} processors, ours and the \
         baseline taking turns. *Beyond `docker run`* is the time of the contract less that of as \
         many `docker run`s of the same image with the same request and without network, side by \
         side as the cases are; a case alone also bears what is done once in a run. The \
         stack is three small web servers with health checks; *by hand* is \
         [these commands](../../crates/xtask/src/bench/acceptance/stack.rs), and ours is the whole \
         program. The gate is [a program](../../crates/receipts/examples/judge_many.rs) that asks \
         a registry of its own: each image takes one request.\n\n"
    );
    text.push_str(&row::markdown(rows));
    text
}
