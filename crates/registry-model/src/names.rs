use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of a processor: `<namespace>/<name>@<version>`, as in `llm/litellm@1`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProcessorRef {
    namespace: String,
    name: String,
    version: String,
}

/// A Modal environment, and the branch that is deployed to it: `dev`, `staging`, `main`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Environment(String);

/// What an image runs on: `linux/amd64`, `linux/arm64`, `linux/arm/v7`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Platform {
    os: String,
    arch: String,
    variant: Option<String>,
}

/// The names that Go, and with it the OCI image index, gives to architectures of Linux.
pub(crate) const ARCHITECTURES: &[&str] = &[
    "386", "amd64", "arm", "arm64", "loong64", "mips64le", "ppc64le", "riscv64", "s390x",
];

/// A text that is not the kind of name it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read {kind} `{found}`: expected {expected}")]
pub struct NameError {
    /// What it should be.
    pub kind: &'static str,
    /// The text.
    pub found: String,
    /// The form it should have.
    pub expected: &'static str,
}

impl ProcessorRef {
    /// The name without the version: `llm/litellm`.
    #[must_use]
    pub fn unversioned(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// The folder of its package: `llm_litellm`.
    #[must_use]
    pub fn package(&self) -> String {
        format!("{}_{}", self.namespace, self.name).replace('-', "_")
    }

    /// The last part of its repository: `llm-litellm`.
    #[must_use]
    pub fn image_name(&self) -> String {
        self.package().replace('_', "-")
    }

    /// The Modal app it is deployed as: `llm-litellm-v1`.
    #[must_use]
    pub fn app_name(&self) -> String {
        format!("{}-v{}", self.image_name(), self.version.replace('.', "-"))
    }
}

impl FromStr for ProcessorRef {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let word = |part: &str| {
            let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
            part.len() <= 60
                && edge(part.bytes().next())
                && edge(part.bytes().last())
                && !part.contains("__")
                && !part.contains("--")
                && part.bytes().all(|b| {
                    b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_')
                })
        };
        let parts = text.split_once('/').and_then(|(namespace, rest)| {
            let (name, version) = rest.split_once('@')?;
            let number = |part: &str| {
                !part.is_empty() && part.len() <= 9 && part.bytes().all(|b| b.is_ascii_digit())
            };
            (word(namespace) && word(name) && version.split('.').all(number))
                .then(|| (namespace.to_owned(), name.to_owned(), version.to_owned()))
        });
        match parts {
            Some((namespace, name, version)) => Ok(Self {
                namespace,
                name,
                version,
            }),
            None => Err(NameError {
                kind: "processor ref",
                found: text.chars().take(200).collect(),
                expected: "`<namespace>/<name>@<version>` in lower case, as in `llm/litellm@1`",
            }),
        }
    }
}

impl Environment {
    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Environment {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let first = text
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric());
        let rest = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if first && rest && text.len() <= 64 && !text.starts_with("en-") {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError {
                kind: "environment",
                found: text.chars().take(100).collect(),
                expected: "at most 64 letters, digits, `-`, `_`, not starting with `en-`",
            })
        }
    }
}

impl Platform {
    /// What Modal runs, and what is built unless something else is asked for.
    #[must_use]
    pub fn linux_amd64() -> Self {
        Self {
            os: "linux".into(),
            arch: "amd64".into(),
            variant: None,
        }
    }

    /// The platform of a key below `image.platforms`; `None` when the key is no architecture that
    /// Linux images are made for.
    #[must_use]
    pub fn linux(arch: &str) -> Option<Self> {
        ARCHITECTURES.contains(&arch).then(|| Self {
            os: "linux".into(),
            arch: arch.into(),
            variant: None,
        })
    }

    /// `linux`.
    #[must_use]
    pub fn os(&self) -> &str {
        &self.os
    }

    /// `amd64`: the key below `image.platforms`.
    #[must_use]
    pub fn arch(&self) -> &str {
        &self.arch
    }
}

impl FromStr for Platform {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let word = |part: &&str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        let parts: Vec<&str> = text.split('/').collect();
        if (2..=3).contains(&parts.len()) && parts.iter().all(word) {
            Ok(Self {
                os: parts[0].to_owned(),
                arch: parts[1].to_owned(),
                variant: parts.get(2).map(|part| (*part).to_owned()),
            })
        } else {
            Err(NameError {
                kind: "platform",
                found: text.chars().take(100).collect(),
                expected: "`<os>/<architecture>`, as in `linux/amd64`",
            })
        }
    }
}

impl fmt::Display for ProcessorRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.namespace, self.name, self.version)
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.arch)?;
        self.variant
            .iter()
            .try_for_each(|variant| write!(f, "/{variant}"))
    }
}

macro_rules! text_like {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
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

pub(crate) use text_like;

text_like!(ProcessorRef);
text_like!(Environment);
text_like!(Platform);
