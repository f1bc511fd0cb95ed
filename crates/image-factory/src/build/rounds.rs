use std::fs::{File, Permissions};
use std::io::Write as _;
use std::num::NonZero;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::slice;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use process::{Command, ProcessError, Stream};
use registry_model::Digest;
use tokio_util::sync::CancellationToken;

use super::bake::{EPOCH, Recipe};
use super::failure::{FailedTarget, attribute, unattributed};
use super::passing::is_passing;
use super::progress::{Progress, Told};
use super::target::Target;
use crate::FactoryError;
use crate::plan::{Provenance, Sbom};

/// How many images are taken up again at once, each in a run of its own.
const APART: usize = 8;
/// BuildKit's messages have 16 MiB at most; in JSON they are longer.
const LONGEST_NEWS: usize = 32 * 1024 * 1024;
/// Whether buildx asks git about the context (docs.docker.com/build/building/variables).
const GIT_INFO: &str = "BUILDX_GIT_INFO";

/// An image that the builder says it pushed, or that it pushed for an earlier run.
pub(super) struct Pushed<'a> {
    pub(super) target: Target<'a>,
    pub(super) digest: Digest,
    pub(super) time: Duration,
    /// It is of an earlier run.
    pub(super) was_there: bool,
}

/// What became of the targets.
#[derive(Default)]
pub(super) struct Done<'a> {
    pub(super) pushed: Vec<Pushed<'a>>,
    pub(super) failed: Vec<FailedTarget>,
    pub(super) stopped: Vec<String>,
}

/// Runs `bake`.
///
/// All targets are in one run, if they may be. As `bake` ends all of them at the first failure, the
/// others are then taken up again from the cache, each in a run of its own, so that no failure ends
/// another any more. So are all when only some may be built at once: `bake` has no bound of its
/// own, and a chain of named contexts (`after = target:x`) holds back none, as a target counts as
/// done for its successor before its steps have run (seen with buildx 0.13).
pub(super) struct Rounds<'a> {
    recipe: Recipe<'a>,
    told: Told,
    /// An image was given up for a passing reason, and none was pushed since: the others need not
    /// wait as long again.
    is_hopeless: AtomicBool,
}

/// How a run of `bake` ended: what it says of each target, or who failed.
type Round =
    Result<Vec<(Result<Digest, FactoryError>, Duration)>, Vec<(Option<usize>, FailedTarget)>>;

/// How an image ended: pushed, or failed for good.
type End = Result<(Digest, Duration), FailedTarget>;

impl<'a> Rounds<'a> {
    pub(super) fn new(recipe: Recipe<'a>, told: Told) -> Self {
        Self {
            recipe,
            told,
            is_hopeless: AtomicBool::new(false),
        }
    }

    pub(super) async fn run<'t>(
        &self,
        targets: Vec<Target<'t>>,
        cancel: &CancellationToken,
    ) -> Result<Done<'t>, FactoryError> {
        let mut done = Done::default();
        let jobs = self.recipe.options.jobs.map(NonZero::get);
        let all_at_once = targets.len() > 1 && jobs.is_none_or(|jobs| jobs >= targets.len());
        let rest = match all_at_once {
            true => self.together(targets, &mut done, cancel).await?,
            false => targets,
        };
        self.apart(rest, jobs.unwrap_or(APART), &mut done, cancel)
            .await?;
        Ok(done)
    }

    /// Builds all in one run; returns those that are to be taken up again.
    async fn together<'t>(
        &self,
        mut targets: Vec<Target<'t>>,
        done: &mut Done<'t>,
        cancel: &CancellationToken,
    ) -> Result<Vec<Target<'t>>, FactoryError> {
        let failed = match self.round(&mut targets, cancel).await? {
            Ok(ends) => {
                for (target, (digest, time)) in targets.into_iter().zip(ends) {
                    match digest {
                        Ok(digest) => done.pushed.push(Pushed {
                            target,
                            digest,
                            time,
                            was_there: false,
                        }),
                        Err(error) => {
                            self.failed(FailedTarget::of_its_own(target.item, &error), done);
                        }
                    }
                }
                return Ok(Vec::new());
            }
            Err(failed) => failed,
        };
        let (mut gone, mut all_stop) = (vec![false; targets.len()], false);
        for (index, failed) in failed {
            if is_passing(&failed.message) {
                continue;
            }
            match index {
                Some(index) => gone[index] = true,
                None => all_stop = true,
            }
            self.failed(failed, done);
            all_stop |= self.recipe.options.fail_fast;
        }
        let rest = targets.into_iter().zip(gone);
        let rest = rest.filter_map(|(target, gone)| (!gone).then_some(target));
        if !all_stop {
            return Ok(rest.collect());
        }
        for target in rest {
            self.stopped(target, done);
        }
        Ok(Vec::new())
    }

    fn failed(&self, failed: FailedTarget, done: &mut Done<'_>) {
        self.told.failed(&failed.name, &failed.message);
        done.failed.push(failed);
    }

    fn stopped<'t>(&self, target: Target<'t>, done: &mut Done<'t>) {
        self.told.failed(&target.name, "stopped: another failed");
        done.stopped.push(target.name);
    }

    /// Builds each in a run of its own, `jobs` at once. What goes wrong with one of them, even here,
    /// leaves the others alone.
    async fn apart<'t>(
        &self,
        targets: Vec<Target<'t>>,
        jobs: usize,
        done: &mut Done<'t>,
        cancel: &CancellationToken,
    ) -> Result<(), FactoryError> {
        let stop = &cancel.child_token();
        let is_only = targets.len() == 1 && done.pushed.is_empty() && done.failed.is_empty();
        let mut ends = stream::iter(targets)
            .map(|mut target| async move {
                let end = self.alone(&mut target, stop).await;
                (target, end)
            })
            .buffer_unordered(jobs);
        while let Some((target, end)) = ends.next().await {
            let failed = match end {
                Ok(Ok((digest, time))) => {
                    done.pushed.push(Pushed {
                        target,
                        digest,
                        time,
                        was_there: false,
                    });
                    continue;
                }
                Ok(Err(failed)) => failed,
                Err(error) if error.is_cancelled() && !cancel.is_cancelled() => {
                    self.stopped(target, done);
                    continue;
                }
                // There is no work to be lost, and its own error tells it best.
                Err(error) if error.is_cancelled() || is_only => return Err(error),
                Err(error) => FailedTarget::of_its_own(target.item, &error),
            };
            self.failed(failed, done);
            if self.recipe.options.fail_fast {
                stop.cancel();
            }
        }
        Ok(())
    }

    /// Builds one, more than once if the failure may pass.
    async fn alone(
        &self,
        target: &mut Target<'_>,
        cancel: &CancellationToken,
    ) -> Result<End, FactoryError> {
        let mut waited = Duration::ZERO;
        let mut attempt = 1;
        loop {
            let failed = match self.round(slice::from_mut(target), cancel).await? {
                Ok(ends) => {
                    self.is_hopeless.store(false, Ordering::Relaxed);
                    let missing = || unreadable(&target.name, "nothing in it");
                    let (digest, time) = ends.into_iter().next().ok_or_else(missing)?;
                    return Ok(Ok((digest?, time)));
                }
                Err(failed) => failed.into_iter().next(),
            };
            let failed = failed.map_or_else(|| unattributed(&[]), |(_, failed)| failed);
            if !is_passing(&failed.message) {
                return Ok(Err(failed));
            }
            let retry = &self.recipe.options.retry;
            let pause = retry
                .pause(attempt, waited, None, random())
                .filter(|_| !self.is_hopeless.load(Ordering::Relaxed));
            let Some(pause) = pause else {
                self.is_hopeless.store(true, Ordering::Relaxed);
                return Ok(Err(failed));
            };
            self.told.again(&target.name, pause, &failed.message);
            tokio::select! {
                biased;
                () = cancel.cancelled() => {
                    return Err(FactoryError::Cancelled { operation: "build the images" });
                }
                () = tokio::time::sleep(pause) => {}
            }
            waited += pause;
            attempt += 1;
        }
    }

    /// One run of `bake`; it notes whose steps have all run.
    async fn round(
        &self,
        targets: &mut [Target<'_>],
        cancel: &CancellationToken,
    ) -> Result<Round, FactoryError> {
        let unwritten = |path: &Path, source| FactoryError::Write {
            path: path.to_path_buf(),
            source,
        };
        let folder = tempfile::Builder::new()
            .prefix("pipeline-bake-")
            // Build arguments are nobody else's business.
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .map_err(|source| unwritten(&std::env::temp_dir(), source))?;
        let file = folder.path().join("bake.json");
        let metadata = folder.path().join("metadata.json");
        let definition = self.recipe.definition(targets);
        serde_json::to_vec_pretty(&definition)
            .map_err(std::io::Error::from)
            .and_then(|text| write_private(&file, &text))
            .map_err(|source| unwritten(&file, source))?;

        let names = targets
            .iter()
            .map(|target| (target.id.clone(), target.name.clone()));
        let progress = Progress::new(names.collect(), self.told.clone());
        let progress = Arc::new(Mutex::new(progress));
        let hears = Arc::clone(&progress);
        let ended = self
            .command(&file, &metadata)
            .on_line(move |stream, line| {
                if let (Stream::Stderr, Ok(mut progress)) = (stream, hears.lock()) {
                    progress.line(line);
                }
            })
            .run(cancel)
            .await;
        let Ok(mut progress) = progress.lock() else {
            return Err(unreadable(
                "all images",
                "its progress could not be followed",
            ));
        };
        progress.end();
        for target in &mut *targets {
            target.has_run |= progress.has_run(&target.id);
        }
        match ended {
            Ok(_) => {
                let bytes = std::fs::read(&metadata).map_err(|source| FactoryError::Read {
                    path: metadata.clone(),
                    source,
                })?;
                let digests = digests(&bytes, targets)?;
                let times = targets.iter().map(|target| progress.time(&target.id));
                Ok(Ok(digests.into_iter().zip(times).collect()))
            }
            Err(ProcessError::Failed { .. }) => Ok(Err(self.blame(targets, &progress))),
            Err(error) => Err(FactoryError::Buildx(error)),
        }
    }

    fn command(&self, file: &Path, metadata: &Path) -> Command {
        let settings = self.recipe.settings;
        // Provenance changes the digest with every build; newer versions add it unasked.
        let provenance = match settings.provenance {
            None => "--provenance=false",
            Some(Provenance::Min) => "--provenance=mode=min",
            Some(Provenance::Max) => "--provenance=mode=max",
        };
        let sbom = match settings.sbom {
            Sbom::No => Some("--sbom=false"),
            Sbom::Standard => Some("--sbom=true"),
            // It is in the definition of each target, by digest.
            Sbom::By(_) => None,
        };
        let builder = self.recipe.options.builder.iter();
        let mut command = Command::new("docker");
        if settings.provenance.is_none() {
            // Before anything is built, buildx asks git seven things of each target, one target
            // after the other. The answers go into the provenance only.
            command = command.env(GIT_INFO, "false");
        }
        command
            .args(["buildx", "bake", "--progress=rawjson", provenance])
            .args(sbom)
            .args(builder.map(|name| format!("--builder={name}")))
            .arg("--file")
            .arg(file)
            .arg("--metadata-file")
            .arg(metadata)
            // buildx would hand it to every build, and it would count for no key. The setting comes as
            // an argument.
            .env_remove(EPOCH)
            // Newer versions write one object a line, however much a step printed.
            .longest_line(LONGEST_NEWS)
            // Newer versions let `bake` read below this folder only.
            .current_dir(self.recipe.root)
    }

    fn blame(
        &self,
        targets: &[Target<'_>],
        progress: &Progress,
    ) -> Vec<(Option<usize>, FailedTarget)> {
        let dockerfile = |target: &Target<'_>| {
            let bytes = std::fs::read(self.recipe.root.join(&target.item.dockerfile));
            String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
        };
        let dockerfiles: Vec<String> = targets.iter().map(dockerfile).collect();
        let text = progress.text();
        let failed = attribute(targets, &dockerfiles, progress.errors(), &text);
        if failed.is_empty() {
            return vec![(None, unattributed(&text))];
        }
        failed
            .into_iter()
            .map(|(index, failed)| (Some(index), failed))
            .collect()
    }
}

/// A number from 0 to 1.
fn random() -> f64 {
    let (_, low) = uuid::Uuid::new_v4().as_u64_pair();
    f64::from(low as u32) / f64::from(u32::MAX)
}

/// Writes a new file that only this user can read.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = File::options();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)
}

fn unreadable(item: &str, problem: &str) -> FactoryError {
    FactoryError::Metadata {
        item: item.to_owned(),
        problem: problem.to_owned(),
    }
}

/// `containerimage.digest` of each target: that of the manifest or index, not of the config.
fn digests(
    metadata: &[u8],
    targets: &[Target<'_>],
) -> Result<Vec<Result<Digest, FactoryError>>, FactoryError> {
    let metadata: serde_json::Value = serde_json::from_slice(metadata)
        .map_err(|error| unreadable("all images", &error.to_string()))?;
    let one = |target: &Target<'_>| {
        let digest = &metadata[&target.id]["containerimage.digest"];
        let digest = digest
            .as_str()
            .ok_or_else(|| unreadable(&target.name, "no `containerimage.digest` in it"))?;
        digest
            .parse()
            .map_err(|_| unreadable(&target.name, &format!("`{digest}` is no digest")))
    };
    Ok(targets.iter().map(one).collect())
}
