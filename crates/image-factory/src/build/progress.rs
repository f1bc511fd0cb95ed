use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use super::rawjson::{Parser, Status, Vertex};

/// Lines of a step's output that are kept for the case that it fails.
const LOG_LINES: usize = 40;
/// A step's name is cut to this many characters.
const NAME_WIDTH: usize = 100;

/// What is known of a running `bake`.
#[derive(Debug)]
pub(crate) struct Progress {
    parser: Parser,
    /// What `bake` calls a target → how people call it.
    targets: BTreeMap<String, String>,
    logs: HashMap<String, VecDeque<String>>,
    told: HashSet<String>,
    times: HashMap<String, (Instant, Instant)>,
    errors: Vec<StepError>,
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StepError {
    /// The target, if the name of the step tells.
    pub(crate) target: Option<String>,
    /// The step without the target: `2/3] RUN make`.
    pub(crate) step: String,
    pub(crate) message: String,
    /// The last lines that it printed.
    pub(crate) log: Vec<String>,
}

impl Progress {
    pub(crate) fn new(targets: BTreeMap<String, String>) -> Self {
        Self {
            parser: Parser::default(),
            targets,
            logs: HashMap::new(),
            told: HashSet::new(),
            times: HashMap::new(),
            errors: Vec::new(),
        }
    }

    /// Takes in a line of buildx's standard error, and tells of what begins.
    pub(crate) fn line(&mut self, line: &str) {
        for status in self.parser.line(line) {
            self.status(status);
        }
    }

    fn status(&mut self, status: Status) {
        for log in &status.logs {
            let kept = self.logs.entry(log.vertex.clone()).or_default();
            for line in log.text().lines() {
                tracing::debug!(vertex = %log.vertex, "{line}");
                kept.push_back(line.to_owned());
                if kept.len() > LOG_LINES {
                    kept.pop_front();
                }
            }
        }
        for vertex in status.vertexes {
            self.vertex(vertex);
        }
    }

    fn vertex(&mut self, vertex: Vertex) {
        let (target, step) = self.split(&vertex.name);
        if let Some(target) = &target {
            let now = Instant::now();
            self.times
                .entry(target.clone())
                .and_modify(|(_, last)| *last = now)
                .or_insert((now, now));
            let key = format!("{target} {step}");
            if vertex.started.is_some() && !step.starts_with("internal]") && self.told.insert(key) {
                let name = self
                    .targets
                    .get(target)
                    .map_or(target.as_str(), String::as_str);
                tracing::info!(target: "pipeline::progress", stage = "build", item = %name, "{}", shown(&step));
            }
        }
        if let Some(message) = vertex.error.filter(|error| !error.is_empty())
            && !message.contains("context canceled")
            // A failure that ends the others shows up in them, too.
            && !self.errors.iter().any(|known| message.contains(&known.message))
        {
            let log = self.logs.get(&vertex.digest).cloned().unwrap_or_default();
            self.errors.push(StepError {
                target,
                step,
                message,
                log: log.into(),
            });
        }
    }

    /// The target and the rest of `[target 1/2] RUN …`. A single target has no name in there.
    fn split(&self, name: &str) -> (Option<String>, String) {
        let inner = name.strip_prefix('[').unwrap_or(name);
        if self.targets.len() == 1 {
            return match inner.starts_with("internal] load local bake") {
                true => (None, inner.to_owned()),
                false => (self.targets.keys().next().cloned(), inner.to_owned()),
            };
        }
        let (first, rest) = inner.split_once([' ', ']']).unwrap_or((inner, ""));
        match self.targets.contains_key(first) {
            true => (Some(first.to_owned()), rest.trim_start().to_owned()),
            false => (None, inner.to_owned()),
        }
    }

    /// The steps that failed of themselves, in their order.
    pub(crate) fn errors(&self) -> &[StepError] {
        &self.errors
    }

    /// The plain text that followed.
    pub(crate) fn text(&self) -> &[String] {
        &self.parser.text
    }

    /// From the first to the last news of a target.
    pub(crate) fn time(&self, target: &str) -> Duration {
        self.times
            .get(target)
            .map_or(Duration::ZERO, |(first, last)| *last - *first)
    }
}

/// A step as people read it: `1/2 RUN make`.
fn shown(step: &str) -> String {
    let line = step.lines().next().unwrap_or_default().replacen(']', "", 1);
    let line = line.trim();
    let mut shown: String = line.chars().take(NAME_WIDTH).collect();
    if shown.len() < line.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(ids: &[&str], text: &str) -> Progress {
        let targets = ids.iter().map(|id| ((*id).to_owned(), format!("x/{id}@1")));
        let mut progress = Progress::new(targets.collect());
        text.lines().for_each(|line| progress.line(line));
        progress
    }

    const FAILED: &str = r#"{"vertexes":[{"digest":"sha256:1","name":"[two stage 1/2] RUN make\nx","started":"2026-01-01T00:00:00Z"}]}
{"logs":[{"vertex":"sha256:1","data":"b25lCnR3bwo="}]}
{"vertexes":[{"digest":"sha256:1","name":"[two stage 1/2] RUN make","error":"exit code: 3"}]}
{"vertexes":[{"digest":"sha256:2","name":"[one] pushing x/one:1 with docker","error":"failed to solve: exit code: 3"}]}
{"vertexes":[{"digest":"sha256:3","name":"[one 1/1] COPY a b","error":"context canceled: context canceled"}]}
"#;

    #[test]
    fn only_the_first_cause_counts_as_an_error() {
        let progress = progress(&["one", "two"], FAILED);
        assert_eq!(
            progress.errors(),
            [StepError {
                target: Some("two".into()),
                step: "stage 1/2] RUN make".into(),
                message: "exit code: 3".into(),
                log: vec!["one".into(), "two".into()],
            }]
        );
    }

    #[test]
    fn a_single_target_owns_all_steps() {
        let text = r#"{"vertexes":[{"digest":"a","name":"[base 1/2] RUN x","error":"bad"}]}"#;
        let progress = progress(&["one"], text);
        assert_eq!(progress.errors()[0].target.as_deref(), Some("one"));
    }

    #[test]
    fn keeps_the_last_lines_of_a_long_log() {
        let long: String = (0..100).map(|n| format!("line {n}\n")).collect();
        let data = {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.encode(long)
        };
        let text = format!(
            "{{\"logs\":[{{\"vertex\":\"a\",\"data\":\"{data}\"}}]}}\n\
             {{\"vertexes\":[{{\"digest\":\"a\",\"name\":\"[one 1/1] RUN x\",\"error\":\"bad\"}}]}}\n"
        );
        let progress = progress(&["one", "two"], &text);
        let log = &progress.errors()[0].log;
        assert_eq!(log.len(), 40);
        assert_eq!(log[39], "line 99");
    }

    #[test]
    fn steps_read_well() {
        assert_eq!(shown("2/3] RUN make\nall"), "2/3 RUN make");
        assert_eq!(shown("] exporting to image"), "exporting to image");
    }
}
