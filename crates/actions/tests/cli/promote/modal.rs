//! The target is compared with what a deploy there needs, and what a person holds is honoured.

use modal_deploy::{Client, ClientOptions, Control, record, rollback};
use registry_model::Environment;
use rehearsal::modal::{EmbeddedModal, ModalOptions};
use tokio_util::sync::CancellationToken;

use super::super::bench::Run;
use super::super::project::{entry, file_of};
use super::{OPEN, World};

const SECRET: &str = "sk-very-secret-5f1c";
const MODAL_TOKEN: &str = "as-tests-0123456789";

pub(super) async fn modal(environments: &[&str]) -> EmbeddedModal {
    let options = ModalOptions {
        environments: environments.iter().map(|it| it.parse().unwrap()).collect(),
        ..ModalOptions::default()
    };
    let never = CancellationToken::new();
    EmbeddedModal::start(options, &never).await.unwrap()
}

pub(super) fn asking(run: Run, modal: &EmbeddedModal) -> Run {
    run.env("MODAL_SERVER_URL", modal.url())
        .env("MODAL_TOKEN_ID", "ak-tests")
        .env("MODAL_TOKEN_SECRET", MODAL_TOKEN)
}

fn control(modal: &EmbeddedModal) -> Control {
    let mut options = ClientOptions::new("ak-tests", MODAL_TOKEN.into());
    options.server_url = modal.url();
    Control::Native(Client::connect(options).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_the_target_lacks_is_told_at_once() {
    let world = World::new("").await;
    let image = world.proofs.image("upper", "two").await;
    let text = entry("upper", &image.to_string()).replace("required: []", "required: [API_KEY]");
    world.commit("dev", &file_of("upper"), &text).await;

    // Without a token nobody can tell, which is said.
    world.prove(&image).await;
    let dry = world.promote("--dry-run").go().await.ok();
    let note = "note: secrets, image builder and holds in staging are not known";
    assert!(dry.stdout.contains(note), "{}", dry.stdout);

    let empty = modal(&["dev"]).await;
    let lower = world.pin("dev", "lower", "two").await;
    let ran = asking(world.promote(""), &empty).go().await;
    let ran = ran.ended(16).one_error().hides(MODAL_TOKEN).says(&[
        "all in `staging` that a deploy there will need:",
        "environment `staging`: the workspace does not have it",
        "secret `API_KEY`: ",
        "modal environment create staging",
        "and to promote `dev` to `staging`: 1 processor may not go:",
        "text/lower@1: no receipt of acceptance",
    ]);
    // What this machine lacks is no matter of the environment.
    assert!(!ran.stderr.contains("modal client"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("app file"), "{}", ran.stderr);
    world.is_untouched().await;
    world.prove(&lower).await;

    let ready = modal(&["dev", "staging"]).await;
    let ran = asking(world.promote(""), &ready).go().await.ended(16);
    ran.one_error().says(&["secret `API_KEY`: "]);
    // A value at hand is one that a deploy would write.
    let run = asking(world.promote("--dry-run"), &ready).env("API_KEY_STAGING", SECRET);
    run.go().await.ok().hides(SECRET);
    let ran = asking(world.promote("--no-parity"), &ready).go().await.ok();
    let note = "note: staging is not compared with what a deploy there will need";
    assert!(ran.stdout.contains(note), "{}", ran.stdout);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_holds_is_not_undone() {
    let world = World::new(OPEN).await;
    let modal = modal(&["dev", "staging"]).await;
    let (control, never) = (control(&modal), CancellationToken::new());
    let staging: Environment = "staging".parse().unwrap();
    let held = world.proofs.image("upper", "one").await;
    let upper = "text-upper-v1";
    let done = rollback::hold(&control, &staging, upper, &held.digest, &never).await;
    assert!(done.unwrap());
    let is_held = async || {
        let record = record::read(&control, &staging, &never).await.unwrap();
        record.is_some_and(|record| record.hold(upper).is_some())
    };
    let two = world.pin("dev", "upper", "two").await;

    // By name it is a mistake, unless that is what is wanted.
    let short = held.digest.short();
    let some = "--processors text/upper@1 --merge";
    let ran = asking(world.promote(some), &modal).go().await.ended(16);
    ran.one_error().says(&[
        &format!("text/upper@1: a person holds it in staging at {short}"),
        "hint: give --release-hold text/upper@1",
    ]);
    // Everything goes to the branch, and the app stays.
    let ran = asking(world.promote("--merge"), &modal).go().await.ok();
    let note = format!("note: text/upper@1 stays at {short} in staging, where a person holds it");
    assert!(ran.stdout.contains(&note), "{}", ran.stdout);
    assert!(
        world
            .file("staging", "upper")
            .await
            .contains(&two.to_string())
    );
    assert!(is_held().await);

    world.pin("dev", "upper", "three").await;
    let release = "--processors text/upper@1 --release-hold text/upper@1";
    let ran = asking(world.promote(release), &modal).go().await.ok();
    let note =
        "note: the hold ends when `pipeline deploy --env staging --release-hold text/upper@1`";
    assert!(ran.stdout.contains(note), "{}", ran.stdout);
    assert!(is_held().await);
    let release = format!("{release} --merge");
    let ran = asking(world.promote(&release), &modal).go().await.ok();
    let note = format!("note: text/upper@1 was held at {short}, and no longer is");
    assert!(ran.stdout.contains(&note), "{}", ran.stdout);
    assert!(!is_held().await);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_cannot_be_ended_is_told_before_anything_moves() {
    let world = World::new(OPEN).await;
    let modal = modal(&["dev", "staging"]).await;
    let release = "--release-hold text/upper@1";
    // Nothing moves, so that nothing would come to the app either.
    let ran = asking(world.promote(release), &modal).go().await;
    ran.ended(2).one_error().says(&[
        "end the hold of `text/upper@1` in `staging`: nothing moves",
        "hint: run `pipeline deploy --env staging --release-hold text/upper@1`",
    ]);
    world.pin("dev", "upper", "two").await;
    let ran = world.promote(&format!("{release} --merge")).go().await;
    ran.ended(2).one_error().says(&[
        "end the hold of `text/upper@1` in `staging`: Modal cannot be asked",
        "hint: set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET",
    ]);
    // Holds count without the comparison, too.
    for words in ["--no-parity", "--no-parity --merge"] {
        let run = world.promote(words).env("MODAL_TOKEN_ID", "ak-tests");
        run.go().await.ended(16).one_error().hides("ak-tests");
    }
    world.is_untouched().await;
    world.stop().await;
}
