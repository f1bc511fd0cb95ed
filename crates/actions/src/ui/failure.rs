use std::error::Error;
use std::io::Write;

use crate::exit::Exit;
use crate::runner::{Annotation, Level};
use crate::ui::inert;

/// Why a command did not end well: what to show, and what to exit with.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What happened.
    pub(crate) error: Box<dyn Error + Send + Sync>,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// What a workflow shows at its place; otherwise the whole text is one annotation.
    pub(crate) annotations: Vec<Annotation>,
}

impl Failure {
    /// A failure without a hint.
    pub(crate) fn new(exit: Exit, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            exit,
            error: error.into(),
            hint: None,
            annotations: Vec::new(),
        }
    }

    /// The same with the cure.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// The same with annotations of its parts.
    #[must_use]
    pub(crate) fn with_annotations(mut self, annotations: Vec<Annotation>) -> Self {
        self.annotations = annotations;
        self
    }

    /// The whole text: the error, what caused it, and the cure.
    #[must_use]
    pub(crate) fn text(&self) -> String {
        if self.exit == Exit::Interrupted {
            return "interrupted: everything that was started has been stopped and removed"
                .to_owned();
        }
        let mut text = format!("error: failed to {}", self.error);
        let mut cause = self.error.source();
        while let Some(error) = cause {
            let shown = error.to_string();
            // Some libraries repeat their source in their own text.
            if !text.contains(&shown) {
                text.push_str(&format!("\ncaused by: {shown}"));
            }
            cause = error.source();
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("\nhint: {hint}"));
        }
        text
    }

    /// Shows it on standard error and, in a workflow, as an annotation. The runner reads commands
    /// there, too; standard output is for data.
    pub(crate) fn show(&self, in_workflow: bool) {
        let text = self.text();
        let _ = writeln!(anstream::stderr(), "{}", inert(&text));
        if !in_workflow {
            return;
        }
        let message = text.strip_prefix("error: ").unwrap_or(&text).to_owned();
        let whole = [Annotation {
            level: Level::Error,
            place: None,
            title: None,
            message,
        }];
        let annotations = match self.exit {
            Exit::Interrupted => &whole,
            _ if self.annotations.is_empty() => &whole,
            _ => &self.annotations[..],
        };
        for annotation in annotations {
            let _ = writeln!(std::io::stderr(), "{annotation}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("read `a.yaml`")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn shows_what_why_and_cure() {
        let failure = Failure::new(Exit::Input, Outer(std::io::Error::other("disk on fire")))
            .with_hint(Some("call someone".into()));
        assert_eq!(
            failure.text(),
            "error: failed to read `a.yaml`\ncaused by: disk on fire\nhint: call someone"
        );
    }
}
