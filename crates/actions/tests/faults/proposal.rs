//! Build reports of images that nobody needs to have, and pin runs that propose them.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::bench::{Bench, Run};
use super::services::{Forge, TOKEN};

const PREFIX: &str = "ghcr.io/acme/models";

/// The plan of the repository as it is now.
pub(crate) async fn plan(bench: &Bench) -> Value {
    let words = format!("plan --offline --image-prefix {PREFIX} --json -");
    bench.pipeline(&words).go().await.ok().json()
}

/// A report of builds of everything in `plan`, as `pipeline build --json` writes it. Images of
/// different `number`s have different digests.
pub(crate) fn report(bench: &Bench, plan: &Value, number: usize) -> PathBuf {
    let built: Vec<Value> = plan["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let repository = item["repository"].as_str().unwrap();
            json!({
                "ref": item["ref"], "file": item["file"], "pin-platform": item["pin-platform"],
                "image": format!("{repository}@{}", digest(number)), "key": item["key"],
                "decision": "built", "why": "first-build", "platforms": item["platforms"],
                "tags": [], "seconds": 1.5,
            })
        })
        .collect();
    let path = bench.path(&format!("build-{number}.json"));
    let report = json!({ "schema": 1, "ended-at": "2026-03-01T12:00:00Z", "built": built });
    std::fs::write(&path, report.to_string()).unwrap();
    path
}

/// The digest of the images of that number.
pub(crate) fn digest(number: usize) -> String {
    format!("sha256:{number:064x}")
}

/// The arguments that propose a report.
pub(crate) fn words(report: &std::path::Path, run_id: &str) -> String {
    format!(
        "pin --from {} --propose --run-id {run_id}",
        report.display()
    )
}

/// As a workflow has it, with the API at `url`.
pub(crate) fn at(url: String, run: Run) -> Run {
    run.env("GITHUB_API_URL", url)
        .env("GITHUB_REPOSITORY", "acme/models")
        .env("GITHUB_TOKEN", TOKEN)
}

/// The branches of the bot.
pub(crate) async fn bot_branches(forge: &Forge) -> Vec<String> {
    let args = [
        "for-each-ref",
        "--format=%(refname:short)",
        "refs/heads/bot",
    ];
    let text = super::project::git(&forge.git_dir(), &args).await;
    text.lines().map(str::to_owned).collect()
}

/// One open pull request, whose branch is the only one of the bot and pins images of `number`.
pub(crate) async fn assert_one_open(forge: &Forge, number: usize) {
    let open = forge.open().await;
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(bot_branches(forge).await, [open[0].head.clone()]);
    let range = format!("dev...{}", open[0].head);
    let diff = super::project::git(&forge.git_dir(), &["diff", &range]).await;
    let pinned = diff.lines().filter(|line| line.starts_with("+  ")).count();
    let right = diff.matches(&digest(number)).count();
    assert_eq!((pinned, right), (2, 2), "{diff}");
}
