//! `build:` of `pipeline.yml`, and the values that its flags share with it.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use image_factory::plan::{ImageSettings, Provenance, Sbom};
use serde::{Deserialize, Serialize};

/// `build:` of `pipeline.yml`. A flag of the same name wins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct BuildConfig {
    /// Images that are built at once; default: as many as the builder likes.
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Whether to stop at the first image that fails.
    pub(crate) fail_fast: bool,
    /// The builder of buildx; default: the current one.
    pub(crate) builder: Option<String>,
    /// Where layers are taken from.
    pub(crate) cache_from: Vec<String>,
    /// Where layers are written to.
    pub(crate) cache_to: Vec<String>,
    /// Build secrets: the id → `env:NAME` or `file:PATH`.
    pub(crate) secrets: BTreeMap<String, SecretFrom>,
    /// How much a provenance attestation tells; default: none.
    pub(crate) provenance: Option<Provenance>,
    /// Whether a list of what is in the image goes with it, or the image that makes it.
    pub(crate) sbom: Sbom,
    /// Labels of every image.
    pub(crate) labels: BTreeMap<String, String>,
    /// Annotations of every manifest.
    pub(crate) annotations: BTreeMap<String, String>,
    /// All times in the image become this, in seconds since 1970.
    pub(crate) source_date_epoch: Option<u32>,
    /// Whether the commit of the build is a label.
    pub(crate) revision_label: bool,
    /// What is older is built again.
    pub(crate) max_age: Option<Age>,
}

impl BuildConfig {
    /// What goes into every image.
    pub(crate) fn settings(&self) -> ImageSettings {
        ImageSettings {
            labels: self.labels.clone(),
            annotations: self.annotations.clone(),
            provenance: self.provenance,
            sbom: self.sbom.clone(),
            source_date_epoch: self.source_date_epoch.map(i64::from),
        }
    }
}

/// Where the value of a build secret comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum SecretFrom {
    /// An environment variable.
    Env(String),
    /// A file.
    File(PathBuf),
}

impl FromStr for SecretFrom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            // What stands there may be the secret itself.
            _ => Err("expected `env:NAME` or `file:PATH`".to_owned()),
        }
    }
}

impl TryFrom<String> for SecretFrom {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<SecretFrom> for String {
    fn from(from: SecretFrom) -> Self {
        match from {
            SecretFrom::Env(name) => format!("env:{name}"),
            SecretFrom::File(path) => format!("file:{}", path.display()),
        }
    }
}

/// `ID=env:NAME` or `ID=file:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SecretPair {
    /// As the Dockerfile names it.
    pub(crate) id: String,
    /// Where its value comes from.
    pub(crate) from: SecretFrom,
}

impl SecretPair {
    /// The same, or nothing for an empty text: an action's empty input arrives as that.
    pub(crate) fn optional(text: &str) -> Result<Option<Self>, String> {
        match text.trim() {
            "" => Ok(None),
            text => match text.split_once('=') {
                Some((id, from)) if !id.is_empty() => Ok(Some(Self {
                    id: id.to_owned(),
                    from: from.parse()?,
                })),
                _ => Err("expected `ID=env:NAME` or `ID=file:PATH`".to_owned()),
            },
        }
    }
}

/// `KEY=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    /// What stands before the first `=`.
    pub(crate) key: String,
    /// What stands after it.
    pub(crate) value: String,
}

impl FromStr for Pair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => Ok(Self {
                key: key.trim().to_owned(),
                value: value.to_owned(),
            }),
            _ => Err("expected `KEY=VALUE`".to_owned()),
        }
    }
}

/// A length of time as people write it: `90m`, `12h`, `30d`, `4w`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Age(pub(crate) Duration);

impl Age {
    /// The same, or nothing for an empty text: an action's empty input arrives as that.
    pub(crate) fn optional(text: &str) -> Result<Option<Self>, String> {
        match text.trim() {
            "" => Ok(None),
            text => text.parse().map(Some),
        }
    }
}

const UNITS: [(char, u64); 4] = [('w', 604_800), ('d', 86_400), ('h', 3_600), ('m', 60)];

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected a number and `m`, `h`, `d` or `w`, as in `30d`".to_owned();
        let unit = text.chars().last().ok_or_else(wrong)?;
        let (_, seconds) = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(wrong)?;
        let number: u64 = text
            .strip_suffix(unit)
            .and_then(|number| number.parse().ok())
            .ok_or_else(wrong)?;
        let seconds = number.checked_mul(*seconds).ok_or_else(wrong)?;
        Ok(Self(Duration::from_secs(seconds)))
    }
}

impl TryFrom<String> for Age {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Age> for String {
    fn from(age: Age) -> Self {
        let seconds = age.0.as_secs();
        let unit = UNITS.iter().find(|(_, unit)| seconds.is_multiple_of(*unit));
        let (unit, length) = unit.unwrap_or(&('m', 60));
        format!("{}{unit}", seconds / length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_read_and_written() {
        for (text, seconds) in [
            ("90m", 5400),
            ("12h", 43_200),
            ("30d", 2_592_000),
            ("0d", 0),
        ] {
            let age: Age = text.parse().unwrap();
            assert_eq!(age.0.as_secs(), seconds, "{text}");
            assert_eq!(String::from(age).parse(), Ok(age));
        }
        assert_eq!(String::from(Age(Duration::from_secs(86_400 * 30))), "30d");
        for text in [
            "",
            "30",
            "d",
            "-1d",
            "1.5h",
            "1s",
            "99999999999999999999d",
            "18446744073709551615w",
            "3é",
        ] {
            assert!(text.parse::<Age>().is_err(), "{text}");
        }
        assert_eq!(Age::optional(" "), Ok(None));
    }

    #[test]
    fn a_secret_that_is_given_itself_is_not_shown() {
        let error = SecretPair::optional("pip=hunter22").unwrap_err();
        assert!(!error.contains("hunter22"), "{error}");
        let pair = SecretPair::optional("pip=env:PIP=x").unwrap().unwrap();
        assert_eq!(pair.from, SecretFrom::Env("PIP=x".into()));
        assert_eq!(String::from(pair.from), "env:PIP=x");
        for text in ["pip", "=env:X", "pip=env:", "pip=file:"] {
            assert!(SecretPair::optional(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_may_hold_anything() {
        let pair: Pair = "a.b=c=d, e".parse().unwrap();
        assert_eq!((&*pair.key, &*pair.value), ("a.b", "c=d, e"));
        assert!("=x".parse::<Pair>().is_err());
        assert!("x".parse::<Pair>().is_err());
    }
}
