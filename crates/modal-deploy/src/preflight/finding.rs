use std::fmt;

use registry_model::Environment;
use serde::{Deserialize, Serialize};

/// What was found about an environment and what is to be deployed there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PreflightReport {
    /// 1.
    pub schema: u32,
    /// Where a deploy would go.
    pub environment: Environment,
    /// One or more for each check, in the order of [`Check`].
    pub findings: Vec<Finding>,
}

impl PreflightReport {
    /// The findings that ended so.
    pub fn with(&self, status: Status) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |one| one.status == status)
    }
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// What was checked.
    pub check: Check,
    /// How that ended.
    pub status: Status,
    /// About what: the name of a secret, a processor, an environment.
    pub subject: String,
    /// What was found.
    pub text: String,
    /// What to do about it.
    pub cure: Option<String>,
}

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// The token is accepted, and whose it is.
    Token,
    /// The environment exists.
    Environment,
    /// All environments build images by the same recipe.
    ImageBuilder,
    /// Modal's own command line is there, of a version that is known to work.
    ModalClient,
    /// The Python file of the app is there.
    AppFile,
    /// Each processor has an app of its own.
    AppName,
    /// The secret with which Modal pulls has the keys that it should.
    RegistryAuth,
    /// A declared secret is available.
    Secret,
    /// A pinned image is there, is for Modal's machines, and can be read.
    Image,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token => "token",
            Self::Environment => "environment",
            Self::ImageBuilder => "image builder",
            Self::ModalClient => "modal client",
            Self::AppFile => "app file",
            Self::AppName => "app names",
            Self::RegistryAuth => "registry secret",
            Self::Secret => "secret",
            Self::Image => "image",
        })
    }
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// As it should be.
    Ok,
    /// A deploy will go on, perhaps not as expected.
    Warning,
    /// A deploy will fail.
    Failed,
    /// Nobody knows.
    NotChecked,
}

impl Check {
    pub(super) fn ok(self, subject: impl Into<String>, text: impl Into<String>) -> Finding {
        self.finding(Status::Ok, subject, text, None)
    }

    pub(super) fn warning(
        self,
        subject: impl Into<String>,
        text: impl Into<String>,
        cure: impl Into<String>,
    ) -> Finding {
        self.finding(Status::Warning, subject, text, Some(cure.into()))
    }

    pub(super) fn failed(
        self,
        subject: impl Into<String>,
        text: impl Into<String>,
        cure: Option<String>,
    ) -> Finding {
        self.finding(Status::Failed, subject, text, cure)
    }

    pub(super) fn not_checked(
        self,
        subject: impl Into<String>,
        text: impl Into<String>,
    ) -> Finding {
        self.finding(Status::NotChecked, subject, text, None)
    }

    fn finding(
        self,
        status: Status,
        subject: impl Into<String>,
        text: impl Into<String>,
        cure: Option<String>,
    ) -> Finding {
        Finding {
            check: self,
            status,
            subject: subject.into(),
            text: text.into(),
            cure,
        }
    }
}
