//! Deploy: Modal's own command line, once a processor, and what is live afterwards.

mod app_file;
mod cli;
mod plan;
mod run;

pub use app_file::AppFile;
pub use cli::ModalCli;
pub use plan::{DeployPlan, PlannedApp, plan};
pub use run::{DeployOptions, Deployer, Live};
