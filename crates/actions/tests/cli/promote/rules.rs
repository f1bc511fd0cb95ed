//! What may not go, why not, and who lets it go all the same.

use receipts::statement::{Decision, Facts, Outcome, Predicate, Promotion, Receipt};
use registry_model::PinnedImage;

use super::super::project::git;
use super::super::receipts::{accepted, deployed, public_pem};
use super::{OPEN, World};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_without_its_receipts() {
    let world = World::new("").await;
    let upper = world.pin("dev", "upper", "two").await;
    let lower = world.pin("dev", "lower", "two").await;
    world.prove(&lower).await;
    for words in ["--dry-run", "", "--merge"] {
        let ran = world.promote(words).go().await.ended(16).one_error();
        let short = upper.digest.short();
        let ran = ran.says(&[
            "1 processor may not go:",
            &format!("- text/upper@1: no receipt of acceptance ({short})"),
            &format!("- text/upper@1: no receipt of deployment in dev ({short})"),
            "hint: run `pipeline deploy --env dev`, and `pipeline attest` with its report",
            &format!("hint: `pipeline receipts {upper}` shows"),
        ]);
        assert!(!ran.stderr.contains("text/lower@1"), "{}", ran.stderr);
        let row = ran
            .stdout
            .lines()
            .find(|line| line.starts_with("text/upper@1"));
        let row = row.unwrap();
        assert!(row.contains("no receipt of acceptance"), "{row}");
        let report = world.report();
        assert_eq!(report["processors"][1]["why-not"][0]["rule"], "receipt");
        assert_eq!(
            report["processors"][0]["why-not"].as_array().unwrap().len(),
            0
        );
        world.is_untouched().await;
    }
    // One that fails after it passed counts.
    world.prove(&upper).await;
    let failed = accepted(&upper, Outcome::Failed);
    world.proofs.add(&upper, &failed, None).await;
    let ran = world.promote("").go().await.ended(16).one_error();
    ran.says(&["text/upper@1: acceptance failed at "]);
    // What is chosen goes without the others.
    world
        .promote("--processors text/lower@1 --merge")
        .go()
        .await
        .ok();
    assert!(
        world
            .file("staging", "lower")
            .await
            .contains(&lower.to_string())
    );
    let passed = accepted(&upper, Outcome::Passed);
    world.proofs.add(&upper, &passed, None).await;
    world.promote("--merge").go().await.ok();
    assert!(
        world
            .file("staging", "upper")
            .await
            .contains(&upper.to_string())
    );
    let proofs = world.report()["processors"][0]["proofs"].clone();
    assert_eq!(proofs[0]["state"], "passed");
    assert!(
        proofs[0]["receipt"]
            .as_str()
            .unwrap()
            .starts_with("sha256:"),
        "{proofs}"
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_and_keys_are_those_of_the_target() {
    let world = World::new("promotion: {require: [acceptance]}\n").await;
    let rules = "promotion: {require: [deployment in dev]}\nreceipts: {keys: [ci.pub]}\n";
    world.commit("staging", "ci.pub", &public_pem(1)).await;
    world.commit("staging", "pipeline.yml", rules).await;
    let upper = world.pin("dev", "upper", "two").await;
    // Neither unsigned, nor what `dev` would ask for.
    world.prove(&upper).await;
    let ran = world.promote("").go().await.ended(16).one_error();
    let ran = ran.says(&[
        "the receipt of deployment in dev is refused: unsigned",
        "hint: let it be written again, with a key of `receipts.keys`",
    ]);
    assert!(!ran.stderr.contains("acceptance"), "{}", ran.stderr);
    let deployed = deployed(&upper, "dev");
    world.proofs.add(&upper, &deployed, Some(1)).await;
    world.promote("--merge").go().await.ok();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_target_has_from_elsewhere_stops_it() {
    let world = World::new(OPEN).await;
    world.pin("dev", "lower", "two").await;
    let rebuilt = world.pin("staging", "upper", "rebuilt").await;
    let ran = world.promote("").go().await.ended(16).one_error();
    let short = rebuilt.digest.short();
    ran.says(&[
        &format!("text/upper@1: staging has {short}, which never was in dev: it was rebuilt"),
        &format!("hint: pin {rebuilt} in dev, too, or promote with --bypass"),
    ]);
    // The others may be named.
    world
        .promote("--processors text_lower --merge")
        .go()
        .await
        .ok();

    // Somebody let it in on purpose.
    let predicate = Predicate::Promotion(Promotion {
        from: "dev".parse().unwrap(),
        to: "staging".parse().unwrap(),
        decision: Decision::Bypassed {
            by: "octocat".to_owned(),
            why: "the key leaked".to_owned(),
        },
        receipts: Vec::new(),
    });
    let facts = Facts {
        environment: Some("staging".parse().unwrap()),
        ..Facts::at(jiff::Timestamp::now())
    };
    let receipt = Receipt::about(&rebuilt, facts, predicate);
    world.proofs.add(&rebuilt, &receipt, None).await;
    // That pin was changed in the target alone, which a merge would leave so.
    let ran = world.promote("").go().await.ended(16).one_error();
    let ran = ran.says(&[
        "text/upper@1: staging changed this pin by itself",
        "--processors",
    ]);
    assert!(!ran.stderr.contains("never was in dev"), "{}", ran.stderr);
    // The next image from `dev` takes its place.
    let next = world.pin("dev", "upper", "three").await;
    world.promote("--merge").go().await.ok();
    assert!(
        world
            .file("staging", "upper")
            .await
            .contains(&next.to_string())
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_history_is_needed() {
    let world = World::new(OPEN).await;
    world.pin("dev", "upper", "two").await;
    let (origin, shallow) = (world.forge.git_dir(), world.bench.path("shallow"));
    let origin = format!("file://{}", origin.display());
    let target = shallow.display().to_string();
    let clone = [
        "clone", "--quiet", "--depth", "1", "--branch", "dev", &origin, &target,
    ];
    git(&world.bench.repo(), &clone).await;
    let ran = world.promote("").arg("--repo").arg(&shallow).go().await;
    ran.ended(2).one_error().says(&[
        "all that `dev` has pinned",
        "hint: run `git fetch --unshallow`",
        "`fetch-depth: 0`",
    ]);
    world.is_untouched().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bypass_names_who_and_why() {
    let gate = "modal: {require: [acceptance, promotion in staging]}\n";
    let world = World::new(gate).await;
    let upper = world.pin("dev", "upper", "two").await;
    let lower = world.pin("dev", "lower", "two").await;
    world.prove(&lower).await;
    let ran = world.promote("--bypass").go().await.ended(2).one_error();
    ran.says(&["nobody says why", "--why TEXT"]);
    let ran = world
        .promote("--why because")
        .go()
        .await
        .ended(2)
        .one_error();
    ran.says(&["--bypass"]);
    let run = world.promote("--bypass --why").arg("because ".repeat(100));
    let ran = run.env("GITHUB_ACTOR", "octocat").go().await.ended(2);
    ran.one_error().says(&["500 characters"]);

    let why = "key leaked, see 12";
    let run = world.promote("--bypass --merge --why");
    let run = run.arg("key leaked,\nsee 12\n");
    let ran = run.env("GITHUB_ACTOR", "octocat").go().await.ok();
    for text in [
        "against the rules, by octocat: key leaked, see 12",
        "note: a deploy to staging asks for `acceptance`, `promotion in staging`",
        "`receipts.accept-bypass: true`",
        "merged as ",
    ] {
        assert!(ran.stdout.contains(text), "no `{text}` in {}", ran.stdout);
    }
    let report = world.report();
    assert_eq!(report["bypass"]["by"], "octocat");
    assert_eq!(report["bypass"]["why"], why);
    let shown = world.forge.repo().pull_request(1).await.unwrap();
    let marked = "**Against the rules of promotion**, by `octocat`: `key leaked, see 12`";
    assert!(shown.body.contains(marked), "{}", shown.body);

    // What `attest` makes of that report.
    let attest = world.bench.pipeline("attest --env staging --from");
    let report = world.bench.path("promote.json");
    let attest = attest.arg(format!("promote={}", report.display()));
    attest.go().await.ok();
    let list = |image: &PinnedImage| {
        let run = world.bench.pipeline("receipts").arg(image.to_string());
        run.words("--require").arg("promotion in staging").go()
    };
    list(&lower).await.ok();
    let ran = list(&upper).await.ended(16).one_error();
    ran.says(&["promotion in staging failed at "]);

    // Without GitHub, git knows who.
    world.pin("dev", "upper", "three").await;
    let run = world.promote("--bypass --merge --why").arg("again");
    let run = run.env("GIT_AUTHOR_NAME", "A Person");
    run.env("GIT_AUTHOR_EMAIL", "a@example.com").go().await.ok();
    assert_eq!(world.report()["bypass"]["by"], "A Person <a@example.com>");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_no_bypass_has_none() {
    let world = World::new("").await;
    let upper = world.pin("dev", "upper", "two").await;
    world.prove(&upper).await;
    let run = world.promote("--bypass --merge --why").arg("to be sure");
    run.env("GITHUB_ACTOR", "octocat").go().await.ok();
    assert_eq!(world.report()["bypass"], serde_json::Value::Null);
    world.stop().await;
}
