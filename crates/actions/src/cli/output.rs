use std::io::Write;
use std::path::Path;

use crate::exit::Exit;
use crate::runner::append_output;
use crate::ui::{Failure, inert};

/// Sets an output of the step, when there is one.
pub(super) fn set_output(name: &str, value: &str) -> Result<(), Failure> {
    match std::env::var_os("GITHUB_OUTPUT") {
        Some(file) if !file.is_empty() => append_output(Path::new(&file), name, value)
            .map_err(|error| Failure::new(Exit::Unexpected, error)),
        _ => Ok(()),
    }
}

/// Prints text for people to standard output.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    write(&inert(text))
}

/// Writes to standard output. A reader that went away is no error.
pub(super) fn write(text: &str) -> Result<(), Failure> {
    match anstream::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Unexpected, error))
        }
        _ => Ok(()),
    }
}

/// Columns that line up, two spaces apart, under a heading.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let width = |text: &str| text.chars().count();
    let widths: Vec<usize> = heading
        .iter()
        .enumerate()
        .map(|(column, name)| {
            let cells = rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| width(cell));
            cells.chain([width(name)]).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (cell, wanted) in cells.zip(&widths) {
            text.push_str(cell);
            text.push_str(&" ".repeat(wanted - width(cell).min(*wanted) + 2));
        }
        format!("{}\n", text.trim_end())
    };
    let mut text = line(&mut heading.iter().copied());
    text.push_str(&line(
        &mut widths
            .iter()
            .map(|wanted| "─".repeat(*wanted))
            .collect::<Vec<_>>()
            .iter()
            .map(String::as_str),
    ));
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = vec![
            vec!["text/summarize@1".to_owned(), "✓ built".to_owned()],
            vec!["a".to_owned(), "reused".to_owned()],
        ];
        insta::assert_snapshot!(table(&["processor", "decision"], &rows), @r"
        processor         decision
        ────────────────  ────────
        text/summarize@1  ✓ built
        a                 reused
        ");
    }
}
