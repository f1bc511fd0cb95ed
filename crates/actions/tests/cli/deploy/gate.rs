//! Nothing is deployed that has not proven what `modal.require` asks for.

use receipts::dsse::Envelope;
use receipts::statement::{Decision, Facts, Outcome, Predicate, Promotion, Receipt};
use registry_model::PinnedImage;
use serde_json::json;

use super::super::project::digest;
use super::super::receipts::{Proofs, accepted, deployed, key, public_pem};
use super::{REGISTRY_FILES, Ran, World, discreet};

const NO_MODAL: &str = "/nonexistent/modal";

/// The example with both images in a real registry, and a gate in front of it.
async fn gated(require: &str) -> (World, Proofs, [PinnedImage; 2]) {
    let world = World::replying(Some(json!({"status": "success"}))).await;
    let proofs = Proofs::start().await;
    let images = [
        proofs.image("image_palette", "one").await,
        proofs.image("text_summarize", "one").await,
    ];
    for (name, image) in ["image_palette", "text_summarize"].iter().zip(&images) {
        let file = format!("{REGISTRY_FILES}/{name}.yaml");
        world.replace(&file, "sha256:pending", &image.to_string());
    }
    let gate = format!("receipts: {{keys: [ci.pub]}}\nmodal:\n  require: {require}\n");
    world.replace("pipeline.yml", "modal:\n", &gate);
    world.bench.write("ci.pub", public_pem(1));
    (world, proofs, images)
}

/// Refused before anything was written or started.
#[track_caller]
fn refused(world: &World, ran: Ran, reasons: &[&str]) {
    let ran = discreet(ran).ended(14).one_error();
    let ran = ran.says(reasons).says(&["hint: ", "pipeline receipts"]);
    assert!(!ran.stderr.contains(NO_MODAL), "{}", ran.stderr);
    assert!(!world.has_app("text-summarize-v1"));
    assert!(!world.bench.path("deploy.json").exists());
}

async fn deploy(world: &World, words: &str) -> Ran {
    let run = world.with_secrets(words).env("PIPELINE_MODAL", NO_MODAL);
    run.go().await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deployed_without_its_receipts() {
    let (world, proofs, [palette, summarize]) = gated("[acceptance, deployment in dev]").await;
    let missing = |reference: &str, image: &PinnedImage| {
        let digest = image.digest.short();
        format!("- {reference} ({digest}): no receipt of acceptance")
    };
    let both = [
        missing("image/palette@1", &palette),
        missing("text/summarize@1", &summarize),
    ];
    refused(
        &world,
        deploy(&world, "--env dev").await,
        &[&both[0], &both[1]],
    );

    // A dry run shows what would be done, and that it may not.
    let ran = discreet(deploy(&world, "--env dev --dry-run").await).ended(14);
    let ran = ran.one_error().says(&[&both[0], &both[1]]);
    assert!(ran.stdout.contains("it is not deployed"), "{}", ran.stdout);

    for image in [&palette, &summarize] {
        let receipt = accepted(image, Outcome::Passed);
        proofs.add(image, &receipt, Some(1)).await;
    }
    // `dev` does not ask for its own deployment, and what comes after it does.
    let ran = world.with_secrets("--env dev").go().await;
    discreet(ran).ok();
    assert!(world.has_app("text-summarize-v1"));
    let staging = || {
        let run = world.with_secrets("--env staging --create-environment");
        run.env("OPENAI_API_KEY", super::SECRET)
    };
    let ran = discreet(staging().go().await).ended(14).one_error();
    ran.says(&["text/summarize@1", "no receipt of deployment in dev"]);
    for image in [&palette, &summarize] {
        proofs.add(image, &deployed(image, "dev"), Some(1)).await;
    }
    discreet(staging().go().await).ok();

    // What is live and in order is not asked about: a later failure takes nothing down.
    let failed = accepted(&summarize, Outcome::Failed);
    proofs.add(&summarize, &failed, Some(1)).await;
    discreet(deploy(&world, "--env dev").await).ok();
    let ran = discreet(deploy(&world, "--env dev --force").await).ended(14);
    let ran = ran
        .one_error()
        .says(&["text/summarize@1", "acceptance failed at "]);
    assert!(!ran.stderr.contains("image/palette@1"), "{}", ran.stderr);
    proofs.stop().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_that_are_not_believed_open_no_gate() {
    let (world, proofs, [palette, summarize]) = gated("[acceptance]").await;
    let passed = accepted(&summarize, Outcome::Passed);
    proofs
        .add(&palette, &accepted(&palette, Outcome::Passed), Some(1))
        .await;
    let only = |why: &str| format!("- text/summarize@1 ({}): {why}", summarize.digest.short());

    // Each is newer than the one before, by what it says itself.
    let refusal = "the receipt of acceptance is refused: ";
    proofs.add(&summarize, &passed, None).await;
    let ran = deploy(&world, "--env dev").await;
    assert!(!ran.stderr.contains("image/palette@1"), "{}", ran.stderr);
    refused(&world, ran, &[&only(refusal), "unsigned"]);

    let strange = accepted(&summarize, Outcome::Passed);
    proofs.add(&summarize, &strange, Some(2)).await;
    let ran = deploy(&world, "--env dev").await;
    refused(
        &world,
        ran,
        &[&only(refusal), "a key that is not configured"],
    );

    // About the other image, with a signature that is genuine.
    let other = accepted(&palette, Outcome::Passed);
    let replayed = Envelope::seal(&other, Some(&key(1)));
    proofs.plant(&summarize, &replayed).await;
    let ran = deploy(&world, "--env dev").await;
    refused(&world, ran, &[&only(refusal), "replayed"]);

    // A failure that was signed, made a success afterwards.
    let failed = accepted(&summarize, Outcome::Failed);
    let mut forged = Envelope::seal(&failed, Some(&key(1)));
    let text = String::from_utf8(forged.payload).unwrap();
    assert!(text.contains("FAILED"), "{text}");
    forged.payload = text.replace("FAILED", "PASSED").into_bytes();
    proofs.plant(&summarize, &forged).await;
    let ran = deploy(&world, "--env dev").await;
    refused(&world, ran, &[&only(refusal), "forged"]);

    // A genuine one among them is enough.
    let receipt = accepted(&summarize, Outcome::Passed);
    proofs.add(&summarize, &receipt, Some(1)).await;
    discreet(world.with_secrets("--env dev").go().await).ok();
    assert!(world.has_app("text-summarize-v1"));

    // An image that is not there has no receipts either; that it is missing is what counts.
    let gone = format!("{}@{}", summarize.repository, digest('0'));
    let file = format!("{REGISTRY_FILES}/text_summarize.yaml");
    world.replace(&file, &summarize.to_string(), &gone);
    let ran = discreet(deploy(&world, "--env dev").await).ended(14);
    let ran = ran.one_error().says(&[&gone, "is not there"]);
    assert!(!ran.stderr.contains("no receipt"), "{}", ran.stderr);

    world.bench.write("ci.pub", "no key\n");
    let ran = discreet(deploy(&world, "--env dev").await).ended(2);
    ran.one_error().says(&["ci.pub", "hint: make a pair"]);
    proofs.stop().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_promoted_against_the_rules_goes_where_that_is_configured() {
    let (world, proofs, [palette, summarize]) = gated("[acceptance, promotion in dev]").await;
    let bypassed = |image: &PinnedImage, to: &str| {
        let predicate = Predicate::Promotion(Promotion {
            from: "dev".parse().unwrap(),
            to: to.parse().unwrap(),
            decision: Decision::Bypassed {
                by: "octocat".to_owned(),
                why: "the key leaked".to_owned(),
            },
            receipts: Vec::new(),
        });
        let facts = Facts {
            environment: Some(to.parse().unwrap()),
            ..Facts::at(jiff::Timestamp::now())
        };
        Receipt::about(image, facts, predicate)
    };
    proofs
        .add(&palette, &bypassed(&palette, "dev"), Some(1))
        .await;
    // There is one for another environment only.
    proofs
        .add(&summarize, &bypassed(&summarize, "main"), Some(1))
        .await;
    let ran = deploy(&world, "--env dev").await;
    refused(
        &world,
        ran,
        &["image/palette@1", "promotion in dev failed at "],
    );
    world.replace("pipeline.yml", "[ci.pub]", "[ci.pub], accept-bypass: true");
    let ran = deploy(&world, "--env dev").await;
    assert!(!ran.stderr.contains("image/palette@1"), "{}", ran.stderr);
    refused(
        &world,
        ran,
        &["text/summarize@1", "no receipt of acceptance"],
    );

    // One that nobody signed opens nothing.
    proofs
        .add(&summarize, &bypassed(&summarize, "dev"), None)
        .await;
    refused(&world, deploy(&world, "--env dev").await, &["unsigned"]);
    proofs
        .add(&summarize, &bypassed(&summarize, "dev"), Some(1))
        .await;
    discreet(world.with_secrets("--env dev").go().await).ok();
    assert!(world.has_app("text-summarize-v1"));
    proofs.stop().await;
    world.stop().await;
}
