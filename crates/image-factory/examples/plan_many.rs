//! Plans for the repository in the working folder, asking no registry, and says how long each part
//! took: `cargo run --release --example plan_many -- <root>`.
#![expect(clippy::print_stdout, reason = "an example tells what it found")]

use std::time::Instant;

use image_factory::plan::{PlanOptions, plan};
use registry_model::{LoadOptions, Registry};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let images = oci::Client::new(oci::ClientOptions::default())?;
    let begin = Instant::now();
    let registry = Registry::load(root.as_ref(), &LoadOptions::default())?;
    let loaded = begin.elapsed();
    let entries: Vec<_> = registry.entries.iter().collect();
    let mut options = PlanOptions::new(root);
    options.image_prefix = Some("ghcr.io/acme/models".to_owned());
    options.offline = true;
    let plan = plan(
        &registry,
        &entries,
        &images,
        &options,
        &CancellationToken::new(),
    )
    .await?;
    println!(
        "{} items: registry files {loaded:?}, plan {:?}",
        plan.items.len(),
        begin.elapsed() - loaded
    );
    Ok(())
}
