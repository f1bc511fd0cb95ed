//! A hundred runs that propose pins for one repository at the same time.

use std::path::PathBuf;

use futures_util::future::join_all;

use super::bench::Bench;
use super::project::{self, git};
use super::proposal::{self, assert_one_open, at};
use super::services::Forge;

const RUNS: usize = 100;

/// A clone of the repository for each run, at a commit of its own, oldest first. The commits change
/// nothing that an image is built from.
async fn clones(bench: &Bench, forge: &Forge) -> Vec<PathBuf> {
    let mut clones = Vec::new();
    for number in 0..RUNS {
        bench.write("notes.md", format!("note {number}\n"));
        git(&bench.repo(), &["add", "notes.md"]).await;
        git(&bench.repo(), &["commit", "--quiet", "--message", "note"]).await;
        let clone = bench.path(&format!("clone-{number}"));
        let place = clone.display().to_string();
        let args = ["clone", "--quiet", "--shared", ".", &place];
        git(&bench.repo(), &args).await;
        clones.push(clone);
    }
    let github = forge.git_dir().display().to_string();
    git(&bench.repo(), &["push", "--quiet", &github, "HEAD:dev"]).await;
    clones
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_stays_open_and_it_is_the_newest() {
    let bench = Bench::new();
    project::runbook(&bench);
    // Nothing is built here, and every clone has it.
    bench.write("code/bin/busybox", "small");
    let forge = Forge::start(&bench).await;
    let clones = clones(&bench, &forge).await;
    let plan = proposal::plan(&bench).await;

    // Neither in their order nor against it.
    let order = (0..RUNS).map(|place| place * 37 % RUNS);
    let runs = order.map(|number| {
        let report = proposal::report(&bench, &plan, number);
        let words = proposal::words(&report, &format!("{}", 1000 + number));
        let run = bench.pipeline(&words).arg("--repo").arg(&clones[number]);
        let run = at(forge.server.api_url(), run);
        async move { (number, run.go().await.ok().stdout) }
    });
    for (number, said) in join_all(runs.collect::<Vec<_>>()).await {
        // Whatever each of them met, the newest one opened its own and no older one gave up.
        let opened = said.contains(" opened: ");
        let gave_way = said.contains(" is for a newer commit: ");
        assert!(opened || gave_way, "{number}: {said}");
        assert!(opened || number != RUNS - 1, "{number}: {said}");
    }
    assert_one_open(&forge, RUNS - 1).await;
}
