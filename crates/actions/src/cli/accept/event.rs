//! Whether a workflow's event asks for the stage at all.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;

use crate::cli::context::set;
use crate::exit::Exit;
use crate::ui::Failure;

/// GitHub hands on no event with more (GitHub Docs, "Webhook events and payloads": 25 MB).
const LARGEST: u64 = 32 << 20;

/// What of an event counts here. Source: GitHub Docs, the payload of `pull_request`.
#[derive(Deserialize)]
struct Event {
    pull_request: PullRequest,
}

#[derive(Deserialize)]
struct PullRequest {
    labels: Vec<Label>,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

/// Why the event that this runs for asks for nothing; `None` when it does, as everything but a pull
/// request without `label` does.
pub(super) fn not_asked(label: &str) -> Result<Option<String>, Failure> {
    let is_request = |name: String| name == "pull_request" || name == "pull_request_target";
    if !set("GITHUB_EVENT_NAME").is_some_and(is_request) {
        return Ok(None);
    }
    let file = set("GITHUB_EVENT_PATH").unwrap_or_default();
    let event = read(Path::new(&file)).map_err(|problem| {
        let text = format!("read the labels of the pull request from `{file}`: {problem}");
        Failure::new(Exit::Input, text).with_hint(Some(
            "the runner sets GITHUB_EVENT_PATH; leave it alone".to_owned(),
        ))
    })?;
    let labels = event.pull_request.labels;
    // As GitHub compares them.
    let has_it = labels
        .iter()
        .any(|one| one.name.eq_ignore_ascii_case(label));
    Ok((!has_it).then(|| {
        format!("the pull request lacks the label `{label}`; add it to have the images proven")
    }))
}

fn read(file: &Path) -> Result<Event, String> {
    let mut text = Vec::new();
    let open = File::open(file).map_err(|error| error.to_string())?;
    let read = open.take(LARGEST + 1).read_to_end(&mut text);
    read.map_err(|error| error.to_string())?;
    if text.len() as u64 > LARGEST {
        return Err(format!("it has more than {} MiB", LARGEST >> 20));
    }
    serde_json::from_slice(&text).map_err(|error| error.to_string())
}
