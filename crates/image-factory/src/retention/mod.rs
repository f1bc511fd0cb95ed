//! Which digests must stay in the registry, and whether they are there.
//!
//! Whoever cleans a registry up must know what still counts. That is said in git, and nowhere else:
//! what the branches of the environments pin now, and what each pinned before, for a rollback. To
//! these digests belong others, which no file names: the manifests of an index, and the artifacts
//! attached to an image.
//!
//! * [`histories`] reads the pins of branches from git, without a checkout;
//! * [`plan()`] picks from them what must stay, and says why;
//! * [`run()`] follows each to what belongs to it, and asks the registry whether it is there.

mod git;
mod model;
mod pins;
mod plan;
mod run;

pub use git::{HistoryOptions, histories};
pub use model::{BranchHistory, PinnedAt, Reachable, RetentionReport, Role, Use};
pub use plan::{RetentionPlan, plan};
pub use run::{Holdings, run};
