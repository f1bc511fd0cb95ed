use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Digest;

/// Where images live: `registry.example:5000/team/name`, without tag or digest.
///
/// The host is always spelled out, and everything is lower case: registries refuse the rest
/// (OCI distribution specification, "Pulling manifests", the grammar of `<name>`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Repository(String);

/// One image, named by what is in it: `<repository>@sha256:…`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PinnedImage {
    /// Where it lives.
    pub repository: Repository,
    /// What it is.
    pub digest: Digest,
}

/// A text that names no image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read image reference `{found}`: {problem}")]
pub struct ImageError {
    /// The text.
    pub found: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl Repository {
    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The registry, with its port if it has one.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.split_once('/').map_or("", |(host, _)| host)
    }

    /// Everything behind the host.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, path)| path)
    }

    /// The last part of the path.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The same path on another registry.
    ///
    /// # Errors
    /// When `host` is no registry host.
    pub fn with_host(&self, host: &str) -> Result<Self, ImageError> {
        format!("{host}/{}", self.path()).parse()
    }

    /// This repository's image with `digest`.
    #[must_use]
    pub fn at(&self, digest: Digest) -> PinnedImage {
        PinnedImage {
            repository: self.clone(),
            digest,
        }
    }

    /// `<repository>:<tag>`.
    #[must_use]
    pub fn tagged(&self, tag: &str) -> String {
        format!("{}:{tag}", self.0)
    }
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    };
    let known = host == "localhost" || name.contains('.') || port.is_some();
    let label = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    known && name.split('.').all(label) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn is_component(part: &str) -> bool {
    let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let edge = |b: Option<u8>| b.is_some_and(alnum);
    let separators_ok = !["..", " ", "___", "._", "_.", "-.", ".-", "_-", "-_"]
        .iter()
        .any(|bad| part.contains(bad));
    edge(part.bytes().next())
        && edge(part.bytes().last())
        && separators_ok
        && part
            .bytes()
            .all(|b| alnum(b) || matches!(b, b'.' | b'_' | b'-'))
}

impl FromStr for Repository {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, ImageError> {
        let wrong = |problem| ImageError {
            found: text.chars().take(300).collect(),
            problem,
        };
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(wrong("registries take lower case only"));
        }
        if text.len() > 255 {
            return Err(wrong("longer than 255 characters"));
        }
        let (host, path) = text
            .split_once('/')
            .ok_or_else(|| wrong("expected `<registry>/<path>`, as in `ghcr.io/org/name`"))?;
        if !is_host(host) {
            return Err(wrong(
                "expected a registry host before the first `/`, as in `ghcr.io`",
            ));
        }
        if !path.split('/').all(is_component) {
            return Err(wrong(
                "each part takes a-z, 0-9 and single `.`, `_`, `-` between them",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for PinnedImage {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, ImageError> {
        let wrong = |problem| ImageError {
            found: text.chars().take(300).collect(),
            problem,
        };
        let (repository, digest) = text
            .split_once('@')
            .ok_or_else(|| wrong("expected `<repository>@sha256:<64 hex>`: it has no digest"))?;
        let digest = digest
            .parse()
            .map_err(|_| wrong("the digest is not `sha256:` and 64 hexadecimal digits"))?;
        let repository = repository
            .parse::<Repository>()
            .map_err(|ImageError { problem, .. }| wrong(problem))?;
        Ok(Self { repository, digest })
    }
}

macro_rules! text_like {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = ImageError;

            fn try_from(text: String) -> Result<Self, ImageError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    };
}

text_like!(Repository);
text_like!(PinnedImage);

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for PinnedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.repository, self.digest)
    }
}
