use serde::Deserialize;

use super::Unreadable;
use crate::finding::{Findings, Raw, Severity};

#[derive(Deserialize)]
struct Diagnostic {
    code: Option<String>,
    message: String,
    filename: String,
    location: Option<Location>,
    severity: Option<String>,
}

#[derive(Deserialize)]
struct Location {
    row: u64,
    column: u64,
}

/// What `ruff check --output-format json` writes.
pub(super) fn read(text: &str, to: &mut Findings<'_>) -> Result<(), Unreadable> {
    let diagnostics: Vec<Diagnostic> =
        serde_json::from_str(text).map_err(|error| Unreadable::new("the JSON of ruff", &error))?;
    for found in &diagnostics {
        to.add(Raw {
            severity: (found.severity.as_deref() == Some("warning")).then_some(Severity::Warning),
            file: Some(&found.filename),
            line: found.location.as_ref().map(|at| at.row),
            column: found.location.as_ref().map(|at| at.column),
            // Syntax errors have no rule in older versions.
            rule: found.code.as_deref().unwrap_or("invalid-syntax"),
            message: &found.message,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::tests::{found, shown};
    use proptest::prelude::*;

    const REAL: &str = include_str!("../../tests/fixtures/ruff.json");

    #[test]
    fn what_ruff_writes() {
        let (read, findings) = found(|to| read(REAL, to));
        assert_eq!(read, Ok(()));
        insta::assert_snapshot!(shown(&findings), @"
        Error code/broken.py:1:7 invalid-syntax: Expected a parameter or the end of the parameter list
        Error code/broken.py:2:1 invalid-syntax: unexpected EOF while parsing
        Error code/shop/cart.py:1:1 I001: Import block is un-sorted or un-formatted
        Error code/shop/cart.py:1:8 F401: `os` imported but unused
        Error code/shop/cart.py:2:8 F401: `yaml` imported but unused
        Error code/tests/test_cart.py:1:1 I001: Import block is un-sorted or un-formatted
        ");
    }

    #[test]
    fn nothing_found_is_nothing() {
        assert_eq!(found(|to| read("[]", to)), (Ok(()), Vec::new()));
    }

    #[test]
    fn anything_else_cannot_be_read() {
        for text in ["", "ruff failed", "{}", "[1]", &"[".repeat(100_000)] {
            assert!(found(|to| read(text, to)).0.is_err());
        }
    }

    proptest! {
        #[test]
        fn a_torn_file_is_no_panic(at in 0..REAL.len(), noise in ".{0,5}") {
            if let (Some(head), Some(tail)) = (REAL.get(..at), REAL.get(at..)) {
                let _ = found(|to| read(head, to));
                let _ = found(|to| read(&format!("{head}{noise}{tail}"), to));
            }
        }
    }
}
