//! What `--json` prints, and what it means.

use serde::Deserialize;

use crate::client::{AppState, AppVersion, EnvironmentInfo, ListedApp, StoredSecret};

const DEPLOYED: &str = "deployed";

#[derive(Deserialize)]
pub(super) struct EnvironmentRow {
    name: String,
    #[serde(default)]
    image_builder_version: Option<String>,
    /// `"True"` for the default, as no other is chosen for these runs.
    #[serde(default)]
    active: String,
}

#[derive(Deserialize)]
pub(super) struct SecretRow {
    name: String,
    #[serde(default)]
    created_at: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct AppRow {
    app_id: String,
    description: String,
    state: String,
    #[serde(default)]
    tasks: String,
}

#[derive(Deserialize)]
pub(super) struct AppInfo {
    app_id: String,
    lifecycle: Lifecycle,
}

#[derive(Deserialize)]
struct Lifecycle {
    state: String,
    #[serde(default)]
    version: Option<u32>,
    #[serde(default)]
    deployed_at: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct VersionRow {
    version: String,
    #[serde(default)]
    time_deployed: Option<String>,
    #[serde(default)]
    deployed_by: Option<String>,
    #[serde(default)]
    commit: Option<String>,
    #[serde(default)]
    tag: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct FunctionInfo {
    #[serde(default)]
    image_info: Option<ImageInfo>,
}

#[derive(Deserialize)]
struct ImageInfo {
    #[serde(default)]
    image_id: Option<String>,
}

impl From<EnvironmentRow> for EnvironmentInfo {
    fn from(row: EnvironmentRow) -> Self {
        Self {
            default: row.active == "True",
            image_builder_version: row
                .image_builder_version
                .filter(|version| !version.is_empty()),
            name: row.name,
        }
    }
}

impl From<SecretRow> for StoredSecret {
    fn from(row: SecretRow) -> Self {
        Self {
            name: row.name,
            id: String::new(),
            keys: Vec::new(),
            created_at: seconds(row.created_at.as_deref()).unwrap_or_default(),
        }
    }
}

impl AppRow {
    pub(super) fn is_deployed_as(&self, name: &str) -> bool {
        self.description == name && self.state == DEPLOYED
    }

    pub(super) fn with(self, latest: Option<&AppVersion>) -> AppState {
        AppState {
            app_id: self.app_id,
            version: latest.map(|one| one.version),
            deployed_at: latest.map(|one| one.deployed_at),
        }
    }
}

impl From<AppRow> for ListedApp {
    fn from(row: AppRow) -> Self {
        Self {
            deployed: row.state == DEPLOYED,
            running: row.tasks.parse().unwrap_or_default(),
            app_id: row.app_id,
            name: row.description,
        }
    }
}

impl AppInfo {
    /// The app, unless it has been stopped.
    pub(super) fn live(self) -> Option<AppState> {
        (self.lifecycle.state == DEPLOYED).then_some(AppState {
            app_id: self.app_id,
            version: self.lifecycle.version,
            deployed_at: seconds(self.lifecycle.deployed_at.as_deref()),
        })
    }
}

impl VersionRow {
    /// `None` for a version that is no `v` and a number.
    pub(super) fn into_version(self) -> Option<AppVersion> {
        let told = |text: Option<String>| text.filter(|text| !text.is_empty());
        Some(AppVersion {
            version: self.version.strip_prefix('v')?.parse().ok()?,
            deployed_at: seconds(self.time_deployed.as_deref()).unwrap_or_default(),
            deployed_by: self.deployed_by.unwrap_or_default(),
            tag: told(self.tag),
            // A star says that there were changes which are in no commit.
            commit: told(self.commit).map(|commit| commit.trim_end_matches('*').to_owned()),
            rollback_allowed: None,
            rollback_of: None,
        })
    }
}

impl FunctionInfo {
    pub(super) fn image_id(self) -> Option<String> {
        self.image_info?.image_id.filter(|id| !id.is_empty())
    }
}

/// The time of `2026-11-23 18:40:00+00:00`, in seconds since 1970.
#[expect(clippy::cast_precision_loss, reason = "exact for 285 million years")]
fn seconds(text: Option<&str>) -> Option<f64> {
    let time: jiff::Timestamp = text?.parse().ok()?;
    Some(time.as_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_offset() {
        assert_eq!(seconds(Some("1970-01-01 01:00:10+01:00")), Some(10.0));
        assert_eq!(seconds(Some("-")), None);
        assert_eq!(seconds(None), None);
    }

    #[test]
    fn a_version_without_a_number_is_left_out() {
        let row = |version: &str| -> VersionRow {
            serde_json::from_value(serde_json::json!({
                "version": version, "commit": "1234567*", "tag": null,
            }))
            .unwrap()
        };
        let version = row("v12").into_version().unwrap();
        assert_eq!(version.version, 12);
        assert_eq!(version.commit.as_deref(), Some("1234567"));
        assert_eq!(version.tag, None);
        for odd in ["12", "v", "vx", "v-1"] {
            assert_eq!(row(odd).into_version(), None, "{odd}");
        }
    }

    #[test]
    fn an_app_that_was_stopped_is_not_live() {
        let info = |state: &str| -> AppInfo {
            serde_json::from_value(serde_json::json!({
                "app_id": "ap-1",
                "lifecycle": {"state": state, "version": 3, "deployed_at": null},
            }))
            .unwrap()
        };
        assert_eq!(info("stopped").live(), None);
        assert_eq!(info("deployed").live().unwrap().version, Some(3));
    }
}
