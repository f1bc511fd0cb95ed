//! What `bake` says while it runs, turned into events.
//!
//! Events have the target `pipeline::progress` (level info) or `pipeline::log` (level debug).
//! `item` is what people call the image: [`Planned::name`](crate::plan::Planned::name).
//!
//! | target | fields | text | when |
//! | --- | --- | --- | --- |
//! | `pipeline::progress` | `stage = "build"`, `item`, `status = "item-start"` | `started` | once, at the first news of the image |
//! | `pipeline::progress` | `stage = "build"`, `item`, `step`, `steps` (numbers from 1) | `RUN make` | a step of the Dockerfile begins; once for each step, `steps` may differ between stages |
//! | `pipeline::progress` | `stage = "build"`, `item` | `pushing …`, `trying again in 2 s: …` | anything else begins |
//! | `pipeline::progress` | `stage = "build"`, `item`, `status = "item-done"` | `pushed 3cf336221c9a` | once: pushed, confirmed and recorded |
//! | `pipeline::progress` | `stage = "build"`, `item`, `status = "item-failed"` | the reason, one line | once: failed for good, or stopped because another failed |
//! | `pipeline::log` | `item` | one line | each line that a step prints, once; without escape sequences, secrets as `***` |
//!
//! Every image that gets `item-start` gets `item-done` or `item-failed`, unless the whole build is
//! cancelled or ends with an error that is no image's. An image can fail without having started.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use process::Redactor;
use regex::Regex;

use super::rawjson::{Parser, Status, Vertex};

/// Lines of a step's output that are kept for the case that it fails.
const LOG_LINES: usize = 40;
/// A step's name is cut to this many characters.
const NAME_WIDTH: usize = 100;
/// A line of a step's output that is longer than this many bytes is told in pieces.
const LINE_WIDTH: usize = 8 * 1024;

/// What has been told of the images of a build, over all runs of `bake`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    known: Arc<Mutex<HashSet<String>>>,
    redactor: Redactor,
}

impl Told {
    /// Tells nothing yet, and never what `redactor` knows.
    pub(crate) fn new(redactor: Redactor) -> Self {
        Self {
            known: Arc::default(),
            redactor,
        }
    }

    fn is_new(&self, what: String) -> bool {
        self.known.lock().is_ok_and(|mut known| known.insert(what))
    }

    fn started(&self, item: &str) {
        if self.is_new(format!("start {item}")) {
            tracing::info!(target: "pipeline::progress", stage = "build", item = %item, status = "item-start", "started");
        }
    }

    fn step(&self, item: &str, step: &str) {
        if !self.is_new(format!("step {item} {step}")) {
            return;
        }
        let shown = shown(step);
        match numbers(step) {
            Some((step, steps)) => {
                tracing::info!(target: "pipeline::progress", stage = "build", item = %item, step, steps, "{shown}");
            }
            None => {
                tracing::info!(target: "pipeline::progress", stage = "build", item = %item, "{shown}");
            }
        }
    }

    /// Tells that an image will be tried again.
    pub(crate) fn again(&self, item: &str, pause: Duration, reason: &str) {
        let (seconds, reason) = (pause.as_secs_f64(), first_line(reason));
        tracing::info!(target: "pipeline::progress", stage = "build", item = %item, "trying again in {seconds:.1} s: {reason}");
    }

    /// Tells that an image is pushed, confirmed and recorded.
    pub(crate) fn done(&self, item: &str, text: &str) {
        if self.is_new(format!("end {item}")) {
            tracing::info!(target: "pipeline::progress", stage = "build", item = %item, status = "item-done", "{text}");
        }
    }

    /// Tells that there will be no image.
    pub(crate) fn failed(&self, item: &str, reason: &str) {
        if self.is_new(format!("end {item}")) {
            let reason = first_line(reason);
            tracing::info!(target: "pipeline::progress", stage = "build", item = %item, status = "item-failed", "{reason}");
        }
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// What is known of a running `bake`.
#[derive(Debug)]
pub(crate) struct Progress {
    parser: Parser,
    /// What `bake` calls a target → how people call it.
    targets: BTreeMap<String, String>,
    /// Step → whose it is, and what it printed.
    outputs: HashMap<String, Printed>,
    told: Told,
    times: HashMap<String, (Instant, Instant)>,
    errors: Vec<StepError>,
    /// The steps that they are of, in the same order.
    blamed: Vec<String>,
    /// The targets whose image is being written: that begins when all steps have run.
    written: HashSet<String>,
}

#[derive(Debug, Default)]
struct Printed {
    target: Option<String>,
    /// A line whose end is still to come.
    open: String,
    last: VecDeque<String>,
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
    pub(crate) fn new(targets: BTreeMap<String, String>, told: Told) -> Self {
        Self {
            parser: Parser::default(),
            targets,
            outputs: HashMap::new(),
            told,
            times: HashMap::new(),
            errors: Vec::new(),
            blamed: Vec::new(),
            written: HashSet::new(),
        }
    }

    /// Takes in a line of buildx's standard error, and tells of what begins.
    pub(crate) fn line(&mut self, line: &str) {
        for status in self.parser.line(line) {
            self.status(status);
        }
    }

    fn status(&mut self, status: Status) {
        // A step's name may come together with the first that it prints.
        for vertex in &status.vertexes {
            let (target, _) = self.split(&vertex.name);
            if let Some(target) = target {
                let printed = self.outputs.entry(vertex.digest.clone()).or_default();
                printed.target.get_or_insert(target);
            }
        }
        for log in &status.logs {
            self.printed(&log.vertex, &log.text());
        }
        for vertex in status.vertexes {
            self.vertex(vertex);
        }
    }

    fn printed(&mut self, vertex: &str, text: &str) {
        let printed = self.outputs.entry(vertex.to_owned()).or_default();
        for piece in text.split_inclusive('\n') {
            printed.open.push_str(piece);
            if piece.ends_with('\n') {
                printed.close(&self.targets, &self.told.redactor);
            } else if printed.open.len() > LINE_WIDTH {
                printed.cut(&self.targets, &self.told.redactor);
            }
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
            if vertex.started.is_some() {
                let name = self.targets.get(target).unwrap_or(target);
                if step.starts_with("exporting to ") {
                    self.written.insert(target.clone());
                }
                self.told.started(name);
                if !is_internal(&step) {
                    self.told.step(name, &step);
                }
            }
        }
        if vertex.completed.is_some()
            && let Some(printed) = self.outputs.get_mut(&vertex.digest)
        {
            printed.close(&self.targets, &self.told.redactor);
        }
        let error = vertex.error.filter(|error| !error.is_empty());
        if let Some(message) = error
            && self.is_cause(&step, &message)
            && !self.blamed.contains(&vertex.digest)
        {
            self.errors.push(StepError {
                target,
                step,
                message: self.told.redactor.apply(&message),
                log: Vec::new(),
            });
            self.blamed.push(vertex.digest);
        }
    }

    /// Whether an error is one of its own.
    fn is_cause(&self, step: &str, message: &str) -> bool {
        // A cache that is not there yet costs time only.
        let cache = step.contains("importing cache manifest from ");
        let ended = message.contains("context canceled");
        // A failure that ends the others shows up in what they do last, too.
        let of_another = numbers(step).is_none()
            && self
                .errors
                .iter()
                .any(|known| message.contains(&known.message));
        !cache && !ended && !of_another
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

    /// Nothing comes any more: what is left is told.
    pub(crate) fn end(&mut self) {
        for printed in self.outputs.values_mut() {
            printed.close(&self.targets, &self.told.redactor);
        }
        // The last lines of a step may come after the news that it failed.
        for (error, step) in self.errors.iter_mut().zip(&self.blamed) {
            let printed = self.outputs.get(step);
            let lines = printed.iter().flat_map(|printed| &printed.last);
            error.log = lines.cloned().collect();
        }
    }

    /// The steps that failed of themselves, in their order; complete after [`Self::end`].
    pub(crate) fn errors(&self) -> &[StepError] {
        &self.errors
    }

    /// The plain text that followed.
    pub(crate) fn text(&self) -> Vec<String> {
        let lines = self.parser.text.iter();
        lines.map(|line| self.told.redactor.apply(line)).collect()
    }

    /// Whether all steps of a target have run.
    pub(crate) fn has_run(&self, target: &str) -> bool {
        self.written.contains(target)
    }

    /// From the first to the last news of a target.
    pub(crate) fn time(&self, target: &str) -> Duration {
        self.times
            .get(target)
            .map_or(Duration::ZERO, |(first, last)| *last - *first)
    }
}

impl Printed {
    /// Tells the line that is complete now.
    fn close(&mut self, targets: &BTreeMap<String, String>, redactor: &Redactor) {
        if self.open.is_empty() {
            return;
        }
        let open = std::mem::take(&mut self.open);
        self.tell(&open, targets, redactor);
    }

    /// Tells a line that is too long to be waited for, but for its end: a secret may have begun there.
    fn cut(&mut self, targets: &BTreeMap<String, String>, redactor: &Redactor) {
        let (told, rest) = redactor.cut(&self.open);
        if !told.is_empty() {
            self.open = rest.to_owned();
            self.tell(&told, targets, redactor);
        }
    }

    fn tell(&mut self, line: &str, targets: &BTreeMap<String, String>, redactor: &Redactor) {
        let line = redactor.apply(&inert(line));
        let target = self.target.as_deref().unwrap_or("images");
        let item = targets.get(target).map_or(target, String::as_str);
        tracing::debug!(target: "pipeline::log", item = %item, "{line}");
        self.last.push_back(line);
        if self.last.len() > LOG_LINES {
            self.last.pop_front();
        }
    }
}

/// A line without what moves the cursor or changes colours; of a line that is written over and
/// over, the last.
fn inert(line: &str) -> String {
    static ESCAPES: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"\x1b(\[[0-9;:<=>?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)").ok()
    });
    let line = line.trim_end_matches(['\n', '\r']);
    let line = line.rsplit('\r').next().unwrap_or_default();
    let line = ESCAPES
        .as_ref()
        .map_or(Cow::Borrowed(line), |escapes| escapes.replace_all(line, ""));
    line.chars()
        .filter(|c| !c.is_control() || *c == '\t')
        .collect()
}

/// Steps that are the builder's own affair.
fn is_internal(step: &str) -> bool {
    step.starts_with("internal]") || step.starts_with("auth]")
}

/// 2 and 3 of `stage 2/3] RUN make`.
fn numbers(step: &str) -> Option<(u64, u64)> {
    let (head, _) = step.split_once(']')?;
    let (step, steps) = head.rsplit(' ').next()?.split_once('/')?;
    Some((step.parse().ok()?, steps.parse().ok()?))
}

/// A step as people read it: `RUN make`.
fn shown(step: &str) -> String {
    let line = first_line(step);
    let line = line.split_once(']').map_or(line, |(_, rest)| rest).trim();
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
        let mut progress = Progress::new(targets.collect(), Told::default());
        text.lines().for_each(|line| progress.line(line));
        progress.end();
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
        assert_eq!(shown("stage 2/3] RUN make\nall"), "RUN make");
        assert_eq!(numbers("stage 2/3] RUN make\nall"), Some((2, 3)));
        assert_eq!(shown("] exporting to image"), "exporting to image");
        assert_eq!(numbers("] exporting a/b"), None);
    }

    fn log(vertex: &str, data: &str) -> String {
        use base64::Engine as _;
        let data = base64::engine::general_purpose::STANDARD.encode(data);
        format!("{{\"logs\":[{{\"vertex\":\"{vertex}\",\"data\":\"{data}\"}}]}}\n")
    }

    #[test]
    fn lines_are_put_together_and_harmless() {
        let text = log("a", "\x1b[1;31mred\x1b[0m and ")
            + &log("a", "hunter22\n10%\r100%\n\x1b]0;title\x07x")
            + r#"{"vertexes":[{"digest":"a","name":"[one 1/1] RUN x","completed":"2026-01-01T00:00:00Z","error":"bad hunter22"}]}"#;
        let mut redactor = Redactor::new();
        redactor.add(&"hunter22".to_owned().into());
        let targets = BTreeMap::from([("one".to_owned(), "x/one@1".to_owned())]);
        let mut progress = Progress::new(targets, Told::new(redactor));
        text.lines().for_each(|line| progress.line(line));
        progress.end();
        let error = &progress.errors()[0];
        assert_eq!(error.log, ["red and ***", "100%", "x"]);
        assert_eq!(error.message, "bad ***");
    }

    #[test]
    fn a_secret_at_the_border_of_a_long_line_is_no_more_told_than_others() {
        let mut redactor = Redactor::new();
        redactor.add(&"hunter22".to_owned().into());
        let targets = BTreeMap::from([("one".to_owned(), "x/one@1".to_owned())]);
        for before in LINE_WIDTH - 8..LINE_WIDTH + 2 {
            let mut progress = Progress::new(targets.clone(), Told::new(redactor.clone()));
            // It comes in two pieces, and the line is cut between them.
            let first = format!("{}hunt", "x".repeat(before));
            progress.line(log("a", &first).trim_end());
            progress.line(log("a", "er22 and more\n").trim_end());
            progress
                .line(r#"{"vertexes":[{"digest":"a","name":"[one 1/1] RUN x","error":"bad"}]}"#);
            progress.end();
            let told = progress.errors()[0].log.concat();
            assert_eq!(told, format!("{}*** and more", "x".repeat(before)));
        }
    }

    #[test]
    fn a_target_has_run_when_its_image_is_written() {
        let text = r#"{"vertexes":[{"digest":"a","name":"[one 2/2] RUN x","started":"2026-01-01T00:00:00Z"}]}
{"vertexes":[{"digest":"b","name":"[two] exporting to image","started":"2026-01-01T00:00:00Z"}]}
"#;
        let both = progress(&["one", "two"], text);
        assert_eq!([both.has_run("one"), both.has_run("two")], [false, true]);
        let text = r#"{"vertexes":[{"digest":"b","name":"exporting to image","started":"2026-01-01T00:00:00Z"}]}"#;
        assert!(progress(&["one"], text).has_run("one"));
    }

    #[test]
    fn two_steps_that_fail_alike_are_two_failures_and_a_missing_cache_is_none() {
        let text = r#"{"vertexes":[{"digest":"c","name":"[one] importing cache manifest from a/b:c","error":"not found"}]}
{"vertexes":[{"digest":"a","name":"[one 2/2] RUN x","error":"exit code: 3"}]}
{"vertexes":[{"digest":"b","name":"[two 2/2] RUN x","error":"exit code: 3"}]}
"#;
        let progress = progress(&["one", "two", "three"], text);
        let blamed: Vec<_> = progress
            .errors()
            .iter()
            .map(|error| error.target.as_deref())
            .collect();
        assert_eq!(blamed, [Some("one"), Some("two")]);
    }
}
