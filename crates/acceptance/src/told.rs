//! What a container or a suite says, made fit to be shown.

use process::Redactor;
use secrecy::SecretString;

const LONGEST: usize = 300;
const LINES: usize = 20;

/// Makes text of a program safe to keep in a report: it may know a credential of this process, as
/// layers may have been built with one, and it may be after whoever reads the log.
pub(crate) struct Told {
    redactor: Redactor,
}

impl Told {
    /// Knows the credentials in the environment of this process.
    pub(crate) fn new() -> Self {
        Self::with(crate::credentials::credentials())
    }

    pub(crate) fn with(secrets: impl IntoIterator<Item = SecretString>) -> Self {
        let mut redactor = Redactor::new();
        for secret in secrets {
            redactor.add(&secret);
        }
        Self { redactor }
    }

    /// One line, without secrets and control characters, shortened.
    pub(crate) fn line(&self, text: &str) -> String {
        self.line_of(text, LONGEST)
    }

    /// The same with another number of characters.
    pub(crate) fn line_of(&self, text: &str, longest: usize) -> String {
        let text = self.redactor.apply(text);
        let mut shown: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(longest + 1)
            .collect();
        if let Some((cut, _)) = shown.char_indices().nth(longest) {
            shown.truncate(cut);
            shown.push('…');
        }
        shown
    }

    /// The last lines.
    pub(crate) fn tail(&self, bytes: &[u8]) -> Vec<String> {
        // As a whole, for secrets of several lines.
        let text = self.redactor.apply(&String::from_utf8_lossy(bytes));
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let last = &lines[lines.len().saturating_sub(LINES)..];
        // Behind a bar, no line of it can be a command to a runner.
        last.iter()
            .map(|line| format!("| {}", self.line(line)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_secrets_nor_commands_get_through() {
        let told = Told::with([SecretString::from("hunter-2222\nsecond-line".to_owned())]);
        assert_eq!(
            told.line("a\n::error::hunter-2222\u{1b}[2J"),
            "a ::error::*** [2J"
        );
        assert_eq!(told.line(&"x".repeat(400)).chars().count(), LONGEST + 1);
        let tail = told.tail(b"one\n\n::set-output name=x::hunter-2222\nsecond-line\r\n");
        assert_eq!(tail, ["| one", "| ::set-output name=x::***"]);
        assert_eq!(told.tail(&b"y\n".repeat(100)).len(), LINES);
    }
}
