mod request;
mod target;

use modal_deploy::deploy::{self, DeployOptions, Images};
use modal_deploy::rollback::{self, Native, Proof, Standing};
use modal_deploy::secrets::{self, SecretSource};
use modal_deploy::smoke::{self, Target};
use modal_deploy::{
    Control, DeployImage, DeployReport, Processor, RunOptions, SmokeReport, Verdict,
};
use process::Redactor;
use registry_model::{
    Digest, Entry, Environment, PinPlace, PinnedImage, Platform, ProcessorRef, SecretNames,
};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use self::request::{Request, Revert};
use self::target::Place;
use super::args::{RepoArgs, RollbackArgs};
use super::context::{Context, github};
use super::failures::modal_exit;
use super::modal::control;
use super::report::{self, Report};
use super::secrets::{mask_all, source};
use super::stage::{End, stage};
use super::{deploy as deploys, tree};
use crate::exit::Exit;
use crate::ui::Failure;

/// What became of a rollback.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct RollbackReport {
    schema: u32,
    #[serde(rename = "ref")]
    reference: ProcessorRef,
    app: String,
    environment: Environment,
    dry_run: bool,
    /// What the branch of the environment pins now.
    from: Option<PinnedImage>,
    /// What comes back.
    to: PinnedImage,
    /// That it was live before.
    proof: Proof,
    /// Whether the app is held at it now; `None` where that was not asked for.
    held: Option<bool>,
    /// The version that Modal's own rollback made.
    native_version: Option<u32>,
    /// How that answers.
    smoke: Option<SmokeReport>,
    deploy: Option<DeployReport>,
    request: Option<Request>,
}

/// The end of a hold.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct ReleaseReport {
    schema: u32,
    #[serde(rename = "ref")]
    reference: ProcessorRef,
    app: String,
    environment: Environment,
    dry_run: bool,
    /// The digest at which it was held.
    held: Option<Digest>,
}

pub(super) async fn run(args: &RollbackArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    let to_json = Report::to(&args.json)?;
    let context = Context::open(&RepoArgs {
        repo: args.repo.clone(),
        processors: vec![args.processor.clone()],
    })?;
    let reference = one(&context, args)?;
    let control = control(&args.modal, cancel).await?;
    if args.release_hold {
        return release(args, &reference, &control, &to_json, cancel).await;
    }
    let github = github(&args.github, cancel)?;
    let commit = tree::commit_of(&context.root, args.env.as_str(), cancel).await?;
    let entries = tree::entries(&context.root, &commit, cancel).await?;
    let entry = entries.iter().find(|entry| entry.reference == reference);
    let entry = entry.ok_or_else(|| {
        let text = format!("roll back {reference}: it is not on branch `{}`", args.env);
        Failure::new(Exit::Input, text)
    })?;
    let platform = Platform::linux_amd64();
    let place = Place {
        repo: &context.root,
        branch: args.env.as_str(),
        entry,
        platform: &platform,
    };
    let to = place.target(args.to.as_deref(), cancel).await?;
    let app = reference.app_name();
    let values = source(&args.secrets)?.with_names(context.config.secret_names()?);
    let deploying = deploys::deploying(&context);
    let images = images(&values, &deploying.registry_secret, &args.env)?;
    let (there, standing) = tokio::try_join!(
        async { Ok::<_, Failure>(images.exists(&to).await?) },
        async { Ok(rollback::look(&control, &args.env, &app, cancel).await?) },
    )?;
    let proof = proven(args, &to, there, &standing)?;
    let mut report = RollbackReport {
        schema: 1,
        reference: reference.clone(),
        app,
        environment: args.env.clone(),
        dry_run: args.dry_run,
        from: entry.pinned(&platform).cloned(),
        to,
        proof,
        held: None,
        native_version: None,
        smoke: None,
        deploy: None,
        request: None,
    };
    let back = Back {
        args,
        context: &context,
        control: &control,
        values: &values,
        images,
        deploying,
        entry,
        platform: &platform,
        cancel,
    };
    let restored = match (args.dry_run, args.native, args.now) {
        (true, ..) | (_, false, false) => Ok(()),
        (_, true, _) => back.natively(&standing, &mut report).await,
        (_, false, true) => back.by_deploy(&mut report).await,
    };
    // What runs is wrong or right by now; what is pinned is to follow in either case.
    let revert = Revert {
        reference: &reference,
        file: &entry.file,
        place: entry
            .pin_for(&platform)
            .map_or(PinPlace::Oci, |pin| pin.place.clone()),
        base: &args.base,
        to: &report.to.clone(),
    };
    let proposed = match restored
        .as_ref()
        .is_err_and(|failure| failure.exit == Exit::Interrupted)
    {
        true => Ok(()),
        false => revert
            .propose(&github, args.dry_run)
            .await
            .map(|request| report.request = Some(request)),
    };
    if report.held == Some(true) && restored.is_err() && !is_live(&report) {
        tracing::warn!(
            "{} is held at {}, and that is not what runs: run this again, or let go of it with \
             --release-hold",
            report.app,
            report.to.digest.short()
        );
    }
    let delivered = to_json.deliver(&report, || show(&report));
    if let (Err(_), Err(second)) = (&restored, &proposed) {
        tracing::warn!("failed to {}", second.error);
    }
    let ended = restored.and(proposed).map(|()| Exit::Done);
    report::ended(ended, delivered)
}

/// The processor that is meant.
fn one(context: &Context, args: &RollbackArgs) -> Result<ProcessorRef, Failure> {
    let entries = context.entries()?;
    match entries.as_slice() {
        [entry] => Ok(entry.reference.clone()),
        _ => {
            let names: Vec<String> = entries
                .iter()
                .map(|entry| entry.reference.to_string())
                .collect();
            let text = format!(
                "roll back `{}`: it names {}",
                args.processor,
                names.join(", ")
            );
            let hint = "give the ref of one, as in `llm/litellm@1`";
            Err(Failure::new(Exit::Input, text).with_hint(Some(hint.to_owned())))
        }
    }
}

async fn release(
    args: &RollbackArgs,
    reference: &ProcessorRef,
    control: &Control,
    to_json: &Report,
    cancel: &CancellationToken,
) -> Result<Exit, Failure> {
    let app = reference.app_name();
    let held = match args.dry_run {
        true => rollback::look(control, &args.env, &app, cancel)
            .await?
            .hold(),
        false => rollback::release(control, &args.env, &app, cancel).await?,
    };
    let report = ReleaseReport {
        schema: 1,
        reference: reference.clone(),
        app,
        environment: args.env.clone(),
        dry_run: args.dry_run,
        held,
    };
    to_json.deliver(&report, || {
        let name = format!("{} in {}", report.reference, report.environment);
        match (&report.held, report.dry_run) {
            (None, _) => format!("{name} is not held\n"),
            (Some(held), true) => format!("{name} is held at {}\n", held.short()),
            (Some(held), false) => format!("{name} is no longer held at {}\n", held.short()),
        }
    })?;
    Ok(Exit::Done)
}

/// The registry, asked as a deploy asks it, whatever other secrets are at hand.
fn images(values: &SecretSource, secret: &str, env: &Environment) -> Result<Images, Failure> {
    let only = SecretNames {
        required: Vec::new(),
        optional: Some(secret.to_owned())
            .filter(|name| !name.is_empty())
            .into_iter()
            .collect(),
    };
    let at_hand = secrets::plan(&[], &only, values, env)?;
    mask_all(&at_hand);
    Ok(Images::as_modal(&at_hand, secret)?)
}

/// Only what the registry has and what was live before comes back.
fn proven(
    args: &RollbackArgs,
    to: &PinnedImage,
    there: bool,
    standing: &Standing,
) -> Result<Proof, Failure> {
    if !there {
        let text = format!("roll back to `{to}`: the registry does not have it");
        let hint = "earlier pins stay with `pipeline digests --keep-list` for clean-ups";
        return Err(Failure::new(Exit::Input, text).with_hint(Some(hint.to_owned())));
    }
    standing.proof(&to.digest).ok_or_else(|| {
        let text = format!(
            "roll back to `{to}`: nothing tells that it was ever live in `{}`",
            args.env
        );
        let hint = "an image that was not live there comes by a pin and a deploy";
        Failure::new(Exit::Input, text).with_hint(Some(hint.to_owned()))
    })
}

/// How an image comes back at once.
struct Back<'a> {
    args: &'a RollbackArgs,
    context: &'a Context,
    control: &'a Control,
    values: &'a SecretSource,
    images: Images,
    deploying: DeployOptions,
    entry: &'a Entry,
    platform: &'a Platform,
    cancel: &'a CancellationToken,
}

impl Back<'_> {
    /// By a deploy of that one processor.
    async fn by_deploy(&self, report: &mut RollbackReport) -> Result<(), Failure> {
        let (args, context) = (self.args, self.context);
        let mut processor = Processor::from_entry(self.entry, self.platform);
        processor.image = DeployImage::Pinned(report.to.clone());
        let shared = context.config.shared_secrets();
        let processors = [processor];
        let secrets = secrets::plan(&processors, &shared, self.values, &args.env)?;
        mask_all(&secrets);
        let plan = deploy::plan(&processors, &secrets)?;
        let mut deploying = self.deploying.clone();
        deploying.commit = deploys::commit_of(&deploying, self.cancel).await?;
        let options = RunOptions {
            smoke: Some(context.config.smoke_options(&args.env)),
            partial: true,
            keep_holds: true,
            registry: Some(self.images.clone()),
            ..RunOptions::new(deploying)
        };
        self.hold(report).await?;
        let (control, cancel) = (self.control, self.cancel);
        let work =
            async { Ok(modal_deploy::run(control, &plan, &secrets, &options, cancel).await?) };
        let done = stage("rollback", work, |done| match done.class() {
            None => End::Done(format!("{} runs {}", report.app, report.to.digest.short())),
            Some(_) => End::Failed(String::new()),
        })
        .await?;
        let failed = done.class().map(|class| deploys::failure(&done, class));
        report.deploy = Some(done);
        failed.map_or(Ok(()), Err)
    }

    /// By Modal's own rollback.
    async fn natively(
        &self,
        standing: &Standing,
        report: &mut RollbackReport,
    ) -> Result<(), Failure> {
        let app = report.app.clone();
        let refused = |why: String| {
            let text = format!("roll {app} back with Modal: {why}");
            let hint = "Modal allows rollbacks on the Team and Enterprise plans only; `--now` \
                        without `--native` deploys the earlier image on every plan";
            Failure::new(Exit::Deploy, text).with_hint(Some(hint.to_owned()))
        };
        let version = match standing.native(&report.to.digest) {
            Native::Live => None,
            Native::To(version) => Some(version),
            Native::Refused(version) => {
                return Err(refused(format!(
                    "version {version} may not be gone back to"
                )));
            }
            Native::None => return Err(refused("no version has that digest".to_owned())),
        };
        self.hold(report).await?;
        let Some(version) = version else {
            return Ok(());
        };
        let (control, cancel, env) = (self.control, self.cancel, &self.args.env);
        let made = rollback::native(control, env, &report.app, version, cancel).await;
        report.native_version = made.map_err(|error| match error.is_cancelled() {
            true => error.into(),
            false => refused(error.to_string()),
        })?;
        let mut redactor = Redactor::default();
        redactor.add(&control.options().token_secret);
        let targets = [Target {
            reference: report.reference.clone(),
            app: report.app.clone(),
            image: report.to.clone(),
            version: report.native_version,
            smoke: self.entry.smoke.clone(),
        }];
        let options = self.context.config.smoke_options(env);
        let mut replies = smoke::run(control, env, &targets, &options, &redactor, cancel).await;
        let Some(reply) = replies.pop().transpose()? else {
            return Ok(());
        };
        let failed = reply.verdict == Verdict::Failed;
        let detail = reply.detail.clone().unwrap_or_default();
        report.smoke = Some(reply);
        match failed {
            false => Ok(()),
            true => {
                let text = format!("smoke {} in `{env}`: {detail}", report.reference);
                let exit = modal_exit(modal_deploy::ErrorClass::Smoke);
                Err(Failure::new(exit, text))
            }
        }
    }

    /// Before anything else, so that automation does not undo what is about to be done.
    async fn hold(&self, report: &mut RollbackReport) -> Result<(), Failure> {
        let (control, env) = (self.control, &self.args.env);
        let digest = &report.to.digest;
        let held = rollback::hold(control, env, &report.app, digest, self.cancel).await?;
        if !held {
            tracing::warn!(
                "the rollback cannot be held, as Modal does not tell the keys of secrets here: the \
                 next deploy undoes it, unless the pull request is merged before"
            );
        }
        report.held = Some(held);
        Ok(())
    }
}

/// Whether what was to come back has come back, whatever its smoke says.
fn is_live(report: &RollbackReport) -> bool {
    let deployed = report.deploy.iter().flat_map(|done| &done.apps);
    let mut live = deployed.filter_map(|app| app.live.as_ref()?.digest.as_ref());
    report.native_version.is_some() || live.any(|digest| *digest == report.to.digest)
}

fn show(report: &RollbackReport) -> String {
    let from = report.from.as_ref();
    let from = from.map_or("nothing", |image| image.digest.short());
    let smoked = match report.proof.smoked {
        Some(true) => ", and passed its smoke",
        _ => "",
    };
    let mut text = format!(
        "{} in {}: {from} → {}, which was live as version {}{smoked}\n",
        report.reference,
        report.environment,
        report.to.digest.short(),
        report.proof.version
    );
    if let Some(done) = &report.deploy {
        text.push_str(&deploys::show(done));
    }
    if let Some(version) = report.native_version {
        text.push_str(&format!("Modal went back, as version {version}\n"));
    }
    if report.held == Some(true) {
        text.push_str(
            "held: deploys leave it alone until this digest is pinned, or --release-hold\n",
        );
    }
    if let Some(request) = &report.request {
        text.push_str(&told(request));
    }
    text
}

fn told(request: &Request) -> String {
    let branch = &request.branch;
    match (&request.pull_request, request.action) {
        (Some(pull), "opened") => format!("pull request #{} opened: {}\n", pull.number, pull.url),
        (Some(pull), _) => format!("pull request #{} is open: {}\n", pull.number, pull.url),
        (None, "would-open") => format!("a pull request from `{branch}` would be opened\n"),
        (None, _) => "the registry file pins it already\n".to_owned(),
    }
}
