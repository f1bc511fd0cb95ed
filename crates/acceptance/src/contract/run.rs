use std::time::{Duration, Instant};

use bollard::body_full;
use bollard::query_parameters::UploadToContainerOptionsBuilder;
use futures_util::StreamExt;
use futures_util::stream;
use registry_model::{PinnedImage, ProcessorRef};
use tokio_util::sync::CancellationToken;

use super::container::{self, Ran};
use super::engine::{Engine, failed};
use super::outputs::{self, Outputs};
use super::spec::{ImageFacts, Spec};
use super::told::Told;
use super::{ArtifactReport, CasePlan, CaseReport, ContractPlan, ContractReport, holder, judge};
use crate::AcceptanceError;

/// Each has a container of its own at a time, and one that waits.
const AT_ONCE: usize = 4;

/// Runs every case, side by side, as part of the stack `project`; the caller removes what an end
/// half-way leaves of it.
pub(crate) async fn run(
    plan: &ContractPlan,
    images: &[(ProcessorRef, PinnedImage)],
    project: &str,
    cancel: &CancellationToken,
) -> Result<ContractReport, AcceptanceError> {
    let started = Instant::now();
    let engine = Engine::connect(cancel).await?;
    holder::import(&engine, project).await?;
    let told = Told::new();
    let pairs: Vec<(usize, CasePlan, PinnedImage)> = plan
        .cases
        .iter()
        .enumerate()
        .filter_map(|(number, case)| {
            let mut images = images.iter();
            let (_, image) = images.find(|(reference, _)| *reference == case.reference)?;
            Some((number, case.clone(), image.clone()))
        })
        .collect();
    let at_once = AT_ONCE.min(engine.cores as usize * 2);
    let (engine, told) = (&engine, &told);
    let work = pairs.into_iter().map(|(number, case, image)| async move {
        let title = case.title();
        tracing::info!(target: "pipeline::progress", stage = "acceptance", item = %title, "running the case");
        one(engine, &case, &image, (project, number), told, cancel).await
    });
    let mut cases = Vec::new();
    let mut ended = stream::iter(work).buffered(at_once);
    while let Some(case) = ended.next().await {
        cases.push(case?);
    }
    Ok(ContractReport::Ran {
        cases,
        seconds: crate::run::seconds(started),
    })
}

async fn one(
    engine: &Engine,
    case: &CasePlan,
    image: &PinnedImage,
    (project, number): (&str, usize),
    told: &Told,
    cancel: &CancellationToken,
) -> Result<CaseReport, AcceptanceError> {
    let facts = facts(engine, image).await?;
    let spec = Spec {
        case,
        image,
        facts: &facts,
        project,
        number,
        cores: engine.cores,
    };
    let ran = prove(engine, &spec, told, cancel).await;
    engine.remove(&spec.containers(), &spec.volumes()).await;
    ran
}

/// What the engine knows of an image that it has.
async fn facts(engine: &Engine, image: &PinnedImage) -> Result<ImageFacts, AcceptanceError> {
    let details = engine
        .docker
        .inspect_image(&image.to_string())
        .await
        .map_err(|error| failed(format!("inspect {image}"), error))?;
    let config = details.config.unwrap_or_default();
    Ok(ImageFacts {
        user: config.user.unwrap_or_default(),
        volumes: config.volumes.unwrap_or_default(),
    })
}

async fn prove(
    engine: &Engine,
    spec: &Spec<'_>,
    told: &Told,
    cancel: &CancellationToken,
) -> Result<CaseReport, AcceptanceError> {
    let case = spec.case;
    hold(engine, spec).await?;
    let (ran, outputs) = once(engine, spec, 1, cancel).await?;
    let first = judge::judge(case, spec.image, &ran, &outputs, told);
    let mut report = report(spec, &ran, &outputs, told);
    report.cost_units = first.cost_units;
    report.violations = first.violations;
    let mut last = ran;
    if report.is_passed() && case.runs() > 1 {
        let (ran, again) = once(engine, spec, 2, cancel).await?;
        let second = judge::judge(case, spec.image, &ran, &again, told);
        let (one, two) = (first.answer.as_ref(), second.answer.as_ref());
        report.violations = second.violations;
        report
            .violations
            .extend(judge::compare((&outputs, one), (&again, two), told));
        report.runs = 2;
        // `None` is less than any number.
        if ran.wall_seconds > report.wall_seconds {
            report.wall_seconds = ran.wall_seconds;
        }
        report.peak_memory_bytes = report.peak_memory_bytes.max(ran.peak_memory);
        last = ran;
    }
    if !report.is_passed() {
        report.log = told.tail(&last.stderr);
    }
    Ok(report)
}

/// Starts the container that holds the folders, and puts the files of the case into it.
async fn hold(engine: &Engine, spec: &Spec<'_>) -> Result<(), AcceptanceError> {
    let name = spec.holder_name();
    container::create(engine, &name, spec.holder()).await?;
    engine
        .docker
        .start_container(&name, None)
        .await
        .map_err(|error| failed(format!("start {name}"), error))?;
    if spec.case.files.is_empty() {
        return Ok(());
    }
    let archive = archive(spec.case).map_err(|source| AcceptanceError::Workspace { source })?;
    let options = UploadToContainerOptionsBuilder::new()
        .path(Spec::inputs_in_holder())
        .build();
    engine
        .docker
        .upload_to_container(&name, Some(options), body_full(archive.into()))
        .await
        .map_err(|error| failed(format!("put files into {name}"), error))
}

fn archive(case: &CasePlan) -> std::io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes) in &case.files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o444);
        builder.append_data(&mut header, path.as_str(), &**bytes)?;
    }
    builder.into_inner()
}

async fn once(
    engine: &Engine,
    spec: &Spec<'_>,
    run: usize,
    cancel: &CancellationToken,
) -> Result<(Ran, Outputs), AcceptanceError> {
    let limits = &spec.case.limits;
    let ran = container::run(
        engine,
        &spec.run_name(run),
        spec.processor(run),
        &spec.case.request,
        Duration::from_secs(limits.seconds),
        cancel,
    )
    .await?;
    let folder = Spec::outputs_in_holder(run);
    let outputs = outputs::read(engine, &spec.holder_name(), &folder, limits.output_mib).await?;
    Ok((ran, outputs))
}

fn report(spec: &Spec<'_>, ran: &Ran, outputs: &Outputs, told: &Told) -> CaseReport {
    let case = spec.case;
    CaseReport {
        reference: case.reference.clone(),
        name: case.name.clone(),
        file: case.file.clone(),
        line: case.line,
        image: spec.image.clone(),
        mode: case.mode,
        runs: 1,
        wall_seconds: ran.wall_seconds,
        peak_memory_bytes: ran.peak_memory,
        output_bytes: outputs.bytes(),
        cost_units: None,
        artifacts: outputs
            .files()
            .map(|(path, content, sha256)| ArtifactReport {
                path: told.line(path),
                bytes: content.len() as u64,
                sha256: sha256.to_owned(),
            })
            .collect(),
        violations: Vec::new(),
        log: Vec::new(),
    }
}
