//! What the target is compared with are the settings that a deploy there will have.

use super::modal::{asking, modal};
use super::{OPEN, World};

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_are_those_after_the_merge() {
    let world = World::new(OPEN).await;
    let modal = modal(&["dev", "staging"]).await;
    let shared = format!("{OPEN}modal: {{secrets: {{shared: {{REGISTRY_AUTH: required}}}}}}\n");
    world.commit("dev", "pipeline.yml", &shared).await;
    world.pin("dev", "upper", "two").await;
    // Everything brings the settings of `dev` along.
    let ran = asking(world.promote("--dry-run"), &modal).go().await;
    ran.ended(16).one_error().says(&[
        "all in `staging` that a deploy there will need:",
        "REGISTRY_AUTH",
    ]);
    // Some leave `staging` its own.
    let some = world.promote("--processors text/upper@1 --dry-run");
    asking(some, &modal).go().await.ok();

    let world = World::new(&shared).await;
    world.commit("dev", "pipeline.yml", OPEN).await;
    world.pin("dev", "upper", "two").await;
    asking(world.promote("--dry-run"), &modal).go().await.ok();
    let some = world.promote("--processors text/upper@1 --dry-run");
    let ran = asking(some, &modal).go().await.ended(16).one_error();
    ran.says(&["REGISTRY_AUTH"]);
    modal.stop().await;
    world.stop().await;
}
