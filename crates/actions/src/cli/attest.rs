mod allowed;
mod inputs;
mod key;
mod reports;

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use receipts::keys::KeyId;
use receipts::statement::{Draft, Facts, Kind, Outcome};
use receipts::store::Stored;
use receipts::{ReceiptsError, Store};
use registry_model::{Digest, Environment, PinnedImage};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use self::allowed::Allowed;
use self::reports::Reported;
use super::args::{AttestArgs, PlaceArgs, RepoArgs};
use super::commit;
use super::context::{Context, images, set};
use super::output::table;
use super::report::{self, Report};
use super::stage::{End, stage};
use crate::exit::Exit;
use crate::ui::Failure;

pub(super) use self::key::{COSIGN_PASSWORD, SIGNING_KEY};

/// As many troubles as people read.
const MOST_TOLD: usize = 20;

/// What became of each receipt.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct AttestReport {
    schema: u32,
    /// The key that they are signed with.
    signed_by: Option<KeyId>,
    /// Whether nothing was to be stored.
    dry_run: bool,
    receipts: Vec<Attested>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Attested {
    image: PinnedImage,
    kind: Option<Kind>,
    environment: Option<Environment>,
    outcome: Option<Outcome>,
    time: Option<Timestamp>,
    /// The artifact beside the image, if it is there.
    manifest: Option<Digest>,
    /// Why it is not.
    error: Option<String>,
}

pub(super) async fn run(args: &AttestArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    let to = Report::beside(&args.json)?;
    let context = Context::open(&RepoArgs {
        repo: args.repo.clone(),
        processors: Vec::new(),
    })?;
    let reported = Reported::all(&args.from)?;
    to.clear()?;
    let key = key::read(args)?;
    let policy = context.config.receipts.policy(&context.root)?;
    key::compare(key.as_ref(), &policy);
    let drafts = drafts(args, &context, &reported, cancel).await?;
    let store = Store::new(images()?);
    let work = async {
        Ok(match args.dry_run {
            true => Vec::new(),
            false => store.add_many(&drafts, key.as_ref(), cancel).await,
        })
    };
    let stored = stage("attest", work, |stored| {
        let failed = stored.iter().filter(|one| one.is_err()).count();
        match (drafts.len(), failed) {
            (0, _) => End::Done("nothing was proven".to_owned()),
            (all, 0) if args.dry_run => End::Done(format!("{all} receipts to store")),
            (all, 0) => End::Done(format!("{all} receipts stored")),
            (all, failed) => End::Failed(format!("{failed} of {all} receipts not stored")),
        }
    })
    .await?;
    let report = AttestReport {
        schema: 1,
        signed_by: key.as_ref().map(|key| key.verifying_key().id().clone()),
        dry_run: args.dry_run,
        receipts: attested(&drafts, &stored),
    };
    let delivered = to.deliver(&report, || show(&report));
    report::ended(ended(&report, stored), delivered)
}

/// Who says it, where and at which commit.
async fn facts(root: &Path, cancel: &CancellationToken) -> Result<Facts, Failure> {
    let run = match (repository_url(), set("GITHUB_RUN_ID")) {
        (Some(repository), Some(id)) => Some(format!("{repository}/actions/runs/{id}")),
        _ => None,
    };
    let by = set("GITHUB_ACTOR").or_else(|| set("USER"));
    Ok(Facts {
        by,
        run,
        commit: Some(commit::current(root, cancel).await?),
        ..Facts::default()
    })
}

/// The address of the repository that the workflow runs in.
fn repository_url() -> Option<String> {
    let (server, name) = (set("GITHUB_SERVER_URL")?, set("GITHUB_REPOSITORY")?);
    Some(format!("{server}/{name}"))
}

/// What all reports prove, each thing once, and none that they may not say.
async fn drafts(
    args: &AttestArgs,
    context: &Context,
    reported: &[Reported],
    cancel: &CancellationToken,
) -> Result<Vec<Draft>, Failure> {
    let facts = facts(&context.root, cancel).await?;
    let source = repository_url().map(|repository| format!("git+{repository}"));
    let all = reported
        .iter()
        .flat_map(|one| one.receipts(source.as_deref(), &facts));
    let mut seen = BTreeSet::new();
    let mut drafts: Vec<Draft> = all
        .filter(|draft| seen.insert((draft.image.clone(), draft.receipt.to_statement())))
        .collect();
    // As `build` is told it in a workflow.
    let options = context.place_options(&PlaceArgs {
        image_prefix: set("PIPELINE_IMAGE_PREFIX"),
        registry: set("PIPELINE_REGISTRY"),
        platforms: Vec::new(),
    });
    let (repositories, environments) = (&args.allow_repository, &args.env);
    let allowed = Allowed::new(&context.registry, options, repositories, environments);
    allowed.check(&drafts, Timestamp::now())?;
    inputs::verify(&mut drafts, context, cancel).await?;
    expire(&mut drafts, args)?;
    Ok(drafts)
}

/// The end of a receipt counts from what it tells of, so that the same report gives the same one.
fn expire(drafts: &mut [Draft], args: &AttestArgs) -> Result<(), Failure> {
    let Some(age) = &args.expires else {
        return Ok(());
    };
    for draft in drafts {
        let facts = &mut draft.receipt.facts;
        let end = facts.time.map(|time| time.checked_add(age.0)).transpose();
        facts.expires =
            end.map_err(|error| Failure::new(Exit::Input, format!("use --expires: {error}")))?;
    }
    Ok(())
}

fn attested(drafts: &[Draft], stored: &[Result<Stored, ReceiptsError>]) -> Vec<Attested> {
    let stored = stored.iter().map(Some).chain(std::iter::repeat(None));
    let attested = drafts.iter().zip(stored).map(|(draft, stored)| {
        let Draft { image, receipt } = draft;
        let there = stored.and_then(|stored| stored.as_ref().ok());
        let error = stored.and_then(|stored| stored.as_ref().err());
        Attested {
            image: image.clone(),
            kind: receipt.kind(),
            environment: receipt.facts.environment.clone(),
            outcome: receipt.outcome(),
            time: receipt.facts.time,
            manifest: there.map(|there| there.manifest.digest.clone()),
            error: error.map(|error| chain(error)),
        }
    });
    attested.collect()
}

fn ended(
    report: &AttestReport,
    stored: Vec<Result<Stored, ReceiptsError>>,
) -> Result<Exit, Failure> {
    let all = stored.len();
    let errors: Vec<ReceiptsError> = stored.into_iter().filter_map(Result::err).collect();
    let Some(first) = errors.first() else {
        return Ok(Exit::Done);
    };
    let exit = match () {
        () if errors.iter().any(ReceiptsError::is_cancelled) => Exit::Interrupted,
        () if errors.iter().any(ReceiptsError::is_about_access) => Exit::Access,
        () => Exit::Unexpected,
    };
    let mut text = format!("store {} of {all} receipts:", errors.len());
    let failed = report.receipts.iter().filter_map(|one| one.error.as_ref());
    for error in failed.take(MOST_TOLD) {
        text.push_str(&format!("\n  - {error}"));
    }
    if errors.len() > MOST_TOLD {
        text.push_str(&format!("\n  and {} more", errors.len() - MOST_TOLD));
    }
    let hint = first.hint();
    let again = "run the same again: what is stored already stays as it is";
    let hint = hint.unwrap_or_else(|| again.to_owned());
    Err(Failure::new(exit, text).with_hint(Some(hint)))
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

fn show(report: &AttestReport) -> String {
    if report.receipts.is_empty() {
        return "no receipts: these reports prove nothing new\n".to_owned();
    }
    let said = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let rows: Vec<Vec<String>> = report
        .receipts
        .iter()
        .map(|one| {
            vec![
                said(one.kind.map(|kind| kind.to_string())),
                said(one.outcome.map(|outcome| outcome.to_string())),
                said(one.environment.as_ref().map(ToString::to_string)),
                one.image.to_string(),
                became(one, report),
            ]
        })
        .collect();
    table(
        &["receipt", "outcome", "environment", "image", "result"],
        &rows,
    )
}

fn became(one: &Attested, report: &AttestReport) -> String {
    match (&one.manifest, &report.signed_by) {
        (None, _) if report.dry_run => "to store".to_owned(),
        (None, _) => "not stored".to_owned(),
        (Some(manifest), Some(_)) => format!("stored, signed: {}", manifest.short()),
        (Some(manifest), None) => format!("stored: {}", manifest.short()),
    }
}
