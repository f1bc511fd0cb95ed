use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// A piece of `--progress=rawjson`: BuildKit's `client.SolveStatus`, as far as it is used here.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    pub(crate) vertexes: Vec<Vertex>,
    pub(crate) logs: Vec<Log>,
}

/// A step. It is told of again at each change.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Vertex {
    pub(crate) digest: String,
    pub(crate) name: String,
    pub(crate) started: Option<String>,
    pub(crate) completed: Option<String>,
    pub(crate) error: Option<String>,
}

/// Something that a step printed.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Log {
    pub(crate) vertex: String,
    /// Base64.
    data: String,
}

impl Log {
    pub(crate) fn text(&self) -> String {
        let bytes = STANDARD.decode(&self.data).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Takes the lines of buildx's standard error apart: JSON first, then, after a failure, plain text.
///
/// buildx 0.13 spreads an object over many lines, later versions write one a line.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    pending: String,
    /// The plain text.
    pub(crate) text: Vec<String>,
}

/// Plain text beyond this is dropped.
const TEXT_LINES: usize = 400;

impl Parser {
    pub(crate) fn line(&mut self, line: &str) -> Vec<Status> {
        if self.pending.is_empty() && !line.starts_with('{') {
            if self.text.len() < TEXT_LINES {
                self.text.push(line.to_owned());
            }
            return Vec::new();
        }
        // No line within an object begins so: what is pending was torn.
        if line.starts_with('{') && !self.pending.is_empty() {
            tracing::debug!("progress that is not complete is left out");
            self.pending.clear();
        }
        self.pending.push_str(line);
        self.pending.push('\n');
        // An object ends with a brace at the start of a line, or on the line it began on.
        if !(line.ends_with('}') && line.starts_with(['{', '}'])) {
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut objects = serde_json::Deserializer::from_str(&self.pending).into_iter::<Status>();
        for object in objects.by_ref() {
            match object {
                Ok(status) => found.push(status),
                Err(error) if error.is_eof() => return found,
                // Not ours after all; progress is no reason to fail.
                Err(error) => {
                    tracing::debug!(%error, "progress not understood");
                    break;
                }
            }
        }
        self.pending.clear();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Vec<Status>, Vec<String>) {
        let mut parser = Parser::default();
        let found = text.lines().flat_map(|line| parser.line(line)).collect();
        (found, parser.text)
    }

    const TWO: &str = r#"{"vertexes":[{"digest":"sha256:1","name":"[a 1/2] RUN x","started":"2026-01-01T00:00:00Z"}]}
{"logs":[{"vertex":"sha256:1","stream":1,"data":"aGVsbG8K","timestamp":"2026-01-01T00:00:00Z"}]}
"#;

    #[test]
    fn one_object_a_line_and_many_lines_an_object_are_the_same() {
        let (compact, _) = parse(TWO);
        let pretty: String = TWO
            .lines()
            .map(|line| {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                serde_json::to_string_pretty(&value).unwrap() + "\n"
            })
            .collect();
        let (spread, _) = parse(&pretty);
        assert_eq!(compact, spread);
        assert_eq!(compact.len(), 2);
        assert_eq!(compact[0].vertexes[0].name, "[a 1/2] RUN x");
        assert_eq!(compact[1].logs[0].text(), "hello\n");
    }

    #[test]
    fn keeps_the_plain_text_that_follows() {
        let (found, text) = parse(&format!("{TWO}Dockerfile:2\n----\nERROR: failed\n"));
        assert_eq!(found.len(), 2);
        assert_eq!(text, ["Dockerfile:2", "----", "ERROR: failed"]);
    }

    #[test]
    fn goes_on_after_an_object_that_was_torn() {
        let long = format!("{{\"logs\":[{{\"data\":\"{}", "x".repeat(100));
        let (found, text) = parse(&format!("{long}\nxx\"}}]}}\n{TWO}ERROR: failed\n"));
        assert_eq!(found.len(), 2);
        assert_eq!(text, ["ERROR: failed"]);
    }

    #[test]
    fn goes_on_after_an_object_it_does_not_understand() {
        let (found, _) = parse(&format!("{{\"vertexes\":7}}\n{{\n  broken\n}}\n{TWO}"));
        assert_eq!(found.len(), 2);
    }
}
