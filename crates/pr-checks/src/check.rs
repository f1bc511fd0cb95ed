use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{CheckName, Parser};

/// One check of the fast lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Check {
    /// How people call it.
    pub name: CheckName,
    /// Program and arguments; no shell reads them. `{report}` stands for a file of this run that
    /// the program may write and the parser reads.
    pub command: Vec<String>,
    /// The folder it runs in, relative to the root of the repository.
    #[serde(default = "root")]
    pub directory: PathBuf,
    /// Environment variables that it gets besides those of the caller. No place for a secret.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// It is ended when it runs longer than this many seconds.
    #[serde(default = "ten_minutes")]
    pub timeout_seconds: u64,
    /// How its output becomes findings.
    #[serde(default)]
    pub parser: Parser,
    /// Files, as globs from the root of the repository, whose change makes it run. None: it always
    /// runs.
    #[serde(default)]
    pub paths: Vec<String>,
    /// More files, as globs, that its result depends on, besides `paths`. When neither names
    /// any, nobody knows when a result would be the same, and it is never reused.
    #[serde(default)]
    pub inputs: Vec<String>,
    /// Commands whose output is a part of what its result depends on. None: its program with
    /// `--version`.
    #[serde(default)]
    pub versions: Vec<Vec<String>>,
    /// Checks that must not have failed before it runs.
    #[serde(default)]
    pub needs: Vec<CheckName>,
    /// What to install when its program is missing.
    #[serde(default)]
    pub package: Option<Package>,
}

/// What brings a program that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Package {
    /// Its name there.
    pub name: String,
    /// Where it comes from.
    #[serde(default)]
    pub manager: Manager,
}

/// What installs a package.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manager {
    /// Python's.
    #[default]
    Pip,
    /// Debian's and Ubuntu's.
    Apt,
}

impl Package {
    /// The command that installs it.
    #[must_use]
    pub fn install(&self) -> String {
        match self.manager {
            Manager::Pip => format!("python3 -m pip install {}", self.name),
            Manager::Apt => format!("sudo apt-get install {}", self.name),
        }
    }
}

fn root() -> PathBuf {
    ".".into()
}

fn ten_minutes() -> u64 {
    600
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_a_default_and_what_is_unknown_is_refused() {
        let check: Check = serde_json::from_str(r#"{"name":"a","command":["true"]}"#).unwrap();
        assert_eq!(check.timeout_seconds, 600);
        assert_eq!(check.parser, Parser::ExitCode {});
        assert_eq!(check.directory, PathBuf::from("."));
        let written = serde_json::to_string(&check).unwrap();
        assert_eq!(serde_json::from_str::<Check>(&written).unwrap(), check);
        for unknown in [
            r#"{"name":"a","command":["true"],"time-out":3}"#,
            r#"{"name":"a","command":["true"],"parser":{"kind":"vulture","report":"x"}}"#,
            r#"{"name":"a","command":["true"],"package":{"name":"x","manager":"brew"}}"#,
        ] {
            assert!(serde_json::from_str::<Check>(unknown).is_err(), "{unknown}");
        }
    }
}
