use std::time::Duration;

use registry_model::{Digest, PinnedImage, Repository};

use crate::PushRefusal;

/// Why a registry could not be asked, or what is wrong with its answer. Holds no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OciError {
    /// The HTTP client could not be set up.
    #[error("set up the registry client")]
    SetUp {
        /// What is wrong, as a rule with the root certificates or a proxy setting.
        #[source]
        source: reqwest::Error,
    },
    /// The stored credentials could not be read.
    #[error("read the credentials for `{host}`: {problem}")]
    Credentials {
        /// The registry.
        host: String,
        /// What is wrong.
        problem: String,
    },
    /// No answer came, or it broke off.
    #[error("{operation}: no answer")]
    NoAnswer {
        /// What was asked.
        operation: String,
        /// Whether the other side speaks TLS that we do not trust, or none: asking again is vain.
        tls: bool,
        /// What the network said.
        #[source]
        source: reqwest::Error,
    },
    /// The registry, or a proxy before it, cannot answer now.
    #[error("{operation}: {message}")]
    Unavailable {
        /// What was asked.
        operation: String,
        /// The HTTP status, unless it was the token server that failed.
        status: Option<u16>,
        /// The status and what the registry said.
        message: String,
        /// When the registry wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The registry wants credentials, or does not know those it got (401).
    #[error("{operation}: not logged in to `{host}`, or the credentials are wrong{}", colon(.message))]
    Unauthorized {
        /// What was asked.
        operation: String,
        /// The registry.
        host: String,
        /// Whether a login was shown: then that is wrong, or has expired.
        login: bool,
        /// What the registry said, if anything.
        message: String,
    },
    /// The credentials do not suffice (403).
    #[error("{operation}: `{host}` denies access{}", colon(.message))]
    Forbidden {
        /// What was asked.
        operation: String,
        /// The registry.
        host: String,
        /// What the registry said, if anything.
        message: String,
    },
    /// The registry refuses for another reason.
    #[error("{operation}: refused with {message}")]
    Refused {
        /// What was asked.
        operation: String,
        /// The HTTP status.
        status: u16,
        /// The status and what the registry said.
        message: String,
    },
    /// The registry does not let us push to a repository.
    #[error("push to `{repository}`: {refusal}{}", colon(.message))]
    PushRefused {
        /// Where to.
        repository: Repository,
        /// What is missing.
        refusal: PushRefusal,
        /// What the registry said, if anything.
        message: String,
    },
    /// What is to be stored is longer than what can be read back.
    #[error("{operation}: {length} bytes are more than the {limit} that an artifact may have")]
    TooLong {
        /// What was asked.
        operation: String,
        /// Its length in bytes.
        length: usize,
        /// The most it may have.
        limit: usize,
    },
    /// The list of an image's referrers is not as specified; it is left as it is.
    #[error("{operation}: the tag `{tag}` is no list of referrers: {problem}")]
    BadReferrersTag {
        /// What was asked.
        operation: String,
        /// The repository's tag, named after the image.
        tag: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Others wrote the list of an image's referrers at the same time, again and again.
    #[error("{operation}: others change the tag `{tag}` at the same time")]
    Contended {
        /// What was asked.
        operation: String,
        /// The repository's tag, named after the image.
        tag: String,
    },
    /// There is no such image.
    #[error("{operation}: no such image")]
    NotFound {
        /// What was asked.
        operation: String,
        /// The image.
        image: PinnedImage,
    },
    /// The registry answered with another digest than the one it was asked for.
    #[error("{operation}: the registry answered with {found}")]
    DigestMismatch {
        /// What was asked.
        operation: String,
        /// The digest of its answer.
        found: Digest,
    },
    /// The digest is there, but names something that cannot run.
    #[error("use `{image}` as an image: it is {what}")]
    NotAnImage {
        /// What was given.
        image: PinnedImage,
        /// `a config`, `an attestation`…
        what: &'static str,
    },
    /// The tag stands for another image, and is not moved.
    #[error("tag `{image}` as `{tag}`: the tag stands for {found} already")]
    TagTaken {
        /// What was to be tagged.
        image: PinnedImage,
        /// The tag.
        tag: String,
        /// What it stands for.
        found: Digest,
    },
    /// The text is no tag.
    #[error(
        "read tag `{tag}`: expected 1 to 128 letters, digits, `_`, `-`, `.`, not starting with `-` or `.`"
    )]
    BadTag {
        /// The text.
        tag: String,
    },
    /// The answer does not follow the specification.
    #[error("{operation}: {problem}")]
    Malformed {
        /// What was asked.
        operation: String,
        /// What is wrong with the answer.
        problem: String,
    },
}

impl OciError {
    /// Whether the same question may get an answer later. The client has asked more than once
    /// already when it gives such an error.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NoAnswer { tls, .. } => !tls,
            Self::Unavailable { .. } => true,
            _ => false,
        }
    }

    /// Whether the registry answered and does not allow it, or wants a login that we do not have.
    #[must_use]
    pub fn is_about_access(&self) -> bool {
        matches!(
            self,
            Self::Credentials { .. }
                | Self::Unauthorized { .. }
                | Self::Forbidden { .. }
                | Self::PushRefused { .. }
        )
    }

    /// The page with the setting to change, when the registry has one.
    #[must_use]
    pub fn setting_url(&self) -> Option<String> {
        match self {
            Self::PushRefused {
                repository,
                refusal,
                ..
            } => refusal.setting_url(repository),
            _ => None,
        }
    }

    /// When the registry wants to be asked again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// 500, by which some registries mean what they should refuse.
    pub(crate) fn is_500(&self) -> bool {
        matches!(
            self,
            Self::Unavailable {
                status: Some(500),
                ..
            }
        )
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::SetUp { .. } => {
                "install the root certificates of the system (package ca-certificates)".to_owned()
            }
            Self::Credentials { host, .. } | Self::Unauthorized { host, .. } => {
                format!("run `docker login {host}` with an account that may read the image")
            }
            Self::NoAnswer { tls: true, .. } => {
                "trust the registry's certificate on this machine, or, if it speaks plain HTTP, \
                 list it as an insecure host"
                    .to_owned()
            }
            Self::Unavailable {
                status: Some(429),
                retry_after,
                ..
            } => {
                let asked = retry_after.map_or_else(String::new, |pause| {
                    format!(" (it asks for a pause of {} s)", pause.as_secs())
                });
                format!(
                    "the registry limits how often it may be asked{asked}: run it again later, or \
                     log in with an account that may ask more often"
                )
            }
            Self::NoAnswer { .. } | Self::Unavailable { .. } => {
                "check that the registry can be reached from here, then run it again".to_owned()
            }
            Self::Forbidden { host, .. } if host == "ghcr.io" => {
                "log in with a token that may read packages (`docker login ghcr.io`); if you are, \
                 open the package's settings on GitHub, and under `Manage Actions access` add \
                 this repository with the role it needs; a workflow also needs `permissions: \
                 packages: write`"
                    .to_owned()
            }
            Self::Forbidden { host, .. } => {
                format!(
                    "log in with an account that may (`docker login {host}`), or give the one you \
                     use access to this repository"
                )
            }
            Self::PushRefused {
                repository,
                refusal,
                ..
            } => refusal.cure(repository),
            Self::BadReferrersTag { tag, .. } => {
                format!("look at the tag `{tag}`; if nothing needs it, delete it in the registry")
            }
            Self::Contended { .. } => "run it again when the other runs are done".to_owned(),
            Self::NotFound { image, .. } => format!(
                "build and push it again, or check that nobody cleaned up `{}`",
                image.repository
            ),
            Self::NotAnImage { .. } => {
                "pin the digest of the index or of the manifest, as the build's metadata file has \
                 it under `containerimage.digest`"
                    .to_owned()
            }
            Self::Refused {
                status: 300..400, ..
            } => "the registry, or a proxy before it, sends us in a circle or to an address that is \
                  not encrypted: correct the address of the registry, or the proxy"
                .to_owned(),
            Self::Malformed { .. } | Self::DigestMismatch { .. } => {
                "check that it is a registry that answers there, and no proxy or log-in page in its \
                 place"
                    .to_owned()
            }
            Self::TagTaken { .. } => {
                "use another tag, or delete this one in the registry".to_owned()
            }
            _ => return None,
        };
        Some(text)
    }
}

fn colon(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!(": {message}")
    }
}
