//! Proves pinned images on a compose stack before they are deployed.
//!
//! Six steps, each usable alone:
//!
//! 1. [`guard`] takes the registry's entries and answers with the image of each processor by
//!    digest, or with *every* processor that has none: nothing starts on half a registry.
//! 2. [`plan`] decides, without doing anything, which services to start and which suite to run.
//!    What a repository has nothing for is *not configured* and says what to add.
//! 3. [`inputs()`] reads what the verdicts depend on besides the images, and [`skip()`] takes out of the
//!    plan what has passed at the same inputs already, by the receipts of the images.
//! 4. [`preflight`] asks whether this machine has what the plan needs; [`run`] does so too, but a
//!    caller that builds first does not want to learn it afterwards.
//! 5. [`run`] checks that the images can be pulled, brings the stack up under a project name of
//!    its own, waits until it is healthy, runs the suite with the addresses of the services in
//!    its environment, and takes everything down again, whatever happened: success, failure,
//!    time-out, cancellation, a panic, or a caller that just drops the future.
//! 6. [`receipts()`] says what the report of a run is worth about each image.
//!
//! # What the suite is told
//! | variable | value |
//! | --- | --- |
//! | `ADAPTER`, `MODE` | `local`, `smoke` |
//! | `PIPELINE_IMAGES` | a JSON file: `{"llm/litellm@1": "ghcr.io/acme/llm-litellm@sha256:…"}` |
//! | `PIPELINE_SERVICE_<NAME>` | `127.0.0.1:<port>` of the first published port of a service |
//! | `PIPELINE_SERVICE_<NAME>_<PORT>` | the same, for each port inside the container |
//! | `COMPOSE_PROJECT_NAME` | the stack; containers with this project label go with it |
//! | `PIPELINE_REPORT_DIR` | JUnit files in there become part of the report |
//!
//! Variables of this process whose names look like credentials (`…TOKEN…`, `…SECRET…`) are kept
//! from the suite and from compose, unless the options set them.
//!
//! ```no_run
//! use acceptance::{AcceptanceOptions, Sources, guard, plan, run};
//! use registry_model::{Entry, Platform};
//! use tokio_util::sync::CancellationToken;
//!
//! # async fn prove(entries: &[Entry]) -> Result<(), acceptance::AcceptanceError> {
//! let images = guard(entries, &Platform::linux_amd64())?;
//! let options = AcceptanceOptions::new(".");
//! let plan = plan(&options, &Sources::read(&options)?)?;
//! let report = run(&plan, &images, &CancellationToken::new()).await?;
//! assert!(report.verdict.is_passed());
//! # Ok(()) }
//! ```

mod cleanup;
mod compose;
mod contract;
mod credentials;
mod diagnosis;
mod error;
mod guard;
mod images;
mod inputs;
mod junit;
mod objects;
mod options;
mod plan;
mod preflight;
mod receipts;
mod report;
mod run;
mod skip;
mod suite;
mod told;

pub use self::receipts::receipts;
pub use contract::{
    ArtifactReport, CasePlan, CaseReport, CaseSource, ContractPlan, ContractReport, RunLimits,
    Violation, ViolationCode, ViolationText,
};
pub use diagnosis::ServiceDiagnosis;
pub use error::{AcceptanceError, ErrorClass, ImageProblem, ImageWhy};
pub use guard::{PendingPin, guard};
pub use inputs::{Inputs, inputs};
pub use objects::{DeclaredObject, ObjectsError, ObjectsOptions, ObjectsPlan, ObjectsReport};
pub use options::{AcceptanceOptions, Part, Sources};
pub use plan::{AcceptancePlan, Configured, StackPlan, SuitePlan, plan};
pub use preflight::preflight;
pub use report::{
    AcceptanceReport, Cases, FailedCase, ProvenImage, ServiceReport, StackReport, SuiteReport,
    Verdict,
};
pub use run::run;
pub use skip::{AcceptedBy, skip};
