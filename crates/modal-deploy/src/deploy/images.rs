use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use oci::{Credentials, OciError};
use registry_model::{Environment, PinnedImage};
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;

use crate::ModalError;
use crate::error::chain;
use crate::preflight::{REGISTRY_PASSWORD, REGISTRY_USERNAME, Trouble};
use crate::secrets::{PlannedSecret, SecretPlan};

const AT_ONCE: usize = 16;

/// Where images are looked up before they are deployed, and with which login.
#[derive(Clone, Debug)]
pub struct Images {
    pub(crate) client: oci::Client,
    /// The secret whose login it is; `None` for what `docker login` stored.
    pub(crate) login: Option<String>,
}

impl Images {
    /// With the login of the registry secret where its value is at hand, so that an image which
    /// Modal may not pull is known before anything is changed; else with Docker's credentials.
    ///
    /// # Errors
    /// As [`oci::Client::new`].
    pub fn as_modal(secrets: &SecretPlan, registry_secret: &str) -> Result<Self, OciError> {
        let mut secrets = secrets.secrets.iter();
        let secret = secrets.find(|secret| secret.name == registry_secret);
        let login = secret.and_then(login);
        let options = oci::ClientOptions {
            credentials: login.clone().unwrap_or_default(),
            ..oci::ClientOptions::default()
        };
        Ok(Self {
            client: oci::Client::new(options)?,
            login: login.map(|_| registry_secret.to_owned()),
        })
    }

    /// Whether the registry has this image.
    ///
    /// # Errors
    /// As [`oci::Client::exists`].
    pub async fn exists(&self, image: &PinnedImage) -> Result<bool, OciError> {
        self.client.exists(image).await
    }

    /// The receipts of images, read with the same login.
    #[must_use]
    pub fn receipts(&self) -> receipts::Store {
        receipts::Store::new(self.client.clone())
    }

    /// Makes sure that the registry has all of `images`: one request each.
    ///
    /// # Errors
    /// [`ModalError::Images`] with each that is not there or cannot be asked for,
    /// [`ModalError::Cancelled`].
    pub(super) async fn check(
        &self,
        environment: &Environment,
        images: &BTreeSet<&PinnedImage>,
        cancel: &CancellationToken,
    ) -> Result<(), ModalError> {
        let asking = stream::iter(images)
            .map(async |image| (*image, self.exists(image).await))
            .buffered(AT_ONCE)
            .collect::<Vec<_>>();
        let Some(answers) = cancel.run_until_cancelled(asking).await else {
            let what = format!("look up the images for `{environment}`");
            return Err(ModalError::Cancelled { what });
        };
        let mut problems = Vec::new();
        let mut hint = None;
        for (image, answer) in answers {
            match answer {
                Ok(true) => {}
                Ok(false) => {
                    problems.push(format!("`{image}` is not there"));
                    hint.get_or_insert_with(|| {
                        "build and pin it again; if it was cleaned up, keep the tags of pins"
                            .to_owned()
                    });
                }
                Err(error) => {
                    let trouble = Trouble {
                        text: chain(&error),
                        cure: error.hint(),
                    };
                    let trouble = trouble.asked_with(self.login.as_deref());
                    problems.push(trouble.text);
                    hint = hint.or(trouble.cure);
                }
            }
        }
        if problems.is_empty() {
            return Ok(());
        }
        Err(ModalError::Images {
            environment: environment.clone(),
            problems,
            hint,
        })
    }
}

impl From<oci::Client> for Images {
    fn from(client: oci::Client) -> Self {
        Self {
            client,
            login: None,
        }
    }
}

/// The login that a registry secret holds, if it has one.
fn login(secret: &PlannedSecret) -> Option<Credentials> {
    let user = secret.values.get(REGISTRY_USERNAME)?;
    let password = secret.values.get(REGISTRY_PASSWORD)?;
    Some(Credentials::Basic {
        user: user.expose_secret().to_owned(),
        password: password.clone(),
    })
}
