//! Decides what must be built, and why, without building anything.

mod after;
mod changes;
mod dockerfile;
mod evidence;
mod explain;
mod folded;
mod generator;
mod inputs;
mod key;
mod look_up;
mod model;
mod options;
mod record;
mod resolve;
mod run;
mod tree;

pub use after::{BuiltAgain, Proposed, after};
pub use changes::InputChange;
pub(crate) use explain::recorded;
pub(crate) use model::item_name;
pub use model::{
    BaseImage, BuildPlan, Decision, ImageSettings, InputKey, KeyError, Planned, Provenance, Sbom,
    Why,
};
pub use options::PlanOptions;
pub(crate) use record::CREATED;
pub use record::{ARTIFACT_TYPE, InputsRecord, MEDIA_TYPE, RecordError};
pub use run::{plan, repository};
