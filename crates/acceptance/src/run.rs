use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;
use registry_model::{PinnedImage, ProcessorRef};
use tokio_util::sync::CancellationToken;

use crate::cleanup::{Claim, Family, Teardown, remove_earlier};
use crate::compose::Compose;
use crate::diagnosis::{Container, containers, diagnose};
use crate::objects::Store;
use crate::preflight::Needs;
use crate::report::{ProvenImage, SCHEMA};
use crate::suite::{self, Ended};
use crate::{
    AcceptanceError, AcceptancePlan, AcceptanceReport, Configured, ContractReport, Inputs,
    ObjectsReport, ServiceReport, StackPlan, StackReport, SuiteReport, Verdict, contract, images,
    inputs, objects,
};

/// Proves `images` as `plan` says, and leaves nothing behind but the images it pulled.
///
/// # Errors
/// Every way for what is configured not to pass. A suite or a contract that failed carries the whole
/// report ([`AcceptanceError::report`]); the suite runs even if the contract does not hold, so that
/// one run tells all. With neither of them nothing is proven, which is no error but the verdict
/// [`Verdict::NotConfigured`]; a stack is brought up all the same.
pub async fn run(
    plan: &AcceptancePlan,
    images: &[(ProcessorRef, PinnedImage)],
    cancel: &CancellationToken,
) -> Result<AcceptanceReport, AcceptanceError> {
    let stack = plan.stack.get();
    if stack.is_none() && plan.suite.get().is_none() && plan.contract.get().is_none() {
        let inputs = plan.inputs.clone().unwrap_or_default();
        return Ok(empty_report(plan, images, &inputs, ""));
    }
    let needs = Needs {
        engine: stack.is_some() || !images.is_empty(),
    };
    let program = needs.check(plan, cancel).await?;
    images::fetch(&needed(plan, images), &plan.platform, cancel).await?;
    let inputs = match &plan.inputs {
        Some(inputs) => inputs.clone(),
        // It may have run on less than they would tell of.
        None if plan.reduced => Inputs::default(),
        None => inputs(plan, images, cancel).await?,
    };
    let engine = match contract::engine_address(cancel).await {
        Ok(address) => Some(address),
        Err(error) if needs.engine || error.is_cancelled() => return Err(error),
        // A suite without services and images does without.
        Err(_) => None,
    };
    remove_earlier(engine.as_deref(), cancel).await;
    let claim = Claim::take(engine.as_deref(), cancel).await?;
    let project = claim.project().to_owned();
    let workspace = claim.workspace().to_owned();
    let mut report = empty_report(plan, images, &inputs, &project);

    let compose = stack.zip(program).map(|(stack, program)| {
        let files = stack.files().cloned().collect();
        Compose::new(program, &project, files, plan.env.clone())
    });
    let family = Family::default();
    let teardown = Teardown::new(claim, compose.clone(), family.clone());
    let mut done = Proven::default();
    let ended = prove(
        plan,
        images,
        &project,
        compose.as_ref(),
        &workspace,
        &mut done,
        cancel,
    );
    let ended = tokio::select! {
        ended = ended => ended,
        never = family.watch(&project) => match never {},
    };

    let settled = !matches!(
        ended,
        Err(AcceptanceError::Cancelled | AcceptanceError::StackUp { .. })
    );
    let down = Instant::now();
    let torn_down = teardown.now(settled).await;
    let down_seconds = seconds(down);
    if let (Err(error), Err(_)) = (&torn_down, &ended) {
        // The first error is the cause; this one must not hide it.
        tracing::error!(%error, "cannot take down the stack");
    }
    report.ended_at = Timestamp::now();
    if let Some(contract) = done.contract {
        report.contract = contract;
    }
    report.objects = done.objects;
    let kept = report.objects.as_ref().is_none_or(ObjectsReport::is_passed);
    let broken = !report.contract.is_passed() || !kept;
    if broken {
        report.verdict = Verdict::Failed;
    }
    if let (Some(stack), Some(up)) = (stack, done.up) {
        report.stack = up.report(stack, down_seconds);
    }
    if let Err(error) = ended {
        return Err(stopped(error, plan, report));
    }
    if let Some(Ended {
        report: suite,
        failure,
    }) = done.ended
    {
        report.suite = suite.with_inputs(inputs.suite);
        if let Some((outcome, output)) = failure {
            report.verdict = Verdict::Failed;
            if let Err(error) = torn_down {
                tracing::error!(%error, "cannot take down the stack");
            }
            return Err(AcceptanceError::Suite {
                command: command_of(plan),
                outcome,
                output,
                report: Box::new(report),
            });
        }
    }
    if broken {
        if let Err(error) = torn_down {
            tracing::error!(%error, "cannot take down the stack");
        }
        return Err(AcceptanceError::Contract {
            report: Box::new(report),
        });
    }
    match torn_down {
        Ok(()) => Ok(report),
        Err(error) => {
            report.verdict = Verdict::Failed;
            Err(error.with_report(&report))
        }
    }
}

/// The error with how far it came: what ran before it keeps its verdict, and a contract that does not
/// hold is told in any case.
fn stopped(
    error: AcceptanceError,
    plan: &AcceptancePlan,
    mut report: AcceptanceReport,
) -> AcceptanceError {
    if error.is_cancelled() {
        return error;
    }
    let broken = !report.contract.is_passed();
    report.verdict = Verdict::Failed;
    if let (Some(stack), StackReport::NotConfigured { .. }) = (plan.stack.get(), &report.stack) {
        report.stack = StackReport::Failed {
            file: stack.file.clone(),
            diagnoses: error.diagnoses().to_vec(),
        };
    }
    if plan.suite.get().is_some() {
        report.suite = SuiteReport::NotRun;
    }
    let error = error.with_report(&report);
    if !broken || error.report().is_some() {
        return error;
    }
    tracing::error!(
        error = &error as &dyn std::error::Error,
        "after the contract"
    );
    AcceptanceError::Contract {
        report: Box::new(report),
    }
}

/// What is known before anything ran.
fn empty_report(
    plan: &AcceptancePlan,
    images: &[(ProcessorRef, PinnedImage)],
    inputs: &Inputs,
    project: &str,
) -> AcceptanceReport {
    let add = |add: Option<&String>| add.cloned().unwrap_or_default();
    let (contract, suite) = (missing(&plan.contract), missing(&plan.suite));
    AcceptanceReport {
        schema: SCHEMA,
        project: project.to_owned(),
        ended_at: Timestamp::now(),
        reduced: plan.reduced,
        partial: plan.left_out.is_some(),
        skipped: None,
        images: images
            .iter()
            .map(|(reference, image)| ProvenImage {
                reference: reference.clone(),
                image: image.clone(),
                shared: plan.left_out.iter().flatten().any(|other| other == image),
                contract_inputs: inputs.contract.get(reference).cloned(),
                accepted: plan.accepted.get(reference).cloned().unwrap_or_default(),
            })
            .collect(),
        // Services that are healthy prove nothing about images.
        verdict: match (contract, suite) {
            (Some(_), Some(_)) => Verdict::NotConfigured,
            _ => Verdict::Passed,
        },
        contract: match &plan.contract {
            Configured::Accepted => ContractReport::Accepted,
            _ => ContractReport::NotConfigured { add: add(contract) },
        },
        stack: match &plan.stack {
            Configured::Accepted => StackReport::Accepted,
            stack => StackReport::NotConfigured {
                add: add(missing(stack)),
            },
        },
        suite: match (&plan.suite, &inputs.suite) {
            (Configured::Accepted, Some(inputs)) => SuiteReport::Accepted {
                inputs: inputs.clone(),
            },
            _ => SuiteReport::NotConfigured { add: add(suite) },
        },
        objects: None,
    }
}

fn missing<T>(part: &Configured<T>) -> Option<&String> {
    match part {
        Configured::Configured(_) | Configured::Accepted => None,
        Configured::NotConfigured { add } => Some(add),
    }
}

/// The images that something is done with, or that nothing is known of. What a receipt answers for
/// alone need not be here.
fn needed(
    plan: &AcceptancePlan,
    images: &[(ProcessorRef, PinnedImage)],
) -> Vec<(ProcessorRef, PinnedImage)> {
    let all = plan.stack.get().is_some() || plan.suite.get().is_some();
    let has_cases = |reference: &ProcessorRef| {
        let contract = plan.contract.get();
        contract.is_some_and(|it| it.cases.iter().any(|case| case.reference == *reference))
    };
    let needed = images.iter().filter(|(reference, _)| {
        all || has_cases(reference) || !plan.accepted.contains_key(reference)
    });
    needed.cloned().collect()
}

fn command_of(plan: &AcceptancePlan) -> String {
    let words = plan.suite.get().map(|suite| suite.command.join(" "));
    words.unwrap_or_default()
}

/// How far a run has come.
#[derive(Default)]
struct Proven {
    contract: Option<ContractReport>,
    up: Option<Up>,
    ended: Option<Ended>,
    objects: Option<ObjectsReport>,
}

/// A stack that was up.
struct Up {
    containers: Vec<Container>,
    up_seconds: f64,
    diagnoses: Vec<crate::ServiceDiagnosis>,
}

impl Up {
    fn report(&self, stack: &StackPlan, down_seconds: f64) -> StackReport {
        let address = |name: &String| {
            let of_service = |it: &&Container| it.service() == Some(name.as_str());
            let container = self.containers.iter().find(of_service)?;
            container
                .addresses()
                .first()
                .map(|(_, address)| address.clone())
        };
        StackReport::Ran {
            file: stack.file.clone(),
            services: stack
                .services
                .iter()
                .map(|name| ServiceReport {
                    name: name.clone(),
                    address: address(name),
                })
                .collect(),
            up_seconds: self.up_seconds,
            down_seconds,
            diagnoses: self.diagnoses.clone(),
        }
    }
}

async fn prove(
    plan: &AcceptancePlan,
    images: &[(ProcessorRef, PinnedImage)],
    project: &str,
    compose: Option<&Compose>,
    workspace: &Path,
    done: &mut Proven,
    cancel: &CancellationToken,
) -> Result<(), AcceptanceError> {
    // First, as it takes seconds and the stack may take minutes.
    if let Some(cases) = plan.contract.get() {
        done.contract = Some(contract::run(cases, images, project, cancel).await?);
    }
    if let (Some(stack), Some(compose)) = (plan.stack.get(), compose) {
        done.up = Some(start(stack, compose, project, cancel).await?);
    }
    let Some(suite) = plan.suite.get() else {
        return Ok(());
    };
    let running = done.up.as_ref().map_or(&[][..], |up| &up.containers);
    let store = match &plan.objects {
        // Before the suite, which may take minutes.
        Some(objects) => {
            let store = Store::open(&objects.options, running, &plan.env);
            let store = store.map_err(|source| AcceptanceError::Objects {
                bucket: objects.options.bucket.clone(),
                source,
            })?;
            Some((objects, store))
        }
        None => None,
    };
    let mut env: Vec<(String, String)> = plan.env.clone().into_iter().collect();
    env.extend(suite::stack_env(project, running));
    let ended = suite::run(suite, images, &env, workspace, cancel).await?;
    let passed = ended.failure.is_none();
    done.ended = Some(ended);
    if let (Some(up), false) = (&mut done.up, passed) {
        up.diagnoses = diagnose(project, cancel).await;
    }
    if let (Some((objects, store)), true) = (&store, passed) {
        done.objects = Some(objects::check(objects, store, images, cancel).await?);
    }
    Ok(())
}

async fn start(
    stack: &StackPlan,
    compose: &Compose,
    project: &str,
    cancel: &CancellationToken,
) -> Result<Up, AcceptanceError> {
    let names = stack.services.join(", ");
    tracing::info!(target: "pipeline::progress", stage = "acceptance", item = %names, "starting services");
    let started = Instant::now();
    if let Err(source) = compose
        .up(&stack.services, stack.wait_timeout, cancel)
        .await
    {
        if source.is_cancelled() {
            return Err(AcceptanceError::Cancelled);
        }
        return Err(AcceptanceError::StackUp {
            file: stack.file.clone(),
            diagnoses: diagnose(project, cancel).await,
            report: None,
            source: Box::new(source),
        });
    }
    let up_seconds = seconds(started);
    tracing::info!(target: "pipeline::progress", stage = "acceptance", item = %names, "healthy after {up_seconds:.1} s");
    let containers = containers(project, cancel).await.map_err(|source| {
        if source.is_cancelled() {
            AcceptanceError::Cancelled
        } else {
            AcceptanceError::Engine {
                report: None,
                source: Box::new(source),
            }
        }
    })?;
    Ok(Up {
        containers,
        up_seconds,
        diagnoses: Vec::new(),
    })
}

/// Since `started`, in seconds, to the millisecond.
pub(crate) fn seconds(started: Instant) -> f64 {
    (started.elapsed().as_secs_f64() * 1000.0).round() / 1000.0
}
