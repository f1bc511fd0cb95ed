use std::fmt;

use jiff::Timestamp;
use registry_model::{Digest, Environment, PinnedImage, ProcessorRef};
use serde::{Deserialize, Serialize};

/// What an audit found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AuditReport {
    /// The version of this form: 1.
    pub schema: u32,
    /// Each environment, in the order they were asked for.
    pub environments: Vec<EnvironmentAudit>,
}

/// One environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EnvironmentAudit {
    /// Its name.
    pub environment: Environment,
    /// The processors in the order of the registry, then what nobody pins.
    pub apps: Vec<AppAudit>,
    /// Secrets that what is pinned requires, and the environment does not have.
    pub missing_secrets: Vec<MissingSecret>,
    /// Secrets that nobody declares. They are no drift: others may have put them there.
    pub orphans: Vec<String>,
    /// Deployed apps that have nothing to do with this repository.
    pub others: Vec<String>,
    /// Whether the deployment record could be read; without it, what was changed by hand shows
    /// only where it changed the image.
    pub recorded: bool,
}

/// One app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AppAudit {
    /// The processor; `None` for an app that no processor of the branch is deployed as.
    #[serde(rename = "ref")]
    pub reference: Option<ProcessorRef>,
    /// The name it is deployed under.
    pub app: String,
    /// How it stands.
    pub standing: Standing,
    /// What the branch pins.
    pub pinned: Option<PinnedImage>,
    /// What runs.
    pub live: Option<LiveVersion>,
    /// The digest at which a person holds it.
    pub held: Option<Digest>,
    /// Why it stands like that; empty where all is well.
    pub why: String,
}

/// The version of an app that is live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LiveVersion {
    /// Its number, from servers that tell.
    pub version: Option<u32>,
    /// The digest of its image: all of it, or its first 32 hexadecimal digits where only the tag
    /// of the deployment is known.
    pub digest: Option<String>,
    /// When it was deployed, where that was asked for.
    pub at: Option<Timestamp>,
    /// Who did it, likewise.
    pub by: Option<String>,
}

/// A secret that is required and not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MissingSecret {
    /// Its name.
    pub name: String,
    /// Who requires it; empty where it is for the whole environment.
    pub by: Vec<ProcessorRef>,
}

/// How an app stands to its pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// What is pinned is live.
    Ok,
    /// A person holds it at another digest, and that is live.
    Held,
    /// Nothing is pinned yet, and nothing is live.
    Pending,
    /// It is pinned, and nothing is live.
    Missing,
    /// Another digest than the pinned one is live.
    Drifted,
    /// Somebody deployed it beside the pipeline.
    ChangedByHand,
    /// Nobody can tell what is live.
    Unknown,
    /// It is live, and the branch pins no such thing.
    Extra,
}

impl Standing {
    /// Whether somebody has to do something about it.
    #[must_use]
    pub fn is_drift(self) -> bool {
        !matches!(self, Self::Ok | Self::Held | Self::Pending)
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Held => "held",
            Self::Pending => "pending",
            Self::Missing => "missing",
            Self::Drifted => "drifted",
            Self::ChangedByHand => "changed by hand",
            Self::Unknown => "unknown",
            Self::Extra => "extra",
        })
    }
}

impl EnvironmentAudit {
    /// How many things are not as git has them.
    #[must_use]
    pub fn drift(&self) -> usize {
        let apps = self.apps.iter().filter(|app| app.standing.is_drift());
        apps.count() + self.missing_secrets.len()
    }
}

impl AuditReport {
    /// How many things are not as git has them, in all environments.
    #[must_use]
    pub fn drift(&self) -> usize {
        self.environments.iter().map(EnvironmentAudit::drift).sum()
    }
}
