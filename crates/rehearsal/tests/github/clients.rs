use process::Command;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::recorder::ON_PURPOSE;
use crate::support::*;

#[tokio::test]
async fn a_client_made_for_github_understands_the_answers() {
    let world = World::new().await;
    world.commit("dev", "change", &[("a", b"1")]).await;
    // It sends query parameters that GitHub does not know.
    let mut headers = HeaderMap::new();
    headers.insert(ON_PURPOSE, HeaderValue::from_static("1"));
    let http = reqwest::Client::builder().no_proxy();
    let http = http.default_headers(headers).build().unwrap();
    let crab = octocrab::OctocrabBuilder::default()
        .base_uri(&world.recorder.url)
        .unwrap()
        .build_with_reqwest(http)
        .unwrap();
    let pulls = crab.pulls("acme", "processors");
    let pull = pulls
        .create("t", "change", "dev")
        .body("b")
        .send()
        .await
        .unwrap();
    assert_eq!(pull.commits, Some(1));
    let pull = pulls.get(pull.number).await.unwrap();
    assert_eq!(pull.mergeable, Some(true));
    assert_eq!(pulls.list().send().await.unwrap().items.len(), 1);

    let repos = crab.repos("acme", "processors");
    assert_eq!(
        repos.get().await.unwrap().default_branch.as_deref(),
        Some("dev")
    );
    let branch = octocrab::params::repos::Reference::Branch("change".into());
    repos.get_ref(&branch).await.unwrap();
    let file = repos
        .get_content()
        .path("README.md")
        .r#ref("dev")
        .send()
        .await
        .unwrap();
    assert_eq!(file.items[0].decoded_content().as_deref(), Some("hello\n"));
    let folder = repos.get_content().path("code").send().await.unwrap();
    assert_eq!(folder.items.len(), 2);
    let comparison = crab
        .commits("acme", "processors")
        .compare("dev", "change")
        .send()
        .await
        .unwrap();
    assert_eq!(comparison.total_commits, 1);
    let files = comparison.files.unwrap();
    assert_eq!((files[0].filename.as_str(), files[0].additions), ("a", 1));
    let get = async |path: &str| -> Value {
        crab.get(format!("/repos/acme/processors{path}"), None::<&()>)
            .await
            .unwrap()
    };
    let path = format!("/git/commits/{}", world.head("change").await);
    let _: octocrab::models::commits::GitCommitObject =
        serde_json::from_value(get(&path).await).unwrap();
    let tree: octocrab::models::git::GitTree =
        serde_json::from_value(get("/git/trees/change?recursive=1").await).unwrap();
    assert_eq!(
        tree.tree
            .iter()
            .filter(|entry| entry.r#type == "blob")
            .count(),
        5
    );
    let merged = pulls.merge(1).send().await.unwrap();
    assert!(merged.merged);
}

#[tokio::test]
async fn more_pull_requests_than_a_page_are_all_found() {
    let world = World::new().await;
    let sha = world.commit("dev", "b0", &[("a", b"1")]).await;
    let lines: String = (1..=105)
        .map(|number| format!("create refs/heads/b{number} {sha}\n"))
        .collect();
    let update = Command::new("git")
        .current_dir(world.bare())
        .args(["update-ref", "--stdin"])
        .stdin(lines);
    update.run(&CancellationToken::new()).await.unwrap();
    for number in 1..=105 {
        world.open(&format!("b{number}"), "dev").await;
    }
    let open = world.repo.find_open_pull_requests(None, Some("dev"));
    let numbers: Vec<u64> = open.await.unwrap().iter().map(|pull| pull.number).collect();
    assert_eq!(numbers, (1..=105).rev().collect::<Vec<_>>());
}
