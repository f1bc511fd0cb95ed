use std::fmt::Write as _;
use std::path::Path;

use super::chart;
use super::growth::Point;
use crate::bench::files::write;
use crate::bench::row::{self, Row};
use crate::error::Error;

/// Writes the table and the picture into `docs/benchmarks`.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn write_all(root: &Path, rows: &[Row], points: &[Point]) -> Result<(), Error> {
    let folder = root.join("docs/benchmarks");
    write(&folder.join("README.md"), page(rows, points))?;
    write(&folder.join("plan-growth.svg"), chart::svg(points)?)
}

fn page(rows: &[Row], points: &[Point]) -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut text = format!(
        "# Measurements of build and pin\n\n\
         Written by `cargo xtask bench factory --write-docs`; do not edit by hand. Each number is \
         the median of several runs on one machine with {processors} processors, ours and the \
         baseline taking turns. *The runbook's way* is \
         [a script](../../crates/xtask/src/bench/factory/runbook.py): for each processor `docker \
         buildx build --push`, `docker buildx imagetools inspect`, and a rewrite of the registry \
         file with PyYAML.\n\n"
    );
    text.push_str(&row::markdown(rows));
    text.push_str(
        "\n## Growth of `plan`\n\n\
         `pipeline plan --offline` on a clean git tree: a library of 200 files that every image \
         holds, and six files a processor.\n\n\
         ![time over processors](plan-growth.svg)\n\n\
         | processors | files | plan | `git ls-files -s` | peak memory |\n\
         | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for point in points {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {:.1} ms | {:.1} ms | {:.0} MB |",
            point.processors, point.files, point.plan_ms, point.git_ms, point.megabytes
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::row::Target;

    #[test]
    fn the_page_has_both_tables() {
        let rows = [Row::new(
            "factory",
            "a",
            "s",
            1.0,
            Some(30.0),
            Target::TimesFaster(20.0),
        )];
        let points = [Point {
            processors: 10,
            files: 260,
            plan_ms: 12.34,
            git_ms: 1.26,
            megabytes: 18.6,
        }];
        let text = page(&rows, &points);
        let from = text.find("| name").unwrap();
        insta::assert_snapshot!(&text[from..], @r"
        | name | ratio | ours | baseline | target | met |
        | --- | ---: | ---: | ---: | --- | --- |
        | a | 30.00 | 1.00 s | 30.00 s | ≥ 20 × faster | yes |

        ## Growth of `plan`

        `pipeline plan --offline` on a clean git tree: a library of 200 files that every image holds, and six files a processor.

        ![time over processors](plan-growth.svg)

        | processors | files | plan | `git ls-files -s` | peak memory |
        | ---: | ---: | ---: | ---: | ---: |
        | 10 | 260 | 12.3 ms | 1.3 ms | 19 MB |
        ");
    }
}
