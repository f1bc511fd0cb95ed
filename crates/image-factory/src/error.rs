mod class;
mod hint;

use std::path::PathBuf;

use oci::OciError;
use process::ProcessError;
use registry_model::{Digest, ImageError, PinnedImage, Platform, Repository};

pub use class::ErrorClass;

use crate::build::{BuildFailure, Feature};

/// Why images could not be planned, built or pinned. Holds no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FactoryError {
    /// A registry file names a Dockerfile that is not there.
    #[error("find Dockerfile `{}`, named by {}: no such file", .dockerfile.display(), .file.display())]
    NoDockerfile {
        /// The registry file.
        file: PathBuf,
        /// The Dockerfile.
        dockerfile: PathBuf,
    },
    /// A registry file names a build context that is not there.
    #[error("find build context `{}`, named by {}: no such folder", .context.display(), .file.display())]
    NoContext {
        /// The registry file.
        file: PathBuf,
        /// The folder.
        context: PathBuf,
    },
    /// It is not known where the images of an entry are pushed to.
    #[error("find a repository for the images of {}: it names none, and there is no image prefix", .file.display())]
    NoRepository {
        /// The registry file.
        file: PathBuf,
    },
    /// The repository that follows from an entry and the options cannot exist.
    #[error("name the repository for the images of {}", .file.display())]
    BadRepository {
        /// The registry file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ImageError,
    },
    /// An entry has pins per platform, and none for a platform that is built.
    #[error("plan {}: it has no pin for {}", .file.display(), list(.platforms))]
    NoPinPlace {
        /// The registry file.
        file: PathBuf,
        /// What is built.
        platforms: Vec<Platform>,
    },
    /// A rule of a `.dockerignore` file cannot be understood.
    #[error("read {}:{line}: {problem}", .file.display())]
    IgnoreRule {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A base image could not be looked up.
    #[error("look up base image `{name}` of {}:{line}", .dockerfile.display())]
    NoBaseImage {
        /// The Dockerfile.
        dockerfile: PathBuf,
        /// The line that names it, counted from 1.
        line: usize,
        /// The image, as it is named there.
        name: String,
        /// What the registry said.
        #[source]
        source: OciError,
    },
    /// The image that is to make the SBOMs cannot be looked up.
    #[error("find SBOM generator `{name}`{}", no_registry_has_it(source.as_ref()))]
    NoSbomGenerator {
        /// As the settings name it.
        name: String,
        /// What the registry said; nothing if it does not have it.
        #[source]
        source: Option<OciError>,
    },
    /// A base image is replaced, and a stage has the same name: the builder would take the image for
    /// that stage.
    #[error("replace base image `{name}` of {}:{line}: a stage has the same name", .dockerfile.display())]
    ShadowedBase {
        /// The Dockerfile.
        dockerfile: PathBuf,
        /// The line that names it, counted from 1.
        line: usize,
        /// The image, and the stage.
        name: String,
    },
    /// A file or folder cannot be read.
    #[error("read `{}`", .path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("write `{}`", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// A file of this crate's own making cannot be understood.
    #[error("read `{}` as a {what}", .path.display())]
    BadJson {
        /// The file.
        path: PathBuf,
        /// `build plan`, `build report`.
        what: &'static str,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// The file is of a version that this program does not know.
    #[error("read `{}` as a {what}: it has schema {found}, known is 1", .path.display())]
    UnknownSchema {
        /// The file.
        path: PathBuf,
        /// `build plan`, `build report`.
        what: &'static str,
        /// The version it has.
        found: u32,
    },

    /// There is no Docker engine at the address.
    #[error("reach the Docker engine at {address}: {problem}")]
    NoEngine {
        /// The socket or host.
        address: String,
        /// `no such socket`, `nothing answers`.
        problem: &'static str,
    },
    /// The engine's socket may not be used by this user.
    #[error("reach the Docker engine at {address}: permission denied")]
    EngineDenied {
        /// The socket.
        address: String,
    },
    /// The engine cannot be talked to for another reason.
    #[error("reach the Docker engine at {address}")]
    Engine {
        /// The socket or host.
        address: String,
        /// What went wrong.
        #[source]
        source: bollard::errors::Error,
    },
    /// The engine is too old to hold BuildKit.
    #[error("build with Docker engine {found}: it has no BuildKit")]
    EngineWithoutBuildKit {
        /// Its version.
        found: String,
    },
    /// The engine lacks something that the plan or the options ask for.
    #[error("{feature}: Docker engine {engine} cannot")]
    EngineLacks {
        /// What it lacks.
        feature: Feature,
        /// Its version.
        engine: String,
    },
    /// buildx knows no builder of that name.
    #[error("build with the builder `{name}`: buildx knows none of that name")]
    NoBuilder {
        /// The name.
        name: String,
    },
    /// A build secret has no value.
    #[error("hand the build secret `{id}` to the builder: {problem}")]
    NoSecret {
        /// What Dockerfiles call it.
        id: String,
        /// `the environment variable … is not set`; never the value.
        problem: String,
    },
    /// A file has a time that reproducible builds would keep.
    #[error(
        "build reproducibly: `{}` is older than SOURCE_DATE_EPOCH={epoch}, so its time would stay in the image",
        .file.display()
    )]
    OlderThanEpoch {
        /// The file, relative to the root of the repository.
        file: PathBuf,
        /// Seconds since 1970.
        epoch: i64,
    },
    /// The program `docker` is missing.
    #[error("find the program `docker`: not on PATH")]
    NoDockerCli,
    /// `docker` has no `buildx`.
    #[error("find docker buildx: `docker` does not know it")]
    NoBuildx,
    /// `buildx` is too old.
    #[error("build with buildx {found}: needed is 0.13 or newer")]
    BuildxTooOld {
        /// Its version.
        found: String,
    },

    /// The registry could not be asked or refused.
    #[error(transparent)]
    Registry(#[from] OciError),
    /// We may not push to one or more of the repositories; nothing was built.
    #[error("push to {} of the repositories{}", .refusals.len(), refused(.refusals))]
    PushDenied {
        /// What the registry said, for each.
        refusals: Vec<OciError>,
    },
    /// One or more images could not be built or pushed; the others were.
    #[error(transparent)]
    BuildFailed(Box<BuildFailure>),
    /// `docker buildx` could not be run, or ended in a way that says nothing of an image.
    #[error(transparent)]
    Buildx(ProcessError),
    /// The builder did not say what it built.
    #[error("read the digest of `{item}` from the metadata of the build: {problem}")]
    Metadata {
        /// The processor.
        item: String,
        /// What is missing or wrong.
        problem: String,
    },
    /// The registry does not have what the builder says it pushed, or what a tag stands for.
    #[error("confirm `{image}`: the registry does not have it")]
    NotInRegistry {
        /// The image.
        image: PinnedImage,
    },
    /// What was built, or what the tag of the inputs stands for, is not what is to be pinned.
    #[error("use `{image}` for {item}: {problem}")]
    Unfit {
        /// The processor.
        item: String,
        /// The image.
        image: PinnedImage,
        /// `it is for linux/arm64, and wanted is linux/amd64`.
        problem: String,
    },
    /// Somebody else built the same inputs meanwhile, with other bits.
    #[error(
        "record `{repository}@{ours}` as `{tag}`: that tag stands for {theirs} since a moment ago"
    )]
    BuiltMeanwhile {
        /// Where.
        repository: Repository,
        /// `inputs-…`.
        tag: String,
        /// What was built here.
        ours: Digest,
        /// What the tag stands for.
        theirs: Digest,
    },

    /// A report speaks of a place that the registry files do not have.
    #[error("pin {item}: {problem}")]
    PinPlace {
        /// The processor.
        item: String,
        /// What is wrong.
        problem: String,
    },
    /// Some files could not be pinned and were left as they are; the others were written.
    #[error("pin {} of {total} files{}", .failures.len(), each(.failures))]
    PartlyPinned {
        /// The files, and what is wrong with each.
        failures: Vec<(PathBuf, String)>,
        /// How many were to be written.
        total: usize,
    },
    /// Somebody else has commits where the pins are to go, and they would be lost.
    #[error("write pins to {place}: it has commits of {by}, which would be lost")]
    PinsBlocked {
        /// `pull request #7`, or the branch.
        place: String,
        /// Whose commits.
        by: String,
    },
    /// The branch for the pins is there, and is not the bot's for that base: it is never written to.
    #[error("write pins to branch `{branch}`: it is not the bot's branch for `{base}`")]
    PinBranch {
        /// The branch that was to be written.
        branch: String,
        /// The branch that the pins are for.
        base: String,
    },
    /// The open request of the branch has pins that this run would take away.
    #[error("write pins to {place}: it pins {what}, which this run says nothing of")]
    PinsPartial {
        /// `pull request #7`.
        place: String,
        /// The first such registry file, or that there are too many.
        what: String,
    },
    /// The images are of code that the branch does not have.
    #[error("propose pins for `{base}`: they are of commit {commit}, which `{base}` does not have")]
    PinSource {
        /// The branch that the pins are for.
        base: String,
        /// The commit that was built, shortened.
        commit: String,
    },
    /// Others write at the same time, again and again.
    #[error("propose pins for `{base}`: others wrote at the same time, {attempts} times in a row")]
    PinsContended {
        /// The branch that the pins are for.
        base: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// Merging the pins would have images built again, for ever.
    #[error("prove the pins: once merged, images would be built again{}", each_item(.items))]
    PinLoop {
        /// The processors, and why each would be built.
        items: Vec<(String, String)>,
        /// Whether it is the merge that changes what they are built from.
        by_merge: bool,
    },
    /// Reports of several machines are not about the same thing.
    #[error("gather the build reports: {item} is {one} in one and {other} in another")]
    ReportsDisagree {
        /// The processor.
        item: String,
        /// What one of them says.
        one: String,
        /// What another says.
        other: String,
    },
    /// The pull request could not be made.
    #[error(transparent)]
    Forge(#[from] github::GithubError),

    /// A branch whose pins are wanted is not in the clone.
    #[error("find branch `{branch}`: the clone has neither `origin/{branch}` nor `{branch}`")]
    NoBranch {
        /// The branch.
        branch: String,
    },
    /// `git` could not be run, or does not say what is asked.
    #[error("read the history of the pins")]
    History(#[source] ProcessError),
    /// It cannot be known what a branch pins.
    #[error("read the pins in {} on `{branch}`: {problem}", .file.display())]
    UnreadablePins {
        /// The branch.
        branch: String,
        /// The registry file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A branch whose pins are wanted has no registry files.
    #[error("find what `{branch}` pins: no file there matches `{}`", .globs.join("`, `"))]
    NoPinFiles {
        /// The branch.
        branch: String,
        /// The patterns of its registry files.
        globs: Vec<String>,
    },
    /// A registry says that an image has parts of parts of parts.
    #[error("list what belongs to `{image}`: the registry goes deeper than images do")]
    TooDeep {
        /// Where it was left.
        image: PinnedImage,
    },

    /// The caller cancelled.
    #[error("{operation}: interrupted")]
    Cancelled {
        /// What was going on.
        operation: &'static str,
    },
}

/// Another error says itself what it is.
fn no_registry_has_it(source: Option<&OciError>) -> &'static str {
    match source {
        Some(_) => "",
        None => ": its registry does not have it",
    }
}

fn list(platforms: &[Platform]) -> String {
    let names: Vec<String> = platforms.iter().map(ToString::to_string).collect();
    names.join(", ")
}

fn refused(refusals: &[OciError]) -> String {
    refusals
        .iter()
        .map(|refusal| format!("\n  {refusal}"))
        .collect()
}

fn each_item(items: &[(String, String)]) -> String {
    items
        .iter()
        .map(|(item, why)| format!("\n  {item}: {why}"))
        .collect()
}

fn each(failures: &[(PathBuf, String)]) -> String {
    failures
        .iter()
        .map(|(file, problem)| format!("\n  {}: {problem}", file.display()))
        .collect()
}
