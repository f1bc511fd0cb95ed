use std::collections::BTreeMap;

use modal_deploy::proto::{
    CreationInfo, ObjectCreationType, SecretGetOrCreateRequest, SecretGetOrCreateResponse,
    SecretListItem, SecretListRequest, SecretMetadata, SecretUpdateRequest,
};
use secrecy::{ExposeSecret, SecretString};
use tonic::Status;

use super::environments::EnvironmentId;
use super::state::{new_id, sha256_hex};

const PAGE: usize = 100;

/// The values of one secret by key. They leave the control plane only as the environment of a
/// container.
pub(super) type Values = BTreeMap<String, SecretString>;

struct Record {
    environment: EnvironmentId,
    /// `None` for a secret that lives and dies with an app or a client.
    name: Option<String>,
    created_at: f64,
    last_used_at: f64,
    values: Values,
}

/// The secrets of every environment, by identifier.
#[derive(Default)]
pub(super) struct Secrets(BTreeMap<String, Record>);

/// Where and for whom a request is answered.
pub(super) struct Place<'a> {
    pub(super) environment: EnvironmentId,
    pub(super) environment_name: &'a str,
    pub(super) user: &'a str,
    pub(super) now: f64,
}

impl Secrets {
    pub(super) fn get_or_create(
        &mut self,
        request: SecretGetOrCreateRequest,
        place: &Place<'_>,
    ) -> Result<SecretGetOrCreateResponse, Status> {
        let kind = request.object_creation_type();
        if matches!(
            kind,
            ObjectCreationType::AnonymousOwnedByApp | ObjectCreationType::Ephemeral
        ) {
            return self.anonymous(request, place);
        }
        let name = request.deployment_name;
        check_name(&name)?;
        let found = self.find(&place.environment, &name);
        let id = match (kind, found) {
            (ObjectCreationType::Unspecified, None) => {
                return Err(Status::not_found(format!(
                    "secret '{name}' not found in environment '{}'",
                    place.environment_name
                )));
            }
            (ObjectCreationType::CreateFailIfExists, Some(_)) => {
                return Err(Status::already_exists(format!(
                    "secret '{name}' exists already in environment '{}'",
                    place.environment_name
                )));
            }
            (ObjectCreationType::CreateOverwriteIfExists, Some(id)) => {
                let values = values(request.env_dict)?;
                if let Some(record) = self.0.get_mut(&id) {
                    record.values = values;
                }
                id
            }
            (_, Some(id)) => id,
            (_, None) => self.insert(place, Some(name.clone()), values(request.env_dict)?),
        };
        let keys = &self.record(&id)?.values;
        let missing: Vec<&str> = request
            .required_keys
            .iter()
            .filter(|key| !keys.contains_key(*key))
            .map(String::as_str)
            .collect();
        if !missing.is_empty() {
            return Err(Status::failed_precondition(format!(
                "secret '{name}' lacks the keys: {}",
                missing.join(", ")
            )));
        }
        self.answer(id, place)
    }

    /// A secret without a name. The same values for the same app are the same secret, so that a
    /// second deploy of the same code is no change.
    fn anonymous(
        &mut self,
        request: SecretGetOrCreateRequest,
        place: &Place<'_>,
    ) -> Result<SecretGetOrCreateResponse, Status> {
        let values = values(request.env_dict)?;
        let id = if request.app_id.is_empty() {
            new_id("st")
        } else {
            let mut content = request.app_id;
            for (key, value) in &values {
                content.push_str(&format!("\0{key}\0{}", sha256_hex(bytes(value))));
            }
            format!("st-{}", &sha256_hex(content.as_bytes())[..22])
        };
        self.0.entry(id.clone()).or_insert_with(|| Record {
            environment: place.environment.clone(),
            name: None,
            created_at: place.now,
            last_used_at: 0.0,
            values,
        });
        self.answer(id, place)
    }

    pub(super) fn update(&mut self, request: SecretUpdateRequest) -> Result<(), Status> {
        for update in &request.updates {
            check_key(&update.key)?;
        }
        let record = self
            .0
            .get_mut(&request.secret_id)
            .ok_or_else(|| unknown(&request.secret_id))?;
        for update in request.updates {
            match update.value {
                Some(value) => {
                    record.values.insert(update.key, SecretString::from(value));
                }
                None => {
                    record.values.remove(&update.key);
                }
            }
        }
        Ok(())
    }

    pub(super) fn delete(&mut self, id: &str) -> Result<(), Status> {
        self.0.remove(id).map(|_| ()).ok_or_else(|| unknown(id))
    }

    pub(super) fn delete_all_of(&mut self, environment: &EnvironmentId) {
        self.0
            .retain(|_, record| record.environment != *environment);
    }

    pub(super) fn list(
        &self,
        request: &SecretListRequest,
        place: &Place<'_>,
    ) -> Vec<SecretListItem> {
        let (limit, before) = request.pagination.as_ref().map_or((PAGE, 0.0), |page| {
            let limit = usize::try_from(page.max_objects).unwrap_or_default();
            (
                if limit == 0 { PAGE } else { limit.min(PAGE) },
                page.created_before,
            )
        });
        let mut items: Vec<SecretListItem> = self
            .0
            .iter()
            .filter(|(_, record)| record.environment == place.environment)
            .filter(|(_, record)| before == 0.0 || record.created_at < before)
            .filter_map(|(id, record)| {
                Some(SecretListItem {
                    label: record.name.clone()?,
                    created_at: record.created_at,
                    last_used_at: record.last_used_at,
                    environment_name: place.environment_name.to_owned(),
                    secret_id: id.clone(),
                    metadata: Some(metadata(record, place.environment_name, place.user)),
                })
            })
            .collect();
        items.sort_by(|a, b| b.created_at.total_cmp(&a.created_at));
        items.truncate(limit);
        items
    }

    pub(super) fn info(
        &self,
        id: &str,
        user: &str,
        name_of: impl Fn(&EnvironmentId) -> String,
    ) -> Result<SecretMetadata, Status> {
        let record = self.record(id)?;
        Ok(metadata(record, &name_of(&record.environment), user))
    }

    /// The name of the secret, if it has one.
    pub(super) fn name(&self, id: &str) -> Option<String> {
        self.0.get(id)?.name.clone()
    }

    /// The values behind `ids`; of a key in several secrets, the last one's.
    pub(super) fn values(&self, ids: &[String]) -> Result<Values, Status> {
        let mut all = Values::new();
        for id in ids {
            all.extend(self.record(id)?.values.clone());
        }
        Ok(all)
    }

    /// The values of one secret, which is used with this.
    pub(super) fn use_values(&mut self, id: &str, now: f64) -> Result<Values, Status> {
        let record = self.0.get_mut(id).ok_or_else(|| unknown(id))?;
        record.last_used_at = now;
        Ok(record.values.clone())
    }

    fn find(&self, environment: &EnvironmentId, name: &str) -> Option<String> {
        self.0
            .iter()
            .find(|(_, record)| {
                record.environment == *environment && record.name.as_deref() == Some(name)
            })
            .map(|(id, _)| id.clone())
    }

    fn insert(&mut self, place: &Place<'_>, name: Option<String>, values: Values) -> String {
        let id = new_id("st");
        let record = Record {
            environment: place.environment.clone(),
            name,
            created_at: place.now,
            last_used_at: 0.0,
            values,
        };
        self.0.insert(id.clone(), record);
        id
    }

    fn record(&self, id: &str) -> Result<&Record, Status> {
        self.0.get(id).ok_or_else(|| unknown(id))
    }

    fn answer(&self, id: String, place: &Place<'_>) -> Result<SecretGetOrCreateResponse, Status> {
        let metadata = metadata(self.record(&id)?, place.environment_name, place.user);
        Ok(SecretGetOrCreateResponse {
            secret_id: id,
            metadata: Some(metadata),
        })
    }
}

fn metadata(record: &Record, environment: &str, user: &str) -> SecretMetadata {
    SecretMetadata {
        name: record.name.clone().unwrap_or_default(),
        creation_info: Some(CreationInfo {
            created_at: record.created_at,
            created_by: user.to_owned(),
        }),
        keys: record.values.keys().cloned().collect(),
        environment_name: environment.to_owned(),
        last_used_at: record.last_used_at,
        template_type: String::new(),
    }
}

fn values(dictionary: BTreeMap<String, String>) -> Result<Values, Status> {
    dictionary
        .into_iter()
        .map(|(key, value)| check_key(&key).map(|()| (key, SecretString::from(value))))
        .collect()
}

fn bytes(value: &SecretString) -> &[u8] {
    value.expose_secret().as_bytes()
}

fn unknown(id: &str) -> Status {
    Status::not_found(format!("secret '{id}' not found"))
}

fn check_name(name: &str) -> Result<(), Status> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if !name.is_empty() && name.len() <= 64 && name.bytes().all(fits) {
        return Ok(());
    }
    Err(Status::invalid_argument(format!(
        "secret name '{name}' is not 1 to 64 letters, digits, '-', '_' and '.'"
    )))
}

fn check_key(key: &str) -> Result<(), Status> {
    let first = key
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if first && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Ok(());
    }
    Err(Status::invalid_argument(format!(
        "secret key '{key}' is no name of an environment variable"
    )))
}
