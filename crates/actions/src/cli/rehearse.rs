use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use rehearsal::rehearse::{
    RehearsalReport, RehearseError, RehearseOptions, Status, Verdict, run as rehearse,
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::accept;
use super::args::RehearseArgs;
use super::context::{load_options, platforms};
use super::failures::of_findings;
use super::output::table;
use super::report::{self, Report};
use crate::config::Config;
use crate::exit::Exit;
use crate::ui::Failure;

/// The example repository, so that the command has one wherever it is installed.
static EXAMPLE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../examples/processors");

pub(super) async fn run(args: &RehearseArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    let to = Report::to(&args.json)?;
    let example = match &args.repo {
        Some(_) => None,
        None => Some(unpack()?),
    };
    let repo: PathBuf = match (&args.repo, &example) {
        (Some(repo), _) => repo.clone(),
        (None, Some(folder)) => folder.path().join("processors"),
        (None, None) => PathBuf::from("."),
    };
    let config = Config::load(&repo)?;
    let options = options(&repo, args.keep, &config);
    let mut report = RehearsalReport::default();
    let ended = rehearse(&options, &mut report, cancel).await;
    let delivered = to.deliver(&report, || show(&report, &options));
    let ended = ended.map_err(|error| match error {
        RehearseError::RegistryFiles(findings) => of_findings(findings, &repo),
        error => error.into(),
    });
    report::ended(ended.map(|()| Exit::Done), delivered)
}

fn options(repo: &Path, keep: bool, config: &Config) -> RehearseOptions {
    let mut options = RehearseOptions::new(repo);
    options.keep = keep;
    options.environments = config.environments();
    options.registry = load_options(config);
    options.image_prefix = config.image_prefix.clone();
    options.platforms = platforms(config);
    options.base_images = config.base_images.clone();
    options.acceptance = accept::options(repo, config);
    options.modal_app = config.modal.app.clone();
    options.modal_code.clone_from(&config.modal.code);
    options.smoke = config.modal.smoke.options();
    options
}

fn unpack() -> Result<TempDir, Failure> {
    let failed = |error: std::io::Error| Failure::new(Exit::Unexpected, error);
    let folder = tempfile::Builder::new()
        .prefix("pipeline-example-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
        .map_err(failed)?;
    let target = folder.path().join("processors");
    std::fs::create_dir(&target).map_err(failed)?;
    EXAMPLE.extract(&target).map_err(failed)?;
    Ok(folder)
}

/// The table that a rehearsal ends with: a line a processor, a column an environment.
fn show(report: &RehearsalReport, options: &RehearseOptions) -> String {
    let mut text = proof(report, options);
    if let Some(kept) = &report.kept {
        text.push_str(&format!("kept: {}\n", kept.display()));
    }
    text
}

fn proof(report: &RehearsalReport, options: &RehearseOptions) -> String {
    let mut text = String::new();
    for (summary, stages) in not_configured(report) {
        text.push_str(&format!("{}: {summary}\n", stages.join(", ")));
    }
    if report.proof.is_empty() {
        return text;
    }
    let mut heading = vec!["processor".to_owned(), "digest".to_owned()];
    heading.extend(options.environments.iter().map(ToString::to_string));
    let mut rows: Vec<Vec<String>> = Vec::new();
    for proof in &report.proof {
        let name = proof.reference.to_string();
        let verdict = match &proof.verdict {
            Verdict::Proven => {
                let receipts = proof.receipts.len();
                format!("✓ live, smoke passed, {receipts} receipts")
            }
            Verdict::Pinned => "✓ pinned".to_owned(),
            Verdict::Differs(why) => format!("✗ {why}"),
        };
        match rows.iter_mut().find(|row| row[0] == name) {
            Some(row) => row.push(verdict),
            None => {
                let digest = proof.git.as_ref().map_or("–", |pin| pin.digest.short());
                rows.push(vec![name, digest.to_owned(), verdict]);
            }
        }
    }
    let heading: Vec<&str> = heading.iter().map(String::as_str).collect();
    text.push('\n');
    text.push_str(&table(&heading, &rows));
    if let Some(again) = &report.again {
        text.push_str(&format!(
            "\nbuild and pin again: {} built, {} pins changed, {} pull requests, {:.2} s\n",
            again.built, again.changed, again.pull_requests, again.seconds
        ));
    }
    text
}

/// What is not configured, each with the stages that say so.
fn not_configured(report: &RehearsalReport) -> Vec<(&str, Vec<&str>)> {
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    let skipped = report
        .stages
        .iter()
        .filter(|stage| stage.status == Status::NotConfigured);
    for stage in skipped {
        match found
            .iter_mut()
            .find(|(summary, _)| *summary == stage.summary)
        {
            Some((_, stages)) => stages.push(&stage.stage),
            None => found.push((&stage.summary, vec![&stage.stage])),
        }
    }
    found
}
