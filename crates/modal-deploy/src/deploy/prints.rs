use std::collections::BTreeMap;

use super::plan::{DeployPlan, PlannedApp};
use crate::fingerprint::{Fingerprint, FingerprintKey};
use crate::secrets::SecretPlan;

/// What deploys have in common, apart from their images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The app file as the command line gets it, with the object in it.
    pub app_file: String,
    /// Of [`super::code_hash`].
    pub code: String,
    /// The version of the recipe by which Modal builds images in this environment.
    pub image_builder: Option<String>,
    /// The name of the secret with which Modal pulls; empty for a public registry.
    pub registry_secret: String,
}

/// Fingerprints of what a run wants to be live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prints {
    /// Each app, in the order of the plan.
    pub apps: Vec<AppPrint>,
}

/// Of one app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppPrint {
    /// Of all that its deploy depends on, but the values of secrets.
    pub deploy: Fingerprint,
    /// Of the values of its secrets.
    pub secrets: Fingerprint,
}

impl Prints {
    /// Of everything in these plans.
    #[must_use]
    pub fn new(
        plan: &DeployPlan,
        secrets: &SecretPlan,
        shared: &Shared,
        key: &FingerprintKey,
    ) -> Self {
        let secrets: BTreeMap<String, Fingerprint> = secrets
            .secrets
            .iter()
            .map(|secret| (secret.name.clone(), key.secret(secret)))
            .collect();
        let apps = plan
            .apps
            .iter()
            .map(|app| AppPrint {
                deploy: deploy(app, shared, key),
                secrets: values(app, &secrets, key),
            })
            .collect();
        Self { apps }
    }
}

/// Of all that a deploy of `app` depends on, but the values of secrets.
pub(super) fn deploy(app: &PlannedApp, shared: &Shared, key: &FingerprintKey) -> Fingerprint {
    key.parts(&[
        ("image", &app.image.to_string()),
        ("ref", &app.reference.to_string()),
        ("app-file", &shared.app_file),
        ("code", &shared.code),
        ("secrets", &app.tool_secrets.join(",")),
        (
            "image-builder",
            shared.image_builder.as_deref().unwrap_or_default(),
        ),
        ("registry-secret", &shared.registry_secret),
    ])
}

fn values(
    app: &PlannedApp,
    secrets: &BTreeMap<String, Fingerprint>,
    key: &FingerprintKey,
) -> Fingerprint {
    let parts: Vec<(&str, &str)> = app
        .tool_secrets
        .iter()
        .filter_map(|name| Some((name.as_str(), secrets.get(name)?.as_str())))
        .collect();
    key.parts(&parts)
}
