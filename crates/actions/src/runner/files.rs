use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The runner drops a summary over 1 MiB, with an error.
const SUMMARY_LIMIT: usize = 1024 * 1024;

/// Writing one of the runner's files failed.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system refused.
    #[error("append to the runner's file `{path}`")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The name of an output holds what would end its line.
    #[error("write output `{name}`: expected letters, digits, `-` and `_`")]
    Name {
        /// The name.
        name: String,
    },
}

/// Appends one output to the file that `GITHUB_OUTPUT` names.
///
/// # Errors
/// When the name is not plain, or the file cannot be written.
pub fn append_output(file: &Path, name: &str, value: &str) -> Result<(), FileError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(FileError::Name {
            name: name.to_owned(),
        });
    }
    // A fresh random delimiter: the value cannot hold what it could not know.
    let delimiter = format!("end-{}", uuid::Uuid::new_v4());
    append(
        file,
        &format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"),
    )
}

/// Appends Markdown to the file that `GITHUB_STEP_SUMMARY` names, within the runner's limit.
///
/// # Errors
/// When the file cannot be written.
pub fn append_summary(file: &Path, markdown: &str) -> Result<(), FileError> {
    let room = SUMMARY_LIMIT.saturating_sub(file.metadata().map_or(0, |meta| meta.len() as usize));
    let mut end = markdown.len().min(room.saturating_sub(1));
    while !markdown.is_char_boundary(end) {
        end -= 1;
    }
    append(file, &format!("{}\n", &markdown[..end]))
}

fn append(file: &Path, text: &str) -> Result<(), FileError> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(file)
        .and_then(|mut open| open.write_all(text.as_bytes()))
        .map_err(|source| FileError::Write {
            path: file.to_path_buf(),
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_lines_are_one_output() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("output");
        append_output(&file, "report", "a\nother=1\nb").unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let delimiter = lines[0].strip_prefix("report<<").unwrap();
        assert_eq!(lines[1..4], ["a", "other=1", "b"]);
        assert_eq!(lines[4], delimiter);
        assert_eq!(lines.len(), 5);
    }

    #[test]
    fn names_that_break_out_are_refused() {
        let file = std::env::temp_dir().join("never-written");
        for name in ["", "a=b", "a\nb", "a<<b"] {
            assert!(append_output(&file, name, "x").is_err(), "{name:?}");
        }
        assert!(!file.exists());
    }

    #[test]
    fn the_summary_stops_at_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("summary");
        append_summary(&file, &"é".repeat(SUMMARY_LIMIT)).unwrap();
        append_summary(&file, "more").unwrap();
        assert!(file.metadata().unwrap().len() as usize <= SUMMARY_LIMIT + 1);
    }
}
