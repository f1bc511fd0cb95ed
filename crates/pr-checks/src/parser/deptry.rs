use serde::Deserialize;

use super::Unreadable;
use crate::finding::{Findings, Raw};

#[derive(Deserialize)]
struct Violation {
    error: Fault,
    location: Location,
}

#[derive(Deserialize)]
struct Fault {
    code: String,
    message: String,
}

#[derive(Deserialize)]
struct Location {
    file: String,
    line: Option<u64>,
    column: Option<u64>,
}

/// What `deptry --json-output` writes.
pub(super) fn read(text: &str, to: &mut Findings<'_>) -> Result<(), Unreadable> {
    let violations: Vec<Violation> = serde_json::from_str(text)
        .map_err(|error| Unreadable::new("the JSON of deptry", &error))?;
    for found in &violations {
        to.add(Raw {
            file: Some(&found.location.file),
            line: found.location.line,
            column: found.location.column,
            rule: &found.error.code,
            message: &found.error.message,
            ..Raw::default()
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::tests::{found, shown};

    #[test]
    fn what_deptry_writes() {
        let text = include_str!("../../tests/fixtures/deptry.json");
        let (read, findings) = found(|to| read(text, to));
        assert_eq!(read, Ok(()));
        insta::assert_snapshot!(shown(&findings), @"
        Error code/pyproject.toml:-:- DEP002: 'rich' defined as a dependency but not used in the codebase
        Error code/shop/cart.py:2:8 DEP001: 'yaml' imported but missing from the dependency definitions
        ");
    }

    #[test]
    fn anything_else_cannot_be_read() {
        for text in ["", "{}", r#"[{"error":{"code":"a"}}]"#] {
            assert!(found(|to| read(text, to)).0.is_err());
        }
    }
}
