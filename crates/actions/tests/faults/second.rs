//! The run after one that failed in part, and a repository whose owner has capitals.

use super::bench::{Bench, json_file};
use super::project::{self, dockerfile_of, file_of};
use super::proposal::{self, assert_one_open, at};
use super::services::{Forge, with_registry};

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failure_in_part_only_the_rest_is_built() {
    with_registry(async |host| {
        let bench = Bench::new();
        project::runbook(&bench);
        let good = bench.read(&dockerfile_of("upper"));
        let bad = format!("{good}RUN [\"/bin/sh\", \"-c\", \"exit 3\"]\n");
        bench.write(&dockerfile_of("upper"), bad);
        let report = bench.path("build.json");
        let words = format!(
            "build --registry {host} --image-prefix ghcr.io/acme/models --json {}",
            report.display()
        );
        bench.pipeline(&words).go().await.ended(11).one_error();
        let first = json_file(&report)["built"].as_array().unwrap().clone();
        assert_eq!(first.len(), 1, "{first:?}");

        bench.write(&dockerfile_of("upper"), good);
        bench.pipeline(&words).go().await.ok();
        let second = json_file(&report)["built"].as_array().unwrap().clone();
        let decisions: Vec<_> = second.iter().map(|one| &one["decision"]).collect();
        assert_eq!(decisions, ["reused", "built"], "{second:?}");
        assert_eq!(second[0]["image"], first[0]["image"]);

        let pin = format!("pin --from {}", report.display());
        bench.pipeline(&pin).go().await.ok();
        for (name, one) in ["lower", "upper"].iter().zip(&second) {
            let text = bench.read(&file_of(name));
            assert!(text.contains(one["image"].as_str().unwrap()), "{text}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_with_capitals_is_the_same_owner() {
    let bench = Bench::new();
    project::runbook(&bench);
    let forge = Forge::start(&bench).await;
    let report = proposal::report(&bench, &proposal::plan(&bench).await, 1);
    for run_id in ["7", "8"] {
        let run = bench.pipeline(&proposal::words(&report, run_id));
        let run = at(forge.server.api_url(), run).env("GITHUB_REPOSITORY", "ACME/Models");
        run.go().await.ok();
        assert_one_open(&forge, 1).await;
    }
    // Images go where the engine takes them.
    let plan = bench
        .pipeline("plan --offline --json -")
        .env("GITHUB_REPOSITORY", "ACME/Models");
    let plan = plan.go().await.ok().json();
    for item in plan["items"].as_array().unwrap() {
        let repository = item["repository"].as_str().unwrap();
        assert!(
            repository.starts_with("ghcr.io/acme/models/"),
            "{repository}"
        );
    }
}
