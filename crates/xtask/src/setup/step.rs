use std::collections::BTreeSet;
use std::path::Path;

use super::privilege::Privilege;
use crate::tools::{MODAL, S3S_FS, Tools};

/// What comes from a newer release when the distribution's own is too old or missing: parts of
/// Docker, and the program that receipts are checked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Engine,
    Client,
    Buildx,
    Compose,
    Cosign,
}

impl Part {
    fn title(self) -> &'static str {
        match self {
            Self::Engine => "Docker engine",
            Self::Client => "Docker client",
            Self::Buildx => "buildx",
            Self::Compose => "compose",
            Self::Cosign => "cosign",
        }
    }

    /// Debian's name of the package that holds it.
    pub(crate) fn package(self) -> &'static str {
        match self {
            Self::Engine => "docker.io",
            Self::Client => "docker-cli",
            Self::Buildx => "docker-buildx",
            Self::Compose => "docker-compose",
            Self::Cosign => "cosign",
        }
    }
}

/// How the engine is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// By the service manager.
    Systemd,
    /// On its own, where there is no service manager or it does not know this engine.
    Detached,
}

/// One thing that set-up does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    RefreshLists,
    Install { packages: BTreeSet<&'static str> },
    Newer { parts: BTreeSet<Part> },
    Registry,
    ControlGroups,
    StartEngine(Start),
    Modal,
    ModalClient { tag: String },
    S3,
    CargoDeny,
    Images { missing: Vec<&'static str> },
    ByHand { what: String, how: String },
}

impl Step {
    /// Whether only a person can do it.
    pub(crate) fn is_by_hand(&self) -> bool {
        matches!(self, Self::ByHand { .. })
    }

    pub(crate) fn needs_root(&self) -> bool {
        matches!(
            self,
            Self::RefreshLists | Self::Install { .. } | Self::ControlGroups | Self::StartEngine(_)
        )
    }

    /// Whether the machine must be looked at again before the next step.
    pub(crate) fn changes_the_plan(&self) -> bool {
        matches!(self, Self::RefreshLists | Self::StartEngine(_))
    }

    /// The line before the step is done.
    pub(crate) fn announce(&self, tools: &Tools, privilege: Privilege) -> String {
        let doing = match self {
            Self::RefreshLists => "asking which packages there are".to_owned(),
            Self::Install { .. } => "installing packages".to_owned(),
            Self::StartEngine(_) => "starting the Docker engine".to_owned(),
            Self::ControlGroups => "mounting control groups for the Docker engine".to_owned(),
            Self::Images { .. } => "making the example's images".to_owned(),
            _ => format!("installing {}", self.what()),
        };
        format!("{doing}: {}", self.how(tools, privilege))
    }

    /// The line of a check that installs nothing; `None` for what is no end in itself.
    pub(crate) fn missing(&self, tools: &Tools, privilege: Privilege) -> Option<String> {
        match self {
            Self::RefreshLists => None,
            _ => Some(format!("{}: {}", self.what(), self.how(tools, privilege))),
        }
    }

    fn what(&self) -> String {
        match self {
            Self::RefreshLists => "package lists".to_owned(),
            Self::Install { packages } => join(packages.iter().copied(), ", "),
            Self::Newer { parts } => join(parts.iter().map(|part| part.title()), ", "),
            Self::Registry => "docker-registry".to_owned(),
            Self::ControlGroups => "mounted control groups".to_owned(),
            Self::StartEngine(_) => "a running Docker engine".to_owned(),
            Self::Modal => format!("Modal's client {MODAL}"),
            Self::ModalClient { tag } => format!("Modal's client {MODAL} for {tag} containers"),
            Self::S3 => format!("S3 service s3s-fs {S3S_FS}"),
            Self::CargoDeny => "cargo-deny".to_owned(),
            Self::Images { missing } => format!("images {}", missing.join(", ")),
            Self::ByHand { what, .. } => what.clone(),
        }
    }

    fn how(&self, tools: &Tools, privilege: Privilege) -> String {
        let folder = tools.folder().display();
        match self {
            Self::RefreshLists => privilege.shown("apt-get update"),
            Self::Install { packages } => privilege.shown(&format!(
                "apt-get install --yes --no-install-recommends {}",
                join(packages.iter().copied(), " ")
            )),
            Self::Newer { parts } => format!(
                "apt-get download {} from Debian trixie, as those of this release are too old \
                 or missing, and unpack",
                join(parts.iter().map(|part| part.package()), " ")
            ),
            Self::Registry => format!("apt-get download docker-registry, and unpack into {folder}"),
            Self::ControlGroups => privilege.shown("cgroupfs-mount"),
            Self::StartEngine(Start::Systemd) => privilege.shown("systemctl start docker"),
            Self::StartEngine(Start::Detached) => {
                privilege.shown(&format!("dockerd >{folder}/engine.log 2>&1 &"))
            }
            Self::Modal => pip(&tools.modal()),
            Self::ModalClient { tag } => {
                format!("pip install --target {folder}/modal-client-{tag} modal=={MODAL}")
            }
            Self::S3 => format!(
                "cargo install --locked s3s-fs@{S3S_FS} --features binary --root {folder} \
                 (about 2 minutes)"
            ),
            Self::CargoDeny => {
                format!("cargo install --locked cargo-deny --root {folder} (about 4 minutes)")
            }
            Self::Images { .. } => "examples/processors/images/build.sh all".to_owned(),
            Self::ByHand { how, .. } => how.clone(),
        }
    }
}

fn pip(folder: &Path) -> String {
    let folder = folder.display();
    format!("python3 -m venv {folder}, {folder}/bin/python -m pip install modal=={MODAL}")
}

fn join<'a>(words: impl Iterator<Item = &'a str>, separator: &str) -> String {
    words.collect::<Vec<_>>().join(separator)
}
