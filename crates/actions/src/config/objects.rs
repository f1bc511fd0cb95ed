//! `acceptance.artifacts` of `pipeline.yml`.

use acceptance::ObjectsOptions;
use serde::{Deserialize, Serialize};

/// `acceptance.artifacts` of `pipeline.yml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ObjectsConfig {
    /// Where the suite leaves artifacts.
    bucket: String,
    /// The S3 service of the compose file; default `minio`.
    service: Option<String>,
    /// Its port inside the container; default: the lowest that it publishes.
    port: Option<u16>,
    /// What every key begins with; default: nothing.
    prefix: Option<String>,
    /// The variable with the access key; default `MINIO_ROOT_USER`.
    access_key_env: Option<String>,
    /// The variable with the secret key; default `MINIO_ROOT_PASSWORD`.
    secret_key_env: Option<String>,
}

impl ObjectsConfig {
    /// The same for the stage.
    pub(crate) fn options(&self) -> ObjectsOptions {
        let usual = ObjectsOptions::new(&self.bucket);
        let or = |given: &Option<String>, usual: String| given.clone().unwrap_or(usual);
        ObjectsOptions {
            service: or(&self.service, usual.service),
            port: self.port,
            bucket: usual.bucket,
            prefix: or(&self.prefix, usual.prefix),
            access_key_env: or(&self.access_key_env, usual.access_key_env),
            secret_key_env: or(&self.secret_key_env, usual.secret_key_env),
        }
    }
}
