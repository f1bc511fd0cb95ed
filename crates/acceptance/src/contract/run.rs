use std::time::{Duration, Instant};

use bollard::body_full;
use bollard::query_parameters::UploadToContainerOptionsBuilder;
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use futures_util::stream;
use registry_model::{PinnedImage, ProcessorRef};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::container::{self, Ran};
use super::engine::{Engine, failed};
use super::outputs::{self, Outputs};
use super::spec::{self, ImageFacts, Spec};
use super::{ArtifactReport, CasePlan, CaseReport, ContractPlan, ContractReport, holder, judge};
use crate::AcceptanceError;
use crate::told::Told;

/// Each has a container of its own at a time.
const AT_ONCE: usize = 4;
/// Starting what holds their folders takes as long as a short run, and all that they write stays in
/// memory until the last one has ended.
const HELD_TOGETHER: usize = 8;
/// So that the next cases begin while the last ones of a group go on.
const GROUPS_AT_ONCE: usize = 2;

/// A case, its number and its image.
type Numbered = (usize, CasePlan, PinnedImage);

/// What all cases of a run share.
struct Run<'a> {
    engine: &'a Engine,
    project: &'a str,
    /// One for each case that may run now.
    places: &'a Semaphore,
    told: &'a Told,
    cancel: &'a CancellationToken,
}

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
    let pairs: Vec<Numbered> = plan
        .cases
        .iter()
        .enumerate()
        .filter_map(|(number, case)| {
            let mut images = images.iter();
            let (_, image) = images.find(|(reference, _)| *reference == case.reference)?;
            Some((number, case.clone(), image.clone()))
        })
        .collect();
    let places = Semaphore::new(AT_ONCE.min(engine.cores as usize * 2));
    let run = Run {
        engine: &engine,
        project,
        places: &places,
        told: &told,
        cancel,
    };
    let groups: Vec<Vec<Numbered>> = pairs
        .chunks(HELD_TOGETHER)
        .map(<[Numbered]>::to_vec)
        .collect();
    let work = groups.into_iter().map(|group| together(&run, group));
    let mut cases = Vec::new();
    let mut ended = stream::iter(work).buffered(GROUPS_AT_ONCE);
    while let Some(group) = ended.next().await {
        cases.extend(group?);
    }
    Ok(ContractReport::Ran {
        cases,
        seconds: crate::run::seconds(started),
    })
}

/// Runs some cases, whose folders one container holds.
async fn together(run: &Run<'_>, group: Vec<Numbered>) -> Result<Vec<CaseReport>, AcceptanceError> {
    let engine = run.engine;
    let facts = try_join_all(group.iter().map(|(_, _, image)| facts(engine, image))).await?;
    let specs: Vec<Spec<'_>> = group
        .iter()
        .zip(&facts)
        .map(|((number, case, image), facts)| Spec {
            case,
            image,
            facts,
            project: run.project,
            number: *number,
            cores: engine.cores,
        })
        .collect();
    let Some(first) = specs.first() else {
        return Ok(Vec::new());
    };
    let holder = first.holder_name();
    // Opened when the folders are there.
    let gate = Semaphore::new(0);
    let hold = async {
        hold(engine, &holder, &specs).await?;
        gate.add_permits(specs.len());
        Ok(())
    };
    let work = specs.iter().map(|spec| one(run, spec, &holder, &gate));
    let ran = tokio::try_join!(hold, try_join_all(work));
    let volumes: Vec<String> = specs.iter().flat_map(Spec::volumes).collect();
    engine.remove(&[holder], &volumes).await;
    ran.map(|((), cases)| cases)
}

async fn one(
    run: &Run<'_>,
    spec: &Spec<'_>,
    holder: &str,
    gate: &Semaphore,
) -> Result<CaseReport, AcceptanceError> {
    // Neither is ever closed.
    let _place = run.places.acquire().await;
    let title = spec.case.title();
    tracing::info!(target: "pipeline::progress", stage = "acceptance", item = %title, "running the case");
    create(run.engine, spec, 1).await?;
    let _held = gate.acquire().await;
    let ran = prove(run, spec, holder).await;
    run.engine.remove(&spec.containers(), &[]).await;
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
    run: &Run<'_>,
    spec: &Spec<'_>,
    holder: &str,
) -> Result<CaseReport, AcceptanceError> {
    let (case, told) = (spec.case, run.told);
    // What is created waits: it takes the engine as long as a short run does.
    let ((ran, outputs), ()) =
        tokio::try_join!(once(run, spec, holder, 1), create(run.engine, spec, 2))?;
    let first = judge::judge(case, spec.image, &ran, &outputs, told);
    let mut report = report(spec, &ran, &outputs, told);
    report.cost_units = first.cost_units;
    report.violations = first.violations;
    let mut last = ran;
    if report.is_passed() && case.runs() > 1 {
        let (ran, again) = once(run, spec, holder, 2).await?;
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
    if report.is_passed() {
        let (wall, peak) = (report.wall_seconds, report.peak_memory_bytes);
        report.violations = judge::unmeasured(case, wall, peak, told);
    }
    if !report.is_passed() {
        report.log = told.tail(&last.stderr);
    }
    Ok(report)
}

/// Starts the container that holds the folders, and puts the files of the cases into it.
async fn hold(engine: &Engine, name: &str, specs: &[Spec<'_>]) -> Result<(), AcceptanceError> {
    container::create(engine, name, spec::holder(specs)).await?;
    engine
        .docker
        .start_container(name, None)
        .await
        .map_err(|error| failed(format!("start {name}"), error))?;
    for spec in specs.iter().filter(|spec| !spec.case.files.is_empty()) {
        let archive = archive(spec.case).map_err(|source| AcceptanceError::Workspace { source })?;
        let options = UploadToContainerOptionsBuilder::new()
            .path(&spec.inputs_in_holder())
            .build();
        engine
            .docker
            .upload_to_container(name, Some(options), body_full(archive.into()))
            .await
            .map_err(|error| failed(format!("put files into {name}"), error))?;
    }
    Ok(())
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

/// Creates the container of run number `run`, if there is such a run.
async fn create(engine: &Engine, spec: &Spec<'_>, run: usize) -> Result<(), AcceptanceError> {
    match run <= spec.case.runs() {
        true => container::create(engine, &spec.run_name(run), spec.processor(run)).await,
        false => Ok(()),
    }
}

async fn once(
    run: &Run<'_>,
    spec: &Spec<'_>,
    holder: &str,
    number: usize,
) -> Result<(Ran, Outputs), AcceptanceError> {
    let limits = &spec.case.limits;
    let ran = container::run(
        run.engine,
        &spec.run_name(number),
        holder,
        &spec.case.request,
        Duration::from_secs(limits.seconds),
        run.cancel,
    )
    .await?;
    let folder = spec.outputs_in_holder(number);
    let outputs = outputs::read(run.engine, holder, &folder, limits.output_mib).await?;
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
