use std::collections::BTreeMap;
use std::time::Instant;

use image_factory::build::{self, BuildOptions, Built, Outcome};
use image_factory::pin::{self, ProposeOptions};
use image_factory::plan;
use registry_model::ProcessorRef;

use super::RehearseError;
use super::report::Again;
use super::scene::Scene;

/// Plans, builds and pins once more, on the tree with the merged pins. Anything but nothing is an
/// error: it would go on for ever.
pub(super) async fn run(
    scene: &Scene<'_>,
    made: &BTreeMap<ProcessorRef, Built>,
) -> Result<Again, RehearseError> {
    let Scene {
        servers, cancel, ..
    } = scene;
    let registry = scene.at(scene.first).await?;
    let before = servers
        .repo
        .find_open_pull_requests(None, None)
        .await?
        .len();

    let since = Instant::now();
    let entries: Vec<_> = registry.entries.iter().collect();
    let planning = scene.plan_options();
    let planned = plan::plan(&registry, &entries, &servers.images, &planning, cancel).await?;
    let building = BuildOptions::new(scene.root());
    let built = build::build(&planned, &servers.images, &building, cancel).await?;
    let changes = pin::changes(&built, &registry)?;
    let mut proposing = ProposeOptions::new("again");
    proposing.base = scene.first.to_string();
    let pinned = pin::propose(&servers.repo, &changes, &proposing, cancel).await?;
    let seconds = since.elapsed().as_secs_f64();

    let after = servers
        .repo
        .find_open_pull_requests(None, None)
        .await?
        .len();
    let again = Again {
        built: built
            .built
            .iter()
            .filter(|one| one.decision == Outcome::Built)
            .count(),
        changed: pinned.changes.changes.len(),
        pull_requests: after.saturating_sub(before),
        seconds,
    };
    if again.built + again.changed + again.pull_requests > 0 {
        return Err(RehearseError::Loop {
            detail: format!(
                "{} images built, {} pins changed, {} pull requests opened",
                again.built, again.changed, again.pull_requests
            ),
        });
    }
    for (reference, first) in made {
        let same = |one: &&Built| one.reference == *reference && one.image == first.image;
        if built.built.iter().find(same).is_none() {
            return Err(RehearseError::Loop {
                detail: format!("{reference} is no longer {}", first.image),
            });
        }
    }
    Ok(again)
}
