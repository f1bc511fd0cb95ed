use modal_deploy::proto::{
    EnvironmentGetOrCreateRequest, EnvironmentGetOrCreateResponse, EnvironmentListItem,
    EnvironmentMetadata, EnvironmentSettings, EnvironmentUpdateRequest, ObjectCreationType,
};
use registry_model::Environment;
use tonic::Status;

use super::state::new_id;

/// The image builder of a new environment: the newest that puts nothing into the image itself,
/// so that what runs is what was pinned.
pub(super) const IMAGE_BUILDER: &str = "2025.06";

/// The identifier of an environment, which outlives a change of its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct EnvironmentId(String);

struct Record {
    id: EnvironmentId,
    name: String,
    web_suffix: String,
    created_at: f64,
    image_builder: String,
}

/// The environments of the workspace; the oldest is the default.
#[derive(Default)]
pub(super) struct Environments(Vec<Record>);

impl Environments {
    pub(super) fn names(&self) -> Vec<String> {
        self.0.iter().map(|record| record.name.clone()).collect()
    }

    /// The environment called `name`; the empty name is the default one.
    pub(super) fn resolve(&self, name: &str) -> Result<EnvironmentId, Status> {
        self.record(name).map(|record| record.id.clone())
    }

    /// What `id` is called now.
    pub(super) fn name(&self, id: &EnvironmentId) -> String {
        self.0
            .iter()
            .find(|record| record.id == *id)
            .map(|record| record.name.clone())
            .unwrap_or_default()
    }

    pub(super) fn create(&mut self, name: &str, now: f64) -> Result<EnvironmentId, Status> {
        name.parse::<Environment>()
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        if self.0.iter().any(|record| record.name == name) {
            return Err(Status::already_exists(format!(
                "environment '{name}' exists already"
            )));
        }
        let id = EnvironmentId(new_id("en"));
        self.0.push(Record {
            id: id.clone(),
            name: name.to_owned(),
            web_suffix: if self.0.is_empty() { "" } else { name }.to_owned(),
            created_at: now,
            image_builder: IMAGE_BUILDER.to_owned(),
        });
        Ok(id)
    }

    pub(super) fn get_or_create(
        &mut self,
        request: &EnvironmentGetOrCreateRequest,
        now: f64,
    ) -> Result<EnvironmentGetOrCreateResponse, Status> {
        let name = &request.deployment_name;
        match request.object_creation_type() {
            ObjectCreationType::CreateIfMissing if self.record(name).is_err() => {
                self.create(name, now)?;
            }
            ObjectCreationType::CreateFailIfExists => {
                self.create(name, now)?;
            }
            _ => {}
        }
        let record = self.record(name)?;
        Ok(EnvironmentGetOrCreateResponse {
            environment_id: record.id.0.clone(),
            metadata: Some(EnvironmentMetadata {
                name: record.name.clone(),
                settings: Some(EnvironmentSettings {
                    image_builder_version: record.image_builder.clone(),
                    webhook_suffix: record.web_suffix.clone(),
                }),
            }),
        })
    }

    pub(super) fn update(
        &mut self,
        request: EnvironmentUpdateRequest,
    ) -> Result<EnvironmentListItem, Status> {
        let place = self.place(&request.current_name)?;
        if let Some(name) = request.name {
            name.parse::<Environment>()
                .map_err(|error| Status::invalid_argument(error.to_string()))?;
            self.0[place].name = name;
        }
        if let Some(suffix) = request.web_suffix {
            self.0[place].web_suffix = suffix;
        }
        if let Some(version) = request.image_builder_version {
            self.0[place].image_builder = version;
        }
        Ok(self.item(place))
    }

    pub(super) fn delete(&mut self, name: &str) -> Result<EnvironmentId, Status> {
        let place = self.place(name)?;
        Ok(self.0.remove(place).id)
    }

    pub(super) fn list(&self) -> Vec<EnvironmentListItem> {
        (0..self.0.len()).map(|place| self.item(place)).collect()
    }

    fn item(&self, place: usize) -> EnvironmentListItem {
        let record = &self.0[place];
        EnvironmentListItem {
            name: record.name.clone(),
            webhook_suffix: record.web_suffix.clone(),
            created_at: record.created_at,
            default: place == 0,
            is_managed: false,
            environment_id: record.id.0.clone(),
            image_builder_version: Some(record.image_builder.clone()),
        }
    }

    fn record(&self, name: &str) -> Result<&Record, Status> {
        self.place(name).map(|place| &self.0[place])
    }

    fn place(&self, name: &str) -> Result<usize, Status> {
        let found = if name.is_empty() {
            (!self.0.is_empty()).then_some(0)
        } else {
            self.0
                .iter()
                .position(|record| record.name == name || record.id.0 == name)
        };
        found.ok_or_else(|| {
            Status::not_found(if name.is_empty() {
                "the workspace has no environment yet".to_owned()
            } else {
                format!("environment '{name}' not found")
            })
        })
    }
}
