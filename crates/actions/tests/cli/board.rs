//! `pipeline board`, with git and the embedded registry, and from what `status` wrote.

use std::fs;

use receipts::statement::Outcome;

use super::bench::{Bench, json_file, names_in};
use super::project::{commit_all, digest, dockerfile, dockerfile_of, entry, file_of, git};
use super::receipts::{Proofs, accepted};

/// A bench with what `status` wrote about one processor.
fn told() -> Bench {
    let bench = Bench::new();
    let image = format!("ghcr.io/acme/upper@{}", digest('1'));
    let board = serde_json::json!({
        "schema": 1,
        "made-at": "2026-03-02T10:00:00Z",
        "title": "acme/models",
        "url": "https://github.com/acme/models",
        "environments": ["dev"],
        "processors": [{
            "ref": "text/upper@1",
            "platform": null,
            "cells": [{
                "pinned": image,
                "pinned-at": "2026-03-01T10:00:00Z",
                "commit": "c".repeat(40),
                "live": { "state": "unknown" },
                "held": null,
                "drift": [],
                "proofs": [],
                "why-not": [],
            }],
        }],
        "images": {},
        "timeline": [],
        "strays": [],
        "notices": [],
    });
    bench.write("status.json", board.to_string());
    bench
}

const WORDS: &str = "board --from status.json --out site/new";

#[tokio::test]
async fn the_page_and_its_data_are_made_again_and_again() {
    let bench = told();
    for _ in 0..2 {
        let ran = bench.pipeline(WORDS).go().await.ok();
        assert_eq!(ran.stdout, "site/new/index.html\n");
        let site = bench.repo().join("site/new");
        assert_eq!(names_in(&site), ["board.json", "index.html"]);
        let page = fs::read_to_string(site.join("index.html")).unwrap();
        assert!(
            page.contains("acme/models") && page.contains("text/upper@1"),
            "{page}"
        );
        let status = json_file(&bench.repo().join("status.json"));
        assert_eq!(json_file(&site.join("board.json")), status);
    }
}

#[tokio::test]
async fn a_file_of_somebody_else_stays() {
    let bench = told();
    for name in ["index.html", "board.json"] {
        let file = format!("site/new/{name}");
        bench.write(&file, "{\"mine\": true}");
        bench
            .pipeline(WORDS)
            .go()
            .await
            .ended(2)
            .one_error()
            .says(&[&file, "this command has not made", "--force"]);
        assert_eq!(bench.read(&file), "{\"mine\": true}");
        assert_eq!(names_in(&bench.repo().join("site/new")), [name]);
        bench.pipeline(&format!("{WORDS} --force")).go().await.ok();
        assert_ne!(bench.read(&file), "{\"mine\": true}");
        fs::remove_dir_all(bench.repo().join("site")).unwrap();
    }
}

#[tokio::test]
async fn what_is_no_board_is_not_drawn() {
    let bench = told();
    for (text, problem) in [
        ("{}", "missing field `schema`"),
        ("not JSON", "expected"),
        (
            &bench.read("status.json").replacen("1", "7", 1),
            "its `schema` is 7, not 1",
        ),
    ] {
        bench.write("status.json", text);
        let ran = bench.pipeline(WORDS).go().await.ended(2).one_error();
        ran.says(&[
            "read the board `status.json`",
            problem,
            "pipeline status --json FILE",
        ]);
    }
    bench
        .pipeline("board --from none.json --out site")
        .go()
        .await
        .ended(2)
        .says(&["none.json"]);
    bench.pipeline(WORDS).words("--env dev").go().await.ended(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_what_git_and_the_registry_say() {
    let (bench, proofs) = (Bench::new(), Proofs::start().await);
    let image = proofs.image("upper", "one").await;
    bench.write(&file_of("upper"), entry("upper", &image.to_string()));
    bench.write(&dockerfile_of("upper"), dockerfile("upper"));
    commit_all(&bench.repo()).await;
    for branch in ["staging", "main"] {
        git(&bench.repo(), &["branch", branch]).await;
    }
    let receipt = accepted(&image, Outcome::Passed);
    proofs.add(&image, &receipt, None).await;
    let words = "board --offline-modal --github acme/models --out";
    let site = bench.path("site");
    bench.pipeline(words).arg(&site).go().await.ok();
    let data = json_file(&site.join("board.json"));
    assert_eq!(
        data["processors"][0]["cells"][0]["pinned"],
        image.to_string()
    );
    let receipts = &data["images"][image.digest.as_str()]["receipts"];
    assert_eq!(receipts.as_array().unwrap().len(), 1);
    let page = fs::read_to_string(site.join("index.html")).unwrap();
    let commit = git(&bench.repo(), &["rev-parse", "dev"]).await;
    for shown in [
        "text/upper@1",
        image.digest.hex(),
        &commit,
        "github.com/acme/models/commit/",
    ] {
        assert!(page.contains(shown), "no {shown}");
    }

    // Without a token for Modal there is a page all the same, which says so.
    fs::remove_dir_all(&site).unwrap();
    let ran = bench.pipeline("board --out").arg(&site).go().await;
    ran.ended(2)
        .one_error()
        .says(&["MODAL_TOKEN_ID", "not everything could be asked"]);
    let page = fs::read_to_string(site.join("index.html")).unwrap();
    assert!(page.contains("live: not asked"), "{page}");
    proofs.stop().await;
}
