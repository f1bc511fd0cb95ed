use std::fmt;

/// How loud an annotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Fails nothing by itself, but is red.
    Error,
    /// Yellow.
    Warning,
    /// Blue.
    Notice,
}

/// One annotation; its `Display` is the workflow command, ready for standard output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// How loud.
    pub level: Level,
    /// The file it stands at, relative to the workspace, with its line and column.
    pub place: Option<(String, u64, u64)>,
    /// One line above the message.
    pub title: Option<String>,
    /// The message; the runner cuts it at 4096 characters.
    pub message: String,
}

impl fmt::Display for Annotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Notice => "notice",
        };
        let mut properties = Vec::new();
        if let Some((file, line, column)) = &self.place {
            properties.push(format!("file={}", property(file)));
            properties.push(format!("line={line}"));
            properties.push(format!("col={column}"));
        }
        if let Some(title) = &self.title {
            properties.push(format!("title={}", property(title)));
        }
        let space = if properties.is_empty() { "" } else { " " };
        write!(
            f,
            "::{level}{space}{}::{}",
            properties.join(","),
            data(&self.message)
        )
    }
}

/// Escapes what stands behind the second `::`.
pub(super) fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Escapes what stands in a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_in_its_place() {
        let annotation = Annotation {
            level: Level::Error,
            place: Some(("a,b:c.yaml".into(), 3, 7)),
            title: Some("t::x".into()),
            message: "100%\n::set-output name=x::y\r".into(),
        };
        assert_eq!(
            annotation.to_string(),
            "::error file=a%2Cb%3Ac.yaml,line=3,col=7,title=t%3A%3Ax::100%25%0A::set-output name=x::y%0D"
        );
    }

    #[test]
    fn the_bare_form_has_no_properties() {
        let annotation = Annotation {
            level: Level::Notice,
            place: None,
            title: None,
            message: "hello".into(),
        };
        assert_eq!(annotation.to_string(), "::notice::hello");
    }
}
