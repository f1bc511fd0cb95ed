use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::cache::Kept;
use crate::inputs::Keys;
use crate::order::{globs, ordered};
use crate::{Changes, Check, CheckName, ChecksError};

/// What is known before anything runs: [`observe`](crate::observe) finds it out.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// What has changed; none: everything may have.
    pub(crate) changes: Option<Changes>,
    /// What each check depends on, as far as it is known.
    pub(crate) keys: BTreeMap<CheckName, Keys>,
    /// Checks that passed on just that.
    pub(crate) kept: BTreeMap<CheckName, Kept>,
    /// How long each took last time, in seconds.
    pub(crate) seconds: BTreeMap<CheckName, f64>,
}

impl Facts {
    /// Nothing is known but what has changed: nothing will be reused.
    #[must_use]
    pub fn new(changes: Option<Changes>) -> Self {
        Self {
            changes,
            ..Self::default()
        }
    }
}

/// What to do with each check. What is needed comes first.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// Version of this form: 1.
    pub schema: u32,
    /// One a check.
    pub checks: Vec<Planned>,
    #[serde(skip)]
    pub(crate) changes: Option<Changes>,
}

/// What to do with a check.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Planned {
    /// The check.
    pub check: Check,
    /// What to do.
    pub action: Action,
    /// Why, for people.
    pub why: String,
    #[serde(skip)]
    pub(crate) keys: Option<Keys>,
    #[serde(skip)]
    pub(crate) kept: Option<Kept>,
    /// The longest chain of checks from this one on took as many seconds last time.
    #[serde(skip)]
    pub(crate) weight: f64,
}

/// What to do with a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It runs.
    Run,
    /// What it said last time still holds.
    Reuse,
    /// Nothing that it looks at has changed.
    Skip,
}

/// What a run needs besides the plan.
#[derive(Clone, Debug)]
pub struct Options {
    /// The root of the repository.
    pub root: PathBuf,
    /// Where what checks said is kept for next time; none: nothing is kept.
    pub cache: Option<PathBuf>,
    /// As many checks run at once.
    pub jobs: usize,
}

/// Decides which checks run, in which order. Pure.
///
/// # Errors
/// When the checks make no sense: one needs another that does not exist, they need each other, a
/// glob or a regular expression cannot be read.
pub fn plan(checks: &[Check], facts: &Facts) -> Result<Plan, ChecksError> {
    let order = ordered(checks)?;
    let mut weights: BTreeMap<&CheckName, f64> = BTreeMap::new();
    for check in order.iter().rev() {
        let own = facts.seconds.get(&check.name).copied().unwrap_or(1.0);
        let after = order
            .iter()
            .filter(|other| other.needs.contains(&check.name))
            .filter_map(|other| weights.get(&other.name))
            .fold(0.0, |longest: f64, weight| longest.max(*weight));
        weights.insert(&check.name, own + after);
    }
    let planned = order.iter().map(|check| {
        let (action, why) = decide(check, facts)?;
        Ok(Planned {
            check: (*check).clone(),
            action,
            why,
            keys: facts.keys.get(&check.name).cloned(),
            kept: facts.kept.get(&check.name).cloned(),
            weight: weights.get(&check.name).copied().unwrap_or_default(),
        })
    });
    Ok(Plan {
        schema: 1,
        checks: planned.collect::<Result<_, _>>()?,
        changes: facts.changes.clone(),
    })
}

fn decide(check: &Check, facts: &Facts) -> Result<(Action, String), ChecksError> {
    let trigger = match (&facts.changes, check.paths.is_empty()) {
        (_, true) => "it always runs".to_owned(),
        (None, _) => "what has changed is not known".to_owned(),
        (Some(changes), _) => {
            let set = globs(check, &check.paths)?;
            match changes.paths.iter().find(|path| set.is_match(path)) {
                Some(path) => format!("`{path}` has changed"),
                None => {
                    let why = "nothing has changed that it looks at";
                    return Ok((Action::Skip, why.to_owned()));
                }
            }
        }
    };
    Ok(match facts.kept.contains_key(&check.name) {
        true => (
            Action::Reuse,
            "it passed on the same files with the same programs".to_owned(),
        ),
        false => (Action::Run, trigger),
    })
}
