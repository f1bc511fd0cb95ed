use std::collections::BTreeMap;

use registry_model::Digest;
use serde::Deserialize;
use serde_json::Value;

use super::text::Text;
use super::{
    Kind, Other, Predicate, Receipt, STATEMENT, STATEMENT_BEFORE, Subject, acceptance, build,
    deployment, facts, promotion,
};

/// The longest statement that is read, in bytes.
pub const LONGEST_STATEMENT: usize = 1024 * 1024;
/// The most subjects of a statement that is read.
const MOST_SUBJECTS: usize = 1_000;

/// Why a text is no statement about an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read the statement: {problem}")]
pub struct StatementError {
    /// What is wrong with it.
    pub problem: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(rename = "_type")]
    statement_type: String,
    subject: Vec<WireSubject>,
    predicate_type: Text,
    #[serde(default)]
    predicate: Value,
}

#[derive(Deserialize)]
struct WireSubject {
    #[serde(default)]
    name: Option<Text>,
    #[serde(default)]
    digest: Digests,
}

/// Digests of one thing, by their algorithm.
#[derive(Deserialize, Default)]
pub(super) struct Digests(BTreeMap<String, String>);

impl Digests {
    pub(super) fn sha256(&self) -> Option<Digest> {
        format!("sha256:{}", self.0.get("sha256")?).parse().ok()
    }

    pub(super) fn git_commit(&self) -> Option<String> {
        let commit = self.0.get("gitCommit")?;
        let hex = commit.bytes().all(|b| b.is_ascii_hexdigit());
        (hex && commit.len() <= 64).then(|| commit.clone())
    }
}

impl Receipt {
    /// Reads a statement. One of a type that is not ours is kept as [`Predicate::Other`]; so is
    /// somebody else's verification summary, as it is about no promotion, and somebody else's test
    /// result, as it is about no acceptance.
    ///
    /// # Errors
    /// When it is no in-toto statement, too long, about no image, or of a type of ours and not as
    /// that type should be.
    pub fn from_statement(bytes: &[u8]) -> Result<Self, StatementError> {
        if bytes.len() > LONGEST_STATEMENT {
            return Err(wrong(format!("longer than {LONGEST_STATEMENT} bytes")));
        }
        let wire: Wire = serde_json::from_slice(bytes).map_err(wrong)?;
        if ![STATEMENT, STATEMENT_BEFORE].contains(&wire.statement_type.as_str()) {
            return Err(wrong("it is no in-toto statement of version 0.1 or 1"));
        }
        if wire.subject.len() > MOST_SUBJECTS {
            return Err(wrong(format!("more than {MOST_SUBJECTS} subjects")));
        }
        let subjects = wire.subject.into_iter().filter_map(|subject| {
            Some(Subject {
                name: subject.name.map(String::from).unwrap_or_default(),
                digest: subject.digest.sha256()?,
            })
        });
        let subjects: Vec<Subject> = subjects.collect();
        if subjects.is_empty() {
            return Err(wrong("it names no image by its digest"));
        }
        let predicate_type = String::from(wire.predicate_type);
        let (predicate, facts) = open(&predicate_type, wire.predicate)?;
        Ok(Self {
            subjects,
            facts,
            predicate,
        })
    }
}

fn open(
    predicate_type: &str,
    predicate: Value,
) -> Result<(Predicate, facts::Facts), StatementError> {
    let kind = Kind::of_type(predicate_type);
    let written = kind.and_then(|_| predicate.get(facts::KEY).cloned());
    let has_facts = written.is_some();
    let mut facts: facts::Facts = match written {
        Some(written) => parse::<facts::Wire>(written)?.into(),
        None => facts::Facts::default(),
    };
    let other = |predicate| {
        Predicate::Other(Other {
            predicate_type: predicate_type.to_owned(),
            predicate,
        })
    };
    let predicate = match kind {
        Some(Kind::Build) => {
            let (build, own) = parse::<build::Wire>(predicate)?.open();
            facts.time = facts.time.or(own.time);
            facts.commit = facts.commit.or(own.commit);
            facts.run = facts.run.or(own.run);
            Predicate::Build(build)
        }
        Some(Kind::Acceptance) if has_facts => {
            Predicate::Acceptance(parse::<acceptance::Wire>(predicate)?.into())
        }
        Some(Kind::Deployment) => {
            Predicate::Deployment(parse::<deployment::Wire>(predicate)?.into())
        }
        Some(Kind::Promotion) => match parse::<promotion::Wire>(predicate.clone())?.open() {
            Some((promotion, time)) => {
                facts.time = facts.time.or(time);
                Predicate::Promotion(promotion)
            }
            None => other(predicate),
        },
        // What anybody's tests have found.
        Some(Kind::Acceptance) | None => other(predicate),
    };
    Ok((predicate, facts))
}

fn parse<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, StatementError> {
    serde_json::from_value(value).map_err(wrong)
}

fn wrong(problem: impl std::fmt::Display) -> StatementError {
    StatementError {
        // What is quoted from the statement may be long, and anything.
        problem: problem
            .to_string()
            .chars()
            .filter(|c| !c.is_control())
            .take(300)
            .collect(),
    }
}
