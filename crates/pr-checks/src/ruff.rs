use std::path::Path;

use serde::Deserialize;

use crate::Finding;

#[derive(Deserialize)]
struct Diagnostic {
    code: Option<String>,
    message: String,
    filename: std::path::PathBuf,
    location: Location,
}

#[derive(Deserialize)]
struct Location {
    row: u64,
    column: u64,
}

/// Findings from `ruff check --output-format json`; paths become relative to `root`.
pub(crate) fn findings(stdout: &[u8], root: &Path) -> Result<Vec<Finding>, serde_json::Error> {
    let diagnostics: Vec<Diagnostic> = serde_json::from_slice(stdout)?;
    Ok(diagnostics
        .into_iter()
        .map(|found| Finding {
            // Syntax errors have no rule.
            code: found.code.unwrap_or_else(|| "syntax-error".to_owned()),
            file: found
                .filename
                .strip_prefix(root)
                .unwrap_or(&found.filename)
                .to_path_buf(),
            line: found.location.row,
            column: found.location.column,
            message: found.message,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_ruff_writes() {
        let text =
            br#"[{"code":"F401","message":"`os` imported but unused","filename":"/r/code/a.py",
            "location":{"row":1,"column":8},"end_location":{"row":1,"column":10},"fix":null}]"#;
        let found = findings(text, Path::new("/r")).unwrap();
        assert_eq!(found[0].file, Path::new("code/a.py"));
        assert_eq!((found[0].line, found[0].column), (1, 8));
        assert_eq!(found[0].code, "F401");
    }

    #[test]
    fn anything_else_is_an_error() {
        assert!(findings(b"ruff failed", Path::new("/r")).is_err());
    }
}
