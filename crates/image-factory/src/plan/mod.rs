//! Decides what must be built, and why, without building anything.

mod bases;
mod context;
mod dockerignore;
mod key;
mod model;
mod options;
mod run;

pub(crate) use model::item_name;
pub use model::{
    BaseImage, BuildPlan, Decision, ImageSettings, InputChange, InputKey, KeyError, Planned,
    Provenance, Why,
};
pub use options::PlanOptions;
pub use run::plan;
