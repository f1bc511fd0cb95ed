/// What a container says about a call that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallFailure {
    /// Modal's name for the way it failed: `FAILURE`, `TIMEOUT`, `INIT_FAILURE`, …
    pub status: String,
    /// The exception, as Python's `repr` shows it.
    pub exception: String,
    /// Python's traceback, if there is one.
    pub traceback: String,
    /// The exit code of the container, where it is not 0.
    pub exit_code: Option<i32>,
    /// Modal's id of the call, `fc-…`, where it has one.
    pub call_id: Option<String>,
}

impl std::fmt::Display for CallFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.status)?;
        if let Some(code) = self.exit_code {
            write!(f, " (container exit code {code})")?;
        }
        if !self.exception.is_empty() {
            write!(f, ": {}", self.exception)?;
        }
        let traceback = self.traceback.trim();
        if !traceback.is_empty() {
            let lines: Vec<&str> = traceback.lines().collect();
            // The innermost frames come last, and they are the ones that explain.
            let from = lines.len().saturating_sub(12);
            write!(f, "\n{}", lines.get(from..).unwrap_or_default().join("\n"))?;
        }
        Ok(())
    }
}
