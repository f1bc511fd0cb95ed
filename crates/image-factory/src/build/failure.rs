use std::fmt;
use std::path::PathBuf;

use registry_model::ProcessorRef;

use super::progress::StepError;
use super::report::BuildReport;
use super::target::Target;
use crate::FactoryError;
use crate::plan::Planned;

/// Some images could not be built or pushed.
#[derive(Clone, Debug)]
pub struct BuildFailure {
    /// Those that failed.
    pub failed: Vec<FailedTarget>,
    /// Those that were stopped, or not begun, because of that.
    pub stopped: Vec<String>,
    /// Those that are built, pushed and confirmed, or were there: no work is lost.
    pub report: BuildReport,
}

/// An image that could not be built or pushed.
#[derive(Clone, Debug)]
pub struct FailedTarget {
    /// The processor; none if it could not be found out.
    pub reference: Option<ProcessorRef>,
    /// How people call it.
    pub name: String,
    /// The Dockerfile, relative to the root of the repository.
    pub dockerfile: PathBuf,
    /// The line of the Dockerfile, counted from 1, if one is to blame.
    pub line: Option<usize>,
    /// The step, if one is to blame: `RUN make`.
    pub step: Option<String>,
    /// What went wrong.
    pub message: String,
    /// At most the last 40 lines that the step printed.
    pub log: Vec<String>,
    /// What to do about it, if that follows from more than the message.
    pub hint: Option<String>,
}

/// What the message of a step that ran says: whatever its program printed is about the program.
const STEP_FAILED: &str = "did not complete successfully";
/// What the kernel says of a program of another platform, and shells pass on.
const FOREIGN: &str = "exec format error";

impl FailedTarget {
    /// A failure that is no step's.
    pub(crate) fn new(item: &Planned, message: String) -> Self {
        Self {
            reference: Some(item.reference.clone()),
            name: item.name(),
            dockerfile: item.dockerfile.clone(),
            line: None,
            step: None,
            message,
            log: Vec::new(),
            hint: None,
        }
    }

    /// The failure of an image that neither its steps nor its push are to blame for.
    pub(crate) fn of_its_own(item: &Planned, error: &FactoryError) -> Self {
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            message += &format!(": {error}");
            cause = error.source();
        }
        Self {
            hint: error.hint(),
            ..Self::new(item, message)
        }
    }
}

impl std::error::Error for BuildFailure {}

impl fmt::Display for BuildFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, failed) in self.failed.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{failed}")?;
        }
        if !self.stopped.is_empty() {
            write!(f, "\nstopped by this: {}", self.stopped.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for FailedTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "build {} ({}", self.name, self.dockerfile.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, "): {}", self.message)?;
        self.log
            .iter()
            .try_for_each(|line| write!(f, "\n  | {line}"))
    }
}

impl BuildFailure {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.failed.iter().find_map(FailedTarget::cure)
    }
}

impl FailedTarget {
    fn cure(&self) -> Option<String> {
        if self.hint.is_some() {
            return self.hint.clone();
        }
        let says = |text: &str, words: &[&str]| {
            let text = text.to_lowercase();
            words.iter().any(|word| text.contains(word))
        };
        let last = self.log.last().map_or("", String::as_str);
        if says(&self.message, &[FOREIGN]) || says(last, &[FOREIGN]) {
            return Some(
                "let this machine run programs of the other platform: `docker run --privileged \
                 --rm tonistiigi/binfmt --install all`, or docker/setup-qemu-action in a workflow"
                    .to_owned(),
            );
        }
        if says(&self.message, &[STEP_FAILED]) {
            return None;
        }
        let says = |words: &[&str]| says(&self.message, words);
        let text = if says(&["unauthorized", "authentication required", "no basic auth"]) {
            "log in to the registry: `docker login <registry>`"
        } else if says(&["denied", "forbidden", "write_package"]) {
            "let the account you push with write to this repository; on GitHub that is the \
             package's `Manage Actions access` and `permissions: packages: write`"
        } else if says(&["connection refused", "no such host", "i/o timeout"]) {
            "check that the engine can reach the registry"
        } else if says(&["failed to resolve source metadata", "load metadata for"]) {
            "check the base image, or replace it with `base-images` in the settings"
        } else {
            return None;
        };
        Some(text.to_owned())
    }
}

/// Which of `targets` failed, and where, from the steps that failed and buildx's closing words.
/// `dockerfiles` are the texts of the targets' Dockerfiles, in the same order.
///
/// Empty when no target can be blamed.
pub(crate) fn attribute(
    targets: &[Target<'_>],
    dockerfiles: &[String],
    errors: &[StepError],
    text: &[String],
) -> Vec<(usize, FailedTarget)> {
    let excerpt = Excerpt::find(text);
    let mut failed: Vec<(usize, FailedTarget)> = Vec::new();
    for error in errors {
        let blamed = |target: &&Target<'_>| Some(&target.id) == error.target.as_ref();
        let Some((index, target)) = targets.iter().enumerate().find(|(_, t)| blamed(t)) else {
            continue;
        };
        if failed.iter().any(|(known, _)| *known == index) {
            continue;
        }
        let step = error
            .step
            .split_once(']')
            .map_or(error.step.as_str(), |(_, step)| step);
        let step = step.trim().to_owned();
        // buildx quotes the Dockerfile of one failure only.
        let line = excerpt
            .as_ref()
            .filter(|excerpt| excerpt.is_of(&dockerfiles[index]))
            .map(|excerpt| excerpt.line)
            .or_else(|| line_of(&step, &dockerfiles[index]));
        failed.push((
            index,
            FailedTarget {
                line,
                step: Some(step),
                message: error.message.clone(),
                log: error.log.clone(),
                ..FailedTarget::new(target.item, String::new())
            },
        ));
    }
    if failed.is_empty() {
        // A Dockerfile that cannot be parsed has no steps; buildx quotes it, without its folder.
        let message = closing_words(text);
        for (index, target) in targets.iter().enumerate() {
            let line = excerpt
                .as_ref()
                .filter(|excerpt| excerpt.is_of(&dockerfiles[index]))
                .map(|excerpt| excerpt.line);
            if line.is_some() || targets.len() == 1 {
                let message = message.clone();
                failed.push((
                    index,
                    FailedTarget {
                        line,
                        message,
                        ..FailedTarget::new(target.item, String::new())
                    },
                ));
            }
        }
    }
    failed
}

/// Where a step begins in a Dockerfile, if only one line of it can be meant.
fn line_of(step: &str, dockerfile: &str) -> Option<usize> {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let step = words(step);
    let is_it = |line: &str| {
        let line = words(line.trim_end().trim_end_matches('\\'));
        line.contains(' ') && step.starts_with(&line)
    };
    let mut lines = dockerfile.lines().zip(1..);
    let mut found = lines.by_ref().filter(|(line, _)| is_it(line));
    let first = found.next()?;
    found.next().is_none().then_some(first.1)
}

/// The failure of nobody in particular.
pub(crate) fn unattributed(text: &[String]) -> FailedTarget {
    FailedTarget {
        reference: None,
        name: "images".to_owned(),
        dockerfile: PathBuf::from("docker buildx bake"),
        line: None,
        step: None,
        message: closing_words(text),
        log: text.iter().rev().take(40).rev().cloned().collect(),
        hint: None,
    }
}

/// What stands behind `ERROR:`.
fn closing_words(text: &[String]) -> String {
    let error = text
        .iter()
        .rev()
        .find_map(|line| line.strip_prefix("ERROR: "));
    let error = error.unwrap_or("docker buildx ended without saying why");
    error
        .strip_prefix("failed to solve: ")
        .unwrap_or(error)
        .to_owned()
}

/// The part of a Dockerfile that buildx quotes after a failure:
/// ```text
/// Dockerfile:3
/// --------------------
///    2 |     COPY sub /sub
///    3 | >>> RUN exit 3
/// --------------------
/// ```
#[derive(Debug, PartialEq, Eq)]
struct Excerpt {
    line: usize,
    quoted: Vec<(usize, String)>,
}

impl Excerpt {
    fn find(text: &[String]) -> Option<Self> {
        let (start, line) = text.iter().enumerate().find_map(|(index, head)| {
            let next = text.get(index + 1)?;
            let rule = next.len() > 3 && next.bytes().all(|b| b == b'-');
            let line = head.rsplit_once(':')?.1.parse().ok()?;
            rule.then_some((index, line))
        })?;
        let quoted = text[start + 2..]
            .iter()
            .take_while(|line| !line.starts_with("---"))
            .filter_map(|line| {
                let (number, rest) = line.split_once(" | ")?;
                let rest = rest
                    .strip_prefix(">>> ")
                    .or_else(|| rest.strip_prefix("    "));
                let rest = rest.unwrap_or_default().trim_end().to_owned();
                Some((number.trim().parse().ok()?, rest))
            })
            .collect();
        Some(Self { line, quoted })
    }

    fn is_of(&self, dockerfile: &str) -> bool {
        let lines: Vec<&str> = dockerfile.lines().collect();
        self.quoted.iter().all(|(number, quoted)| {
            let line = number.checked_sub(1).and_then(|index| lines.get(index));
            line.map_or("", |line| line.trim_end()) == quoted
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::target::targets;
    use crate::plan::BuildPlan;

    fn plan(names: &[&str]) -> BuildPlan {
        let key = "0".repeat(64);
        let items: Vec<_> = names
            .iter()
            .map(|name| {
                serde_json::json!({
                    "ref": format!("x/{name}@1"), "file": format!("registry/{name}.yaml"),
                    "pin-platform": null, "repository": format!("ghcr.io/acme/{name}"),
                    "context": "code", "dockerfile": format!("code/{name}/Dockerfile"),
                    "target": null, "args": [], "platforms": ["linux/amd64"], "base-images": [],
                    "key": key, "decision": { "build": { "why": "first-build" } }
                })
            })
            .collect();
        serde_json::from_value(serde_json::json!({ "schema": 1, "items": items })).unwrap()
    }

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    const CLOSING: &str = "Dockerfile:3\n--------------------\n   1 |     FROM scratch\n   \
        2 |     \n   3 | >>> RUN exit 3\n   4 |     \n--------------------\n\
        ERROR: failed to solve: process \"/bin/sh -c exit 3\" did not complete successfully\n";

    #[test]
    fn a_failed_step_is_told_with_its_line_and_its_log() {
        let plan = plan(&["one", "two"]);
        let targets = targets(&plan, "build-x");
        let error = StepError {
            target: Some("x-two-v1".into()),
            step: "2/2] RUN exit 3".into(),
            message: "exit code: 3".into(),
            log: vec!["compiling".into(), "no such file".into()],
        };
        let dockerfiles = ["FROM other\n".into(), "FROM scratch\n\nRUN exit 3\n".into()];
        let failed = attribute(&targets, &dockerfiles, &[error], &lines(CLOSING));
        assert_eq!(failed.len(), 1);
        let failure = BuildFailure {
            failed: failed.into_iter().map(|(_, failed)| failed).collect(),
            stopped: vec!["x/one@1".into()],
            report: BuildReport {
                schema: 1,
                ended_at: jiff::Timestamp::UNIX_EPOCH,
                built: Vec::new(),
            },
        };
        insta::assert_snapshot!(failure, @r"
        build x/two@1 (code/two/Dockerfile:3): exit code: 3
          | compiling
          | no such file
        stopped by this: x/one@1
        ");
    }

    #[test]
    fn a_dockerfile_that_cannot_be_parsed_is_found_by_what_is_quoted() {
        let plan = plan(&["one", "two"]);
        let targets = targets(&plan, "build-x");
        let dockerfiles = ["FROM other\n".into(), "FROM scratch\n\nRUN exit 3\n".into()];
        let failed = attribute(&targets, &dockerfiles, &[], &lines(CLOSING));
        assert_eq!(failed.len(), 1);
        assert_eq!((failed[0].0, failed[0].1.line), (1, Some(3)));
        assert!(failed[0].1.message.starts_with("process "));
    }

    #[test]
    fn a_step_that_is_not_quoted_is_found_if_it_is_there_once() {
        let dockerfile = "FROM scratch\nRUN make  all\nRUN apt-get update && \\\n  apt-get install x\nRUN make\nRUN make\n";
        assert_eq!(line_of("RUN make all", dockerfile), None);
        assert_eq!(
            line_of("RUN apt-get update &&   apt-get install x", dockerfile),
            Some(3)
        );
        assert_eq!(line_of("RUN make", dockerfile), None);
        assert_eq!(
            line_of("RUN make all", "FROM scratch\nRUN make  all\n"),
            Some(2)
        );
        assert_eq!(line_of("exporting to image", dockerfile), None);
    }

    #[test]
    fn the_cure_is_for_what_failed_and_not_for_what_a_program_printed() {
        let hint = |message: &str, last: &str| {
            let failed = FailedTarget {
                message: message.to_owned(),
                log: vec![last.to_owned()],
                ..unattributed(&[])
            };
            let failure = BuildFailure {
                failed: vec![failed],
                stopped: Vec::new(),
                report: BuildReport {
                    schema: 1,
                    ended_at: jiff::Timestamp::UNIX_EPOCH,
                    built: Vec::new(),
                },
            };
            failure.hint().unwrap_or_default()
        };
        let step = |command: &str, code| {
            format!(
                "process \"/bin/sh -c {command}\" did not complete successfully: exit code: {code}"
            )
        };
        for (command, last) in [
            ("/x.sh", "sh: /x.sh: Permission denied"),
            ("curl http://db", "curl: (7) Connection refused"),
            ("git clone x", "fatal: authentication required"),
            ("test-denied", "1 failed"),
        ] {
            assert_eq!(hint(&step(command, 126), last), "", "{command}");
        }
        let foreign = hint(&step("uname", 1), "exec /bin/sh: exec format error");
        assert!(foreign.contains("binfmt"), "{foreign}");
        for (message, cure) in [
            (
                "push access denied, repository does not exist",
                "account you push with",
            ),
            ("failed to authorize: 401 Unauthorized", "docker login"),
            (
                "dial tcp 127.0.0.1:1: connect: connection refused",
                "can reach",
            ),
            (
                "failed to resolve source metadata for x: not found",
                "base image",
            ),
        ] {
            let hint = hint(message, "unpacking");
            assert!(hint.contains(cure), "{message}: {hint}");
        }
    }

    #[test]
    fn nobody_is_blamed_without_a_reason() {
        let plan = plan(&["one", "two"]);
        let targets = targets(&plan, "build-x");
        let text = lines("ERROR: no builder \"x\" found\n");
        assert!(attribute(&targets, &[String::new(), String::new()], &[], &text).is_empty());
        assert_eq!(unattributed(&text).message, "no builder \"x\" found");
    }
}
