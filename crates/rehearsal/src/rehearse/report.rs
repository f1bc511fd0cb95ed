use std::path::PathBuf;

use acceptance::AcceptanceReport;
use image_factory::build::BuildReport;
use image_factory::pin::PinReport;
use image_factory::plan::BuildPlan;
use modal_deploy::DeployReport;
use promotion::PromotionReport;
use serde::{Deserialize, Serialize};

use super::ProofRow;

/// All that a rehearsal did and found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RehearsalReport {
    /// Version of this form: 1.
    pub schema: u32,
    /// The repository that was rehearsed.
    pub repository: PathBuf,
    /// Names the bot branch.
    pub run_id: String,
    /// What each stage came to, in order.
    pub stages: Vec<StageReport>,
    /// What was to be built.
    pub plan: Option<BuildPlan>,
    /// What was built.
    pub build: Option<BuildReport>,
    /// What was pinned.
    pub pin: Option<PinReport>,
    /// How the suite went.
    pub acceptance: Option<AcceptanceReport>,
    /// One an environment.
    pub deploys: Vec<DeployReport>,
    /// One a step from an environment to the next.
    pub promotions: Vec<PromotionReport>,
    /// The second build and pin.
    pub again: Option<Again>,
    /// One a processor and environment.
    pub proof: Vec<ProofRow>,
    /// Where the scratch copy was left, with `--keep`.
    pub kept: Option<PathBuf>,
}

/// What one stage came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StageReport {
    /// `build`, `deploy dev`.
    pub stage: String,
    /// How it ended.
    pub status: Status,
    /// Wall time.
    pub seconds: f64,
    /// One sentence.
    pub summary: String,
}

/// How a stage ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It ran, and all is well.
    Done,
    /// The repository has nothing for it; the summary says what to add.
    NotConfigured,
    /// It failed, and nothing after it ran.
    Failed,
}

/// The second build and pin, on the tree with the merged pins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Again {
    /// Images that were built: none, or the pin would cause another pin.
    pub built: usize,
    /// Registry files that would change: none.
    pub changed: usize,
    /// Pull requests that were opened: none.
    pub pull_requests: usize,
    /// Wall time of plan, build and pin together.
    pub seconds: f64,
}
