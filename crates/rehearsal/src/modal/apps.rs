use std::collections::BTreeMap;

use modal_deploy::proto::app_list_response::AppListItem;
use modal_deploy::proto::{
    AppCreateRequest, AppDeploymentHistory, AppHandleMetadata, AppLayout, AppLifecycle,
    AppPublishRequest, AppState, DeploymentType,
};
use tonic::Status;

use super::environments::EnvironmentId;
use super::secrets::Values;
use super::state::new_id;

/// What one version of an app consists of.
#[derive(Clone)]
pub(super) struct Version {
    pub(super) number: u32,
    /// Function identifier by tag.
    pub(super) functions: BTreeMap<String, String>,
    /// Definition identifier by function identifier.
    pub(super) definitions: BTreeMap<String, String>,
    /// What the secrets of its functions held when its containers were started, by the
    /// identifiers of the secrets.
    pub(super) secrets: BTreeMap<String, Values>,
    classes: BTreeMap<String, String>,
    history: AppDeploymentHistory,
}

struct Record {
    environment: EnvironmentId,
    name: String,
    state: AppState,
    created_at: f64,
    stopped_at: f64,
    versions: Vec<Version>,
}

/// The apps of every environment, by identifier.
#[derive(Default)]
pub(super) struct Apps(BTreeMap<String, Record>);

/// What became of a publication.
pub(super) enum Published {
    /// Live since this time.
    At(f64),
    /// The live version is the same; no new one was made.
    Unchanged,
}

impl Apps {
    pub(super) fn create(
        &mut self,
        request: AppCreateRequest,
        environment: EnvironmentId,
        now: f64,
    ) -> String {
        let id = new_id("ap");
        let record = Record {
            environment,
            state: request.app_state(),
            name: request.description,
            created_at: now,
            stopped_at: 0.0,
            versions: Vec::new(),
        };
        self.0.insert(id.clone(), record);
        id
    }

    /// The app deployed as `name`, if there is one.
    pub(super) fn deployed(&self, environment: &EnvironmentId, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(_, record)| {
                record.environment == *environment
                    && record.name == name
                    && record.state == AppState::Deployed
            })
            .map(|(id, _)| id.as_str())
    }

    /// The app that was last stopped under `name`.
    pub(super) fn stopped(&self, environment: &EnvironmentId, name: &str) -> Option<&str> {
        self.0
            .iter()
            .filter(|(_, record)| {
                record.environment == *environment
                    && record.name == name
                    && record.state == AppState::Stopped
            })
            .max_by(|(_, a), (_, b)| a.stopped_at.total_cmp(&b.stopped_at))
            .map(|(id, _)| id.as_str())
    }

    pub(super) fn publish(
        &mut self,
        request: AppPublishRequest,
        user: &str,
        now: f64,
    ) -> Result<Published, Status> {
        let environment = self.record(&request.app_id)?.environment.clone();
        let state = request.app_state();
        if state == AppState::Deployed
            && self
                .deployed(&environment, &request.name)
                .is_some_and(|other| other != request.app_id)
        {
            return Err(Status::already_exists(format!(
                "another app is deployed as '{}' since this deploy began; deploy again",
                request.name
            )));
        }
        let record = self.record_mut(&request.app_id)?;
        let unchanged = record.state == state
            && record.versions.last().is_some_and(|live| {
                live.functions == request.function_ids
                    && live.definitions == request.definition_ids
                    && live.classes == request.class_ids
            });
        if unchanged {
            return Ok(Published::Unchanged);
        }
        record.state = state;
        if !request.name.is_empty() {
            record.name = request.name;
        }
        let number = next_number(&record.versions);
        record.versions.push(Version {
            number,
            functions: request.function_ids,
            definitions: request.definition_ids,
            secrets: BTreeMap::new(),
            classes: request.class_ids,
            history: AppDeploymentHistory {
                app_id: request.app_id,
                version: number,
                client_version: request.client_version,
                deployed_at: now,
                deployed_by: user.to_owned(),
                tag: request.deployment_tag,
                rollback_allowed: true,
                commit_info: request.commit_info,
                deployment_type: DeploymentType::Standard.into(),
                ..AppDeploymentHistory::default()
            },
        });
        Ok(Published::At(now))
    }

    /// Makes a new version with what `version` had; -1 is the version before the live one.
    pub(super) fn rollback(
        &mut self,
        app_id: &str,
        version: i32,
        user: &str,
        now: f64,
    ) -> Result<f64, Status> {
        let versions = &self.live(app_id)?.versions;
        let source = match u32::try_from(version) {
            Ok(number) => versions.iter().find(|version| version.number == number),
            Err(_) => versions.iter().rev().nth(1),
        }
        .cloned()
        .ok_or_else(|| {
            Status::invalid_argument(if version < 0 {
                format!("app '{app_id}' has no earlier version to go back to")
            } else {
                format!("app '{app_id}' has no version {version}")
            })
        })?;
        self.redeploy(app_id, source, DeploymentType::Rollback, user, now)
    }

    /// Makes a new version of what is live, so that containers start anew.
    pub(super) fn rollover(&mut self, app_id: &str, user: &str, now: f64) -> Result<f64, Status> {
        let source = self
            .live(app_id)?
            .versions
            .last()
            .cloned()
            .ok_or_else(|| Status::failed_precondition(format!("app '{app_id}' is empty")))?;
        self.redeploy(app_id, source, DeploymentType::Rollover, user, now)
    }

    fn redeploy(
        &mut self,
        app_id: &str,
        mut version: Version,
        kind: DeploymentType,
        user: &str,
        now: f64,
    ) -> Result<f64, Status> {
        let record = self.record_mut(app_id)?;
        version.history.rollback_version = match kind {
            DeploymentType::Rollback => version.number,
            _ => 0,
        };
        version.number = next_number(&record.versions);
        version.history.version = version.number;
        version.history.deployed_at = now;
        version.history.deployed_by = user.to_owned();
        version.history.deployment_type = kind.into();
        record.versions.push(version);
        Ok(now)
    }

    pub(super) fn stop(&mut self, app_id: &str, now: f64) -> Result<(), Status> {
        let record = self.record_mut(app_id)?;
        record.state = AppState::Stopped;
        record.stopped_at = now;
        Ok(())
    }

    /// A client went away: an app that was never deployed goes with it.
    pub(super) fn disconnect(&mut self, app_id: &str, now: f64) -> Result<(), Status> {
        match self.record(app_id)?.state {
            AppState::Deployed | AppState::Stopped => Ok(()),
            AppState::Initializing => {
                self.0.remove(app_id);
                Ok(())
            }
            _ => self.stop(app_id, now),
        }
    }

    pub(super) fn delete_all_of(&mut self, environment: &EnvironmentId) {
        self.0
            .retain(|_, record| record.environment != *environment);
    }

    pub(super) fn list(
        &self,
        environment: &EnvironmentId,
        environment_name: &str,
        user: &str,
    ) -> Vec<AppListItem> {
        let mut items: Vec<AppListItem> = self
            .0
            .iter()
            .filter(|(_, record)| record.environment == *environment)
            .filter(|(_, record)| record.state != AppState::Initializing)
            .map(|(id, record)| AppListItem {
                app_id: id.clone(),
                description: record.name.clone(),
                state: record.state.into(),
                created_at: record.created_at,
                stopped_at: record.stopped_at,
                n_running_tasks: 0,
                name: record.name.clone(),
                metadata: Some(handle(id, record, environment_name, user)),
            })
            .collect();
        items.sort_by(|a, b| b.created_at.total_cmp(&a.created_at));
        items
    }

    /// All versions, the newest first, and the number of the live one.
    pub(super) fn history(&self, app_id: &str) -> Result<(Vec<AppDeploymentHistory>, u32), Status> {
        let record = self.record(app_id)?;
        let live = record.versions.last().map_or(0, |version| version.number);
        let rows = record.versions.iter().rev();
        Ok((
            rows.map(|version| AppDeploymentHistory {
                rollback_allowed: version.number != live,
                ..version.history.clone()
            })
            .collect(),
            live,
        ))
    }

    pub(super) fn layout(&self, app_id: &str) -> Result<AppLayout, Status> {
        let record = self.record(app_id)?;
        Ok(record
            .versions
            .last()
            .map(|version| AppLayout {
                function_ids: version.functions.clone(),
                class_ids: version.classes.clone(),
            })
            .unwrap_or_default())
    }

    pub(super) fn lifecycle(&self, app_id: &str, user: &str) -> Result<AppLifecycle, Status> {
        self.record(app_id).map(|record| lifecycle(record, user))
    }

    pub(super) fn metadata(
        &self,
        app_id: &str,
        user: &str,
        name_of: impl Fn(&EnvironmentId) -> String,
    ) -> Result<AppHandleMetadata, Status> {
        let record = self.record(app_id)?;
        Ok(handle(app_id, record, &name_of(&record.environment), user))
    }

    pub(super) fn environment(&self, app_id: &str) -> Result<EnvironmentId, Status> {
        self.record(app_id).map(|record| record.environment.clone())
    }

    /// One version of an app that is not stopped; 0 is the live one.
    pub(super) fn version(&self, app_id: &str, number: i32) -> Result<&Version, Status> {
        let versions = &self.live(app_id)?.versions;
        if number == 0 {
            versions.last()
        } else {
            versions
                .iter()
                .find(|version| i64::from(version.number) == i64::from(number))
        }
        .ok_or_else(|| Status::not_found(format!("app '{app_id}' has no version {number}")))
    }

    /// The version before the live one, while its containers go on answering: for so many seconds
    /// after the live one was deployed.
    pub(super) fn lingering(&self, app_id: &str, seconds: f64, now: f64) -> Option<&Version> {
        let mut versions = self.0.get(app_id)?.versions.iter().rev();
        let live = versions.next()?;
        let before = versions.next()?;
        (now < live.history.deployed_at + seconds).then_some(before)
    }

    /// Gives the containers of the newest version the values of their secrets.
    pub(super) fn hand_out(&mut self, app_id: &str, secrets: BTreeMap<String, Values>) {
        let record = self.0.get_mut(app_id);
        if let Some(newest) = record.and_then(|record| record.versions.last_mut()) {
            newest.secrets = secrets;
        }
    }

    fn live(&self, app_id: &str) -> Result<&Record, Status> {
        let record = self.record(app_id)?;
        if record.state == AppState::Stopped {
            return Err(Status::failed_precondition(format!(
                "app '{}' is stopped",
                record.name
            )));
        }
        Ok(record)
    }

    fn record(&self, app_id: &str) -> Result<&Record, Status> {
        self.0.get(app_id).ok_or_else(|| unknown(app_id))
    }

    fn record_mut(&mut self, app_id: &str) -> Result<&mut Record, Status> {
        self.0.get_mut(app_id).ok_or_else(|| unknown(app_id))
    }
}

fn unknown(app_id: &str) -> Status {
    Status::not_found(format!("app '{app_id}' not found"))
}

fn next_number(versions: &[Version]) -> u32 {
    versions.last().map_or(1, |version| version.number + 1)
}

fn lifecycle(record: &Record, user: &str) -> AppLifecycle {
    let live = record.versions.last();
    let stopped = record.state == AppState::Stopped;
    AppLifecycle {
        app_state: record.state.into(),
        created_at: record.created_at,
        created_by: user.to_owned(),
        deployed_at: live.map_or(0.0, |version| version.history.deployed_at),
        deployed_by: live.map_or_else(String::new, |version| version.history.deployed_by.clone()),
        version: live.map_or(0, |version| {
            i32::try_from(version.number).unwrap_or(i32::MAX)
        }),
        stopped_at: record.stopped_at,
        stopped_by: if stopped {
            user.to_owned()
        } else {
            String::new()
        },
    }
}

fn handle(id: &str, record: &Record, environment_name: &str, user: &str) -> AppHandleMetadata {
    AppHandleMetadata {
        description: record.name.clone(),
        app_id: id.to_owned(),
        environment_name: environment_name.to_owned(),
        lifecycle: Some(lifecycle(record, user)),
        functions: record
            .versions
            .last()
            .map(|version| version.functions.clone())
            .unwrap_or_default(),
    }
}
