use modal_deploy::secrets::SecretSource;
use registry_model::Registry;
use secrecy::SecretString;
use serde_json::{Map, Value, json};

/// A value for every secret that is declared, made up on the spot: a rehearsal never sees real
/// ones.
pub(super) fn made_up(registry: &Registry) -> Result<SecretSource, modal_deploy::ModalError> {
    let value = || format!("rehearsal-{}", uuid::Uuid::new_v4().simple());
    let mut values = Map::new();
    for entry in &registry.entries {
        for name in entry.secrets.required.iter().chain(&entry.secrets.optional) {
            values.insert(name.clone(), Value::String(value()));
        }
    }
    let registry = json!({"REGISTRY_USERNAME": "rehearsal", "REGISTRY_PASSWORD": value()});
    values.insert("REGISTRY_AUTH".to_owned(), registry);
    SecretSource::from_json(&SecretString::from(Value::Object(values).to_string()))
}
