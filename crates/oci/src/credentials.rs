use std::ffi::OsString;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_client::secrets::RegistryAuth;
use secrecy::{ExposeSecret, SecretString};

use crate::OciError;

/// Where the credentials for a registry come from.
#[derive(Clone, Debug, Default)]
pub enum Credentials {
    /// What `docker login` stored in `$DOCKER_CONFIG/config.json` (default folder: `~/.docker`),
    /// credential helpers included. No file, or no entry for the registry, means anonymous.
    #[default]
    FromDocker,
    /// None.
    Anonymous,
    /// The same user and password for every registry asked.
    Basic {
        /// The user name.
        user: String,
        /// The password or token.
        password: SecretString,
    },
}

impl Credentials {
    /// What to show to `host`.
    pub(crate) async fn for_host(&self, host: &str) -> Result<RegistryAuth, OciError> {
        match self {
            Self::Anonymous => Ok(RegistryAuth::Anonymous),
            Self::Basic { user, password } => Ok(RegistryAuth::Basic(
                user.clone(),
                password.expose_secret().to_owned(),
            )),
            Self::FromDocker => {
                let Some(file) = config_file(|name| std::env::var_os(name)) else {
                    return Ok(RegistryAuth::Anonymous);
                };
                // A credential helper is a program that may take its time.
                let owned = host.to_owned();
                tokio::task::spawn_blocking(move || from_file(&file, &owned))
                    .await
                    .unwrap_or_else(|_| Err("the credential helper broke off".to_owned()))
                    .map_err(|problem| OciError::Credentials {
                        host: host.to_owned(),
                        problem,
                    })
            }
        }
    }
}

fn config_file(env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name| env(name).filter(|value| !value.is_empty());
    let folder = set("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&set("HOME")?).join(".docker")))?;
    Some(folder.join("config.json"))
}

fn from_file(file: &Path, host: &str) -> Result<RegistryAuth, String> {
    let reader = match File::open(file) {
        Ok(open) => BufReader::new(open),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(RegistryAuth::Anonymous);
        }
        Err(error) => return Err(format!("open {}: {error}", file.display())),
    };
    match docker_credential::get_credential_from_reader(reader, key(host)) {
        Ok(DockerCredential::UsernamePassword(user, password)) => {
            Ok(RegistryAuth::Basic(user, password))
        }
        Ok(DockerCredential::IdentityToken(_)) => Err(
            "an identity token is stored, which is not supported; log in with a user and a token"
                .to_owned(),
        ),
        Err(
            CredentialRetrievalError::NoCredentialConfigured
            | CredentialRetrievalError::ConfigNotFound,
        ) => Ok(RegistryAuth::Anonymous),
        // Every helper says so when it has nothing for this registry (docker-credential-helpers,
        // `NewErrCredentialsNotFound`), and ends with 1.
        Err(CredentialRetrievalError::HelperFailure { stdout, stderr, .. })
            if format!("{stdout}{stderr}").contains("credentials not found") =>
        {
            Ok(RegistryAuth::Anonymous)
        }
        // What a helper printed may hold a secret.
        Err(CredentialRetrievalError::HelperFailure { helper, .. }) => {
            Err(format!("`{helper}` failed"))
        }
        Err(CredentialRetrievalError::ConfigReadError) => {
            Err(format!("{} is no JSON", file.display()))
        }
        Err(other) => Err(other.to_string()),
    }
}

/// Docker Hub's credentials are stored under an address of its own.
fn key(host: &str) -> &str {
    match crate::host::api_host(host) {
        "registry-1.docker.io" => "https://index.docker.io/v1/",
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(config: &str, host: &str) -> Result<RegistryAuth, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        std::fs::write(&file, config).unwrap();
        from_file(&file, host)
    }

    fn basic(user: &str, password: &str) -> Result<RegistryAuth, String> {
        Ok(RegistryAuth::Basic(user.into(), password.into()))
    }

    #[test]
    fn finds_the_file_where_docker_does() {
        let env = |pairs: &'static [(&str, &str)]| {
            move |name: &str| {
                let found = pairs.iter().find(|(known, _)| *known == name)?;
                Some(OsString::from(found.1))
            }
        };
        assert_eq!(
            config_file(env(&[("DOCKER_CONFIG", "/d"), ("HOME", "/h")])),
            Some("/d/config.json".into())
        );
        assert_eq!(
            config_file(env(&[("DOCKER_CONFIG", ""), ("HOME", "/h")])),
            Some("/h/.docker/config.json".into())
        );
        assert_eq!(config_file(env(&[])), None);
    }

    #[test]
    fn reads_what_docker_login_stored() {
        // `printf user:pass:word | base64`
        let config = r#"{"auths": {
            "ghcr.io": {"auth": "dXNlcjpwYXNzOndvcmQ="},
            "https://index.docker.io/v1/": {"username": "hub", "password": "secret"}
        }}"#;
        assert_eq!(stored(config, "ghcr.io"), basic("user", "pass:word"));
        assert_eq!(stored(config, "docker.io"), basic("hub", "secret"));
        assert_eq!(stored(config, "quay.io"), Ok(RegistryAuth::Anonymous));
    }

    #[test]
    fn no_file_and_no_entry_mean_anonymous() {
        let missing = Path::new("/nonexistent/config.json");
        assert_eq!(from_file(missing, "ghcr.io"), Ok(RegistryAuth::Anonymous));
        assert_eq!(stored("{}", "ghcr.io"), Ok(RegistryAuth::Anonymous));
    }

    #[test]
    fn what_cannot_be_used_is_an_error_without_the_secret() {
        assert!(stored("{", "ghcr.io").unwrap_err().ends_with("is no JSON"));
        let token = r#"{"auths": {"a.io": {"identitytoken": "hunter22"}}}"#;
        let problem = stored(token, "a.io").unwrap_err();
        assert!(problem.contains("identity token") && !problem.contains("hunter22"));
        let shown = format!(
            "{:?}",
            Credentials::Basic {
                user: "u".into(),
                password: "hunter22".into()
            }
        );
        assert!(!shown.contains("hunter22"), "{shown}");
    }
}
