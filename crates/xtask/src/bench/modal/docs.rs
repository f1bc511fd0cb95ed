use std::path::Path;

use crate::bench::files::write;
use crate::bench::row::{self, Row};
use crate::error::Error;

/// Writes the table into `docs/benchmarks`.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn write_page(root: &Path, rows: &[Row]) -> Result<(), Error> {
    write(&root.join("docs/benchmarks/modal.md"), page(rows))
}

fn page(rows: &[Row]) -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut text = format!(
        "# Measurements of secrets, deploy and smoke\n\n\
         Written by `cargo xtask bench modal --write-docs`; do not edit by hand. Each number is \
         the median of several runs on one machine with {processors} processors, ours and the \
         baseline taking turns. Modal is `pipeline serve modal`, which builds nothing and, here, \
         answers each call at once: pulls, image builds and cold starts are not in these numbers. \
         *So many ms to Modal* are added to each request, and as many to each request to the \
         registry. *One Python process* is \
         [a script](../../crates/xtask/src/bench/modal/secrets.py) with Modal's own package. \
         A time of ours is that of the whole program, from its start to its end.\n\n"
    );
    text.push_str(&row::markdown(rows));
    text
}
