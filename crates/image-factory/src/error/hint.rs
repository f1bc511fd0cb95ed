use oci::OciError;
use process::ProcessError;
use registry_model::Platform;

use super::FactoryError;
use crate::build::Feature;

impl FactoryError {
    /// What to do about it: a command or a setting.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NoDockerfile { file, .. } => {
                format!("create it, or set `build.dockerfile` in {}", file.display())
            }
            Self::NoContext { file, .. } => {
                format!("create it, or set `build.context` in {}", file.display())
            }
            Self::NoRepository { .. } => {
                "set the image prefix, as in `ghcr.io/<owner>/<repository>`".to_owned()
            }
            Self::NoPinPlace { file, platforms } => format!(
                "build for another platform, or add `image.platforms.{}` to {}",
                platforms.first().map_or("amd64", Platform::arch),
                file.display()
            ),
            Self::ShadowedBase { .. } => {
                "give the stage another name, or name a tag of the image in `FROM`".to_owned()
            }
            Self::NoEngine { .. } => {
                "start Docker (`systemctl start docker`), or set DOCKER_HOST to an engine that runs"
                    .to_owned()
            }
            Self::EngineDenied { .. } => {
                "add yourself to the group (`usermod -aG docker $USER`, then log in again), or \
                 set DOCKER_HOST to an engine of your own"
                    .to_owned()
            }
            Self::Engine { .. } => "check DOCKER_HOST and `docker version`".to_owned(),
            // Without named contexts, hardly anything can be built.
            Self::EngineWithoutBuildKit { .. }
            | Self::EngineLacks {
                feature: Feature::NamedContexts,
                ..
            } => "install Docker 23 or newer".to_owned(),
            Self::EngineLacks { .. } => {
                "enable the containerd image store of the engine (`{\"features\": \
                 {\"containerd-snapshotter\": true}}` in /etc/docker/daemon.json, then restart it), \
                 or build elsewhere: `docker buildx create --driver docker-container --use` (or \
                 `remote`, `kubernetes`)"
                    .to_owned()
            }
            Self::NoBuilder { .. } => {
                "`docker buildx ls` lists them; `docker buildx create --name <name>` makes one"
                    .to_owned()
            }
            Self::NoSecret { .. } => {
                "set it in the environment of this step, as in `env: {TOKEN: ${{ secrets.TOKEN }}}`"
                    .to_owned()
            }
            Self::OlderThanEpoch { .. } => {
                "set SOURCE_DATE_EPOCH to a time before all files are written; 0 always is"
                    .to_owned()
            }
            Self::PushDenied { refusals } => return refusals.iter().find_map(OciError::hint),
            Self::NoDockerCli => {
                "install the Docker command line: https://docs.docker.com/engine/install/"
                    .to_owned()
            }
            Self::NoBuildx | Self::BuildxTooOld { .. } => {
                "install buildx 0.13 or newer (package docker-buildx-plugin, or \
                 https://github.com/docker/buildx/releases into ~/.docker/cli-plugins)"
                    .to_owned()
            }
            Self::BuiltMeanwhile { .. } => {
                "run it again: what the other run built is then reused".to_owned()
            }
            Self::NotInRegistry { image } => format!(
                "check that nobody cleaned up `{}`, then run it again with `--rebuild`",
                image.repository
            ),
            Self::Unfit { .. } => {
                "somebody else set the tag of these inputs: run it again with `--rebuild`, which builds \
                 the image and sets the tag anew"
                    .to_owned()
            }
            Self::NoBranch { branch } => format!(
                "fetch it (`git fetch origin {branch}:refs/remotes/origin/{branch}`; in a workflow, \
                 `fetch-depth: 0` of actions/checkout), or name the branches that are there"
            ),
            Self::History(ProcessError::NotFound { .. }) => "install git".to_owned(),
            Self::History(_) => "give a git clone with --repo".to_owned(),
            Self::UnreadablePins { branch, .. } => {
                format!("correct the file on `{branch}`: what it pins must be known to be kept")
            }
            Self::NoPinFiles { branch, .. } => format!(
                "correct `registry-files` in `pipeline.yml` of `{branch}`, or name the branches that \
                 have processors with --branches"
            ),
            Self::PinsBlocked { .. } => {
                "merge or close it, or let the bot take it over with `--takeover`".to_owned()
            }
            Self::PinBranch { .. } => {
                "name a branch with `--branch` that only the bot uses, another one for each base; or \
                 delete this one if nobody needs it"
                    .to_owned()
            }
            Self::PinsPartial { .. } => {
                "pin all processors in one run, or merge or close that request first".to_owned()
            }
            Self::PinSource { base, .. } => format!(
                "run this on `{base}`, after the commit was pushed to it, or name the branch that \
                 has the commit with `--base`"
            ),
            Self::PinsContended { .. } => {
                "run it again; `concurrency:` in the workflow has runs wait for each other"
                    .to_owned()
            }
            Self::PinLoop { by_merge: true, .. } => {
                "what the merge changes is an input of these images: add it to `.dockerignore`, or \
                 copy less into the image"
                    .to_owned()
            }
            Self::PinLoop { .. } => {
                "check out the commit that was built, without other changes, and pin from there; \
                 write other files outside of the build context, or list them in `.dockerignore`"
                    .to_owned()
            }
            Self::ReportsDisagree { .. } => {
                "gather only the reports of one run: remove older ones, and build each processor \
                 on one machine"
                    .to_owned()
            }
            Self::NoSbomGenerator { source: None, .. } => {
                "name an image that is in a registry with `sbom` below `build` in `pipeline.yml`"
                    .to_owned()
            }
            Self::NoSbomGenerator {
                source: Some(error),
                ..
            } => return error.hint(),
            Self::Registry(error) | Self::NoBaseImage { source: error, .. } => {
                return error.hint();
            }
            Self::BuildFailed(failure) => return failure.hint(),
            Self::Forge(error) => return error.hint(),
            _ => return None,
        };
        Some(text)
    }
}
