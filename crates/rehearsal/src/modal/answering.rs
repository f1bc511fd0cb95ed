//! Who answers a call: a container keeps what it was started with.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tonic::{Code, Status};

use super::apps::Version;
use super::secrets::Values;
use super::state::{State, seconds};

/// The containers that get the calls of a function.
pub(super) struct Answering<'a> {
    /// How the function is defined there.
    pub(super) definition: &'a str,
    /// `None` before the first deploy.
    version: Option<&'a Version>,
    state: &'a State,
}

impl<'a> Answering<'a> {
    /// Those of the version that the function is pinned to; else those of the live version, or
    /// of the one before while they are still there, for `old` after each deploy; else, before
    /// the first deploy, those of the definition that was sent last.
    pub(super) fn find(state: &'a State, function_id: &str, old: Duration) -> Result<Self, Status> {
        let (app_id, tag) = state.functions.owner(function_id)?;
        let answering = |definition: &'a str, version| Self {
            definition,
            version,
            state,
        };
        if let Some(pinned) = state.functions.pinned(function_id) {
            let number = i32::try_from(pinned.version).unwrap_or(i32::MAX);
            let version = state.apps.version(app_id, number)?;
            return Ok(answering(&pinned.definition, Some(version)));
        }
        let version = match state.apps.version(app_id, 0) {
            Ok(live) => live,
            // The app has no version yet.
            Err(status) if status.code() == Code::NotFound => {
                let latest = state.functions.latest(function_id);
                return latest.map(|sent| answering(sent, None)).ok_or(status);
            }
            Err(status) => return Err(status),
        };
        let before = state.apps.lingering(app_id, old.as_secs_f64(), seconds());
        [before, Some(version)]
            .into_iter()
            .flatten()
            .find_map(|version| {
                let definition = version.definitions.get(function_id)?;
                Some(answering(definition, Some(version)))
            })
            .ok_or_else(|| Status::not_found(format!("function '{tag}' is no longer deployed")))
    }

    /// What the secrets with these identifiers hold there; of a key in several secrets, the last
    /// one's.
    pub(super) fn secrets(&self, ids: &[String]) -> Result<Values, Status> {
        let Some(version) = self.version else {
            return self.state.secrets.values(ids);
        };
        let mut all = Values::new();
        for id in ids {
            let values = version.secrets.get(id);
            let values = values.ok_or_else(|| {
                Status::not_found(format!("secret '{id}' was deleted before the deploy"))
            })?;
            all.extend(values.clone());
        }
        Ok(all)
    }
}

/// New containers are started for the newest version of an app: they see what their secrets hold
/// now, and nothing that is written later.
pub(super) fn start(state: &mut State, app_id: &str, now: f64) -> Result<(), Status> {
    let version = state.apps.version(app_id, 0)?;
    let functions = version.definitions.values();
    let ids: BTreeSet<String> = functions
        .filter_map(|id| state.functions.definition(id).ok())
        .flat_map(|function| function.secret_ids.iter().cloned())
        .collect();
    let mut secrets = BTreeMap::new();
    for id in ids {
        // What is gone by now is told to those who call.
        if let Ok(values) = state.secrets.use_values(&id, now) {
            secrets.insert(id, values);
        }
    }
    state.apps.hand_out(app_id, secrets);
    Ok(())
}
