//! Which digests must stay in the registry, and whether they are there.
//!
//! Whoever cleans a registry up must know what still counts. That is said in git, and nowhere else:
//! what the branches of the environments pin now, and what each pinned before, for a rollback; and
//! what open pull requests are about to pin. To these digests belong others, which no file names:
//! the manifests of an index, and the artifacts attached to an image.
//!
//! * [`branches_like`] and [`read_file`] find the branches, and where each has its registry files;
//! * [`histories`] reads the pins of branches from git, without a checkout;
//! * [`plan()`] picks from them what must stay, and says why;
//! * [`run()`] follows each to what belongs to it, and asks the registry whether it is there.

mod git;
mod globs;
mod model;
mod pins;
mod plan;
mod run;

pub use git::{Branch, HistoryOptions, branches_like, histories, read_file};
pub use model::{BranchHistory, PinnedAt, Reachable, RetentionReport, Role, Use};
pub use plan::{RetentionPlan, plan};
pub use run::{Holdings, run};
