use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::tz::TimeZone;
use oci::OciError;
use process::{Command, ProcessError, Stream};
use registry_model::{Digest, PinnedImage};
use tokio_util::sync::CancellationToken;

use super::bake::{self, Target};
use super::failure::{BuildFailure, FailedTarget, attribute, unattributed};
use super::preflight::preflight;
use super::progress::Progress;
use super::report::{BuildReport, Built, Outcome};
use crate::plan::{BuildPlan, InputKey, Planned};
use crate::{FactoryError, Images};

/// Questions to the registry that are open at once.
const LOOK_UPS: usize = 64;

/// How to build, besides what the plan says.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// The root of the repository.
    pub root: PathBuf,
    /// The label `org.opencontainers.image.source`: the address of the repository, by which GitHub
    /// links a package to it.
    pub source: Option<String>,
    /// The label `org.opencontainers.image.revision`. It changes the digest with every commit, even
    /// when nothing else does: off unless wanted.
    pub revision: Option<String>,
    /// Stops at the first image that fails; otherwise the others are still built.
    pub fail_fast: bool,
}

impl BuildOptions {
    /// The defaults for the repository at `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            source: None,
            revision: None,
            fail_fast: false,
        }
    }
}

/// Builds and pushes what the plan says, confirms every image, and records the input keys.
///
/// When nothing is to be built, no engine is needed. On cancellation the build is ended, and
/// nothing stays behind but what is in the registry already.
///
/// # Errors
/// When the engine is not fit, an image fails (the others are in [`BuildFailure::report`]), or the
/// registry does not have what was pushed.
pub async fn build<I: Images>(
    plan: &BuildPlan,
    images: &I,
    options: &BuildOptions,
    cancel: &CancellationToken,
) -> Result<BuildReport, FactoryError> {
    let now = jiff::Timestamp::now().to_zoned(TimeZone::UTC);
    let build_tag = now.strftime("build-%Y%m%dT%H%M%SZ").to_string();
    let targets = bake::targets(plan, &build_tag);
    if !targets.is_empty() {
        let engine = preflight(cancel).await?;
        if targets
            .iter()
            .any(|target| !target.item.base_images.is_empty())
        {
            engine.check_base_images()?;
        }
    }
    let root = std::path::absolute(&options.root).map_err(|source| FactoryError::Read {
        path: options.root.clone(),
        source,
    })?;
    let rounds = Rounds {
        root: &root,
        labels: labels(options),
        fail_fast: options.fail_fast,
    };
    let done = rounds.run(targets, cancel).await?;

    let finish = async {
        let mut built = Vec::new();
        for item in &plan.items {
            built.extend(outcome(item, &done.pushed));
        }
        confirm(&built, images).await?;
        Ok::<_, FactoryError>(BuildReport { schema: 1, built })
    };
    let report = tokio::select! {
        biased;
        () = cancel.cancelled() => Err(FactoryError::Cancelled { operation: "confirm the images" }),
        report = finish => report,
    }?;
    if done.failed.is_empty() {
        Ok(report)
    } else {
        Err(FactoryError::BuildFailed(Box::new(BuildFailure {
            failed: done.failed,
            stopped: done.stopped,
            report,
        })))
    }
}

fn labels(options: &BuildOptions) -> BTreeMap<String, String> {
    let label = |name: &str, value: &Option<String>| {
        let value = value.clone()?;
        Some((format!("org.opencontainers.image.{name}"), value))
    };
    [
        label("source", &options.source),
        label("revision", &options.revision),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// An image that the builder says it pushed.
struct Pushed<'a> {
    target: Target<'a>,
    digest: Digest,
    time: Duration,
}

#[derive(Default)]
struct Done<'a> {
    pushed: Vec<Pushed<'a>>,
    failed: Vec<FailedTarget>,
    stopped: Vec<String>,
}

/// `bake` ends all targets at the first failure. So the others are taken up again, from the cache,
/// until each has either been pushed or failed of itself.
struct Rounds<'a> {
    root: &'a Path,
    labels: BTreeMap<String, String>,
    fail_fast: bool,
}

impl Rounds<'_> {
    async fn run<'a>(
        &self,
        mut targets: Vec<Target<'a>>,
        cancel: &CancellationToken,
    ) -> Result<Done<'a>, FactoryError> {
        let mut done = Done::default();
        while !targets.is_empty() {
            let failed = match self.round(&targets, cancel).await? {
                Ok(digests) => {
                    done.pushed = targets
                        .into_iter()
                        .zip(digests)
                        .map(|(target, (digest, time))| Pushed {
                            target,
                            digest,
                            time,
                        })
                        .collect();
                    break;
                }
                Err(failed) => failed,
            };
            let blamed: Vec<usize> = failed.iter().filter_map(|(index, _)| *index).collect();
            done.failed
                .extend(failed.into_iter().map(|(_, failed)| failed));
            let mut index = 0;
            targets.retain(|_| {
                index += 1;
                !blamed.contains(&(index - 1))
            });
            if self.fail_fast || blamed.is_empty() {
                done.stopped = targets.drain(..).map(|target| target.name).collect();
            }
        }
        Ok(done)
    }

    /// One run of `bake`: the digest and the time of each target, or who failed.
    async fn round(
        &self,
        targets: &[Target<'_>],
        cancel: &CancellationToken,
    ) -> Result<Result<Vec<(Digest, Duration)>, Vec<(Option<usize>, FailedTarget)>>, FactoryError>
    {
        let folder = tempfile::Builder::new()
            .prefix("pipeline-bake-")
            // Build arguments are nobody else's business.
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .map_err(|source| FactoryError::Write {
                path: std::env::temp_dir(),
                source,
            })?;
        let file = folder.path().join("bake.json");
        let metadata = folder.path().join("metadata.json");
        let definition = bake::definition(targets, self.root, &self.labels);
        let text = serde_json::to_vec_pretty(&definition).map_err(std::io::Error::from);
        text.and_then(|text| write_private(&file, &text))
            .map_err(|source| FactoryError::Write {
                path: file.clone(),
                source,
            })?;

        let names = targets
            .iter()
            .map(|target| (target.id.clone(), target.name.clone()));
        let progress = Arc::new(Mutex::new(Progress::new(names.collect())));
        let hears = Arc::clone(&progress);
        let ended = Command::new("docker")
            .args(["buildx", "bake", "--file"])
            .arg(&file)
            .args(["--push", "--progress=rawjson"])
            // Provenance changes the digest with every build; newer versions add it unasked.
            .args(["--provenance=false", "--sbom=false"])
            .arg("--metadata-file")
            .arg(&metadata)
            // Newer versions let `bake` read below this folder only.
            .current_dir(self.root)
            .on_line(move |stream, line| {
                if let (Stream::Stderr, Ok(mut progress)) = (stream, hears.lock()) {
                    progress.line(line);
                }
            })
            .run(cancel)
            .await;
        let Ok(progress) = progress.lock() else {
            return Err(unreadable(
                "all images",
                "its progress could not be followed",
            ));
        };
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
            Err(ProcessError::Failed { .. }) => {
                let text = |target: &Target<'_>| {
                    let bytes = std::fs::read(self.root.join(&target.item.dockerfile));
                    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
                };
                let dockerfiles: Vec<String> = targets.iter().map(text).collect();
                let failed = attribute(targets, &dockerfiles, progress.errors(), progress.text());
                Ok(Err(match failed.is_empty() {
                    true => vec![(None, unattributed(progress.text()))],
                    false => failed
                        .into_iter()
                        .map(|(index, failed)| (Some(index), failed))
                        .collect(),
                }))
            }
            Err(error) => Err(FactoryError::Buildx(error)),
        }
    }
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
fn digests(metadata: &[u8], targets: &[Target<'_>]) -> Result<Vec<Digest>, FactoryError> {
    let metadata: serde_json::Value = serde_json::from_slice(metadata)
        .map_err(|error| unreadable("all images", &error.to_string()))?;
    targets
        .iter()
        .map(|target| {
            let digest = &metadata[&target.id]["containerimage.digest"];
            let digest = digest
                .as_str()
                .ok_or_else(|| unreadable(&target.name, "no `containerimage.digest` in it"))?;
            digest
                .parse()
                .map_err(|_| unreadable(&target.name, &format!("`{digest}` is no digest")))
        })
        .collect()
}

/// What became of an item; `None` if it was not built.
fn outcome(item: &Planned, pushed: &[Pushed<'_>]) -> Option<Built> {
    let found = pushed.iter().find(|pushed| {
        let target = pushed.target.item;
        target.repository == item.repository && target.key == item.key
    });
    let (image, decision, tags, time) = match (item.reused(), found) {
        (Some(image), _) => (image, Outcome::Reused, Vec::new(), Duration::ZERO),
        (None, Some(pushed)) => (
            item.repository.at(pushed.digest.clone()),
            Outcome::Built,
            vec![pushed.target.build_tag.clone()],
            pushed.time,
        ),
        (None, None) => return None,
    };
    Some(Built {
        reference: item.reference.clone(),
        file: item.file.clone(),
        pin_platform: item.pin_platform.clone(),
        image,
        key: item.key.clone(),
        decision,
        why: item.why(),
        platforms: item.platforms.clone(),
        tags,
        replaces: None,
        size: None,
        seconds: (time.as_secs_f64() * 1000.0).round() / 1000.0,
    })
}

/// Asks the registry for each image, with one HEAD for each distinct one, and records the keys of
/// those that are new.
async fn confirm<I: Images>(built: &[Built], images: &I) -> Result<(), FactoryError> {
    let distinct: BTreeMap<(&PinnedImage, &InputKey), &Built> = built
        .iter()
        .map(|built| ((&built.image, &built.key), built))
        .collect();
    stream::iter(distinct.into_values())
        .map(|built| async move {
            if !images.exists(&built.image).await? {
                let image = built.image.clone();
                return Err(FactoryError::NotInRegistry { image });
            }
            if built.decision == Outcome::Built {
                record(&built.image, &built.key, images).await?;
                tracing::info!(target: "pipeline::progress", stage = "build", item = %built.name(), "pushed {}", built.image.digest.short());
            }
            Ok(())
        })
        .buffer_unordered(LOOK_UPS)
        .try_collect::<()>()
        .await
}

/// Lets the tag of the key stand for the image, so that it is found again. This comes last: what
/// has the tag is complete.
async fn record<I: Images>(
    image: &PinnedImage,
    key: &InputKey,
    images: &I,
) -> Result<(), FactoryError> {
    match images.tag(image, &key.tag()).await {
        Ok(()) => Ok(()),
        Err(OciError::TagTaken { tag, found, .. }) => Err(FactoryError::BuiltMeanwhile {
            repository: image.repository.clone(),
            tag,
            ours: image.digest.clone(),
            theirs: found,
        }),
        Err(error) => Err(error.into()),
    }
}
