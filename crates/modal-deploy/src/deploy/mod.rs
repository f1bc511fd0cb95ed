//! Deploy: what has to be done, Modal's own command line where it has to be, and what is live
//! afterwards.

mod app_file;
mod cli;
mod code;
mod execute;
mod found;
mod images;
mod ledger;
mod log;
mod options;
mod plan;
mod prints;
mod read_back;
mod restore;
mod settle;
mod steps;
mod tag;
mod work;

pub use app_file::AppFile;
pub use cli::ModalCli;
pub(crate) use cli::as_client;
pub use code::code_hash;
pub(crate) use execute::Outcome;
pub(crate) use found::{create, environment};
pub use images::Images;
pub use options::{DeployOptions, OnFailure, RunOptions};
pub use plan::{DeployPlan, PlannedApp, check_names, plan};
pub(crate) use plan::{collision, not_pinned, too_long};
pub use prints::{AppPrint, Prints, Shared};
pub use restore::Means;
pub(crate) use settle::Now;
pub(crate) use steps::held;
pub use steps::{AppStep, Found, Rules, Step, Steps, steps};
pub(crate) use tag::digits as tag_digits;
pub(crate) use work::{Order, Work};
