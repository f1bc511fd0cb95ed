use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt as _;
use process::Command;
use tokio_util::sync::CancellationToken;

use crate::{Check, ChecksError, Options};

/// Versions come at once, or something is wrong.
const LIMIT: Duration = Duration::from_secs(30);

/// One command of one check: the same one is asked once for all checks that would ask it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Question {
    command: Vec<String>,
    directory: PathBuf,
    env: BTreeMap<String, String>,
}

/// What programs say of themselves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions(BTreeMap<Question, String>);

impl Versions {
    /// Asks all programs of all checks that may be reused. One that does not answer has no version.
    ///
    /// # Errors
    /// On cancellation.
    pub(crate) async fn ask(
        checks: &[Check],
        options: &Options,
        cancel: &CancellationToken,
    ) -> Result<Self, ChecksError> {
        let questions: BTreeSet<Question> = checks.iter().flat_map(questions).collect();
        let answers: Vec<_> = futures_util::stream::iter(questions)
            .map(|question| async move {
                let (program, args) = question.command.split_first()?;
                let mut command = Command::new(program)
                    .args(args)
                    .current_dir(options.root.join(&question.directory))
                    .timeout(LIMIT);
                for (name, value) in &question.env {
                    command = command.env(name, value);
                }
                let output = command.run(cancel).await.ok()?;
                let answer = format!("{}\n{}", output.stdout_text(), output.stderr);
                Some((question, answer))
            })
            .buffer_unordered(options.jobs.max(1))
            .collect()
            .await;
        match cancel.is_cancelled() {
            true => Err(ChecksError::Cancelled),
            false => Ok(Self(answers.into_iter().flatten().collect())),
        }
    }

    /// All that a check asked for; none when one did not answer.
    pub(crate) fn of(&self, check: &Check) -> Option<Vec<&str>> {
        let answer = |question| self.0.get(&question).map(String::as_str);
        questions(check).into_iter().map(answer).collect()
    }
}

fn questions(check: &Check) -> Vec<Question> {
    let question = |command: Vec<String>| Question {
        command,
        directory: check.directory.clone(),
        env: check.env.clone(),
    };
    match (check.versions.as_slice(), check.command.first()) {
        ([], Some(program)) => vec![question(vec![program.clone(), "--version".to_owned()])],
        (versions, _) => versions.iter().cloned().map(question).collect(),
    }
}
