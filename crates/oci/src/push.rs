use std::fmt;

use registry_model::Repository;
use serde::{Deserialize, Serialize};
use tracing::debug;

use crate::call::Call;
use crate::{Client, OciError};

/// Why a registry does not let us push.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PushRefusal {
    /// Nobody is logged in.
    NotLoggedIn,
    /// The user or the token is wrong or out of date.
    BadLogin,
    /// There is no such package yet, and this token may not make it. GHCR: `installation not
    /// allowed to Create organization package`.
    CannotCreate,
    /// The package is there, and this token may not write to it. GHCR: `permission_denied:
    /// write_package`, as a rule because the package is not linked to the repository.
    NotLinked,
    /// The token was made without the scope for packages.
    MissingScope,
    /// The registry wants the repository or its owner to be made first (404).
    UnknownName,
    /// The registry takes no pushes at all (405): a mirror, or one under maintenance.
    ReadOnly,
    /// Something else that the registry does not allow.
    Denied,
}

impl fmt::Display for PushRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotLoggedIn => "not logged in",
            Self::BadLogin => "the login is wrong or out of date",
            Self::CannotCreate => "there is no such package yet, and this token may not make it",
            Self::NotLinked => "this token may not write to the package",
            Self::MissingScope => "the token lacks the scope for packages",
            Self::UnknownName => "the registry does not know the name",
            Self::ReadOnly => "the registry takes no pushes",
            Self::Denied => "the registry does not allow it",
        })
    }
}

impl PushRefusal {
    /// Sorts what the registry said to an account that it knows (403).
    ///
    /// GitHub does not document these texts; they are those that users report, as in
    /// docker/build-push-action#606 and actions/runner#1039.
    fn of_message(message: &str) -> Self {
        let message = message.to_ascii_lowercase();
        let says = |text: &str| message.contains(text);
        if says("not allowed to create") || says("create_package") {
            Self::CannotCreate
        } else if says("not allowed to write") || says("write_package") {
            Self::NotLinked
        } else if says("expected scopes") || says("insufficient_scope") {
            Self::MissingScope
        } else if says("cannot be authenticated") {
            Self::BadLogin
        } else if says("permission_denied") {
            Self::NotLinked
        } else {
            Self::Denied
        }
    }

    /// The page with the setting to change, on GitHub.
    pub(crate) fn setting_url(self, repository: &Repository) -> Option<String> {
        let package = Package::of(repository)?;
        let owner = package.owner;
        Some(match self {
            Self::CannotCreate => {
                format!("https://github.com/organizations/{owner}/settings/packages")
            }
            Self::NotLinked | Self::Denied => format!(
                "https://github.com/orgs/{owner}/packages/container/{}/settings",
                package.name.replace('/', "%2F")
            ),
            Self::MissingScope | Self::BadLogin => "https://github.com/settings/tokens".to_owned(),
            Self::UnknownName => format!("https://github.com/{owner}"),
            Self::NotLoggedIn | Self::ReadOnly => return None,
        })
    }

    /// The one thing to change.
    pub(crate) fn cure(self, repository: &Repository) -> String {
        match Package::of(repository) {
            Some(package) => self.cure_on_github(repository, &package),
            None => self.cure_elsewhere(repository),
        }
    }

    fn cure_on_github(self, repository: &Repository, package: &Package<'_>) -> String {
        let url = self.setting_url(repository).unwrap_or_default();
        let Package { owner, source, .. } = package;
        match self {
            Self::NotLoggedIn | Self::BadLogin => "log in with a token that may write packages: \
                 `docker login ghcr.io -u USER --password-stdin`"
                .to_owned(),
            Self::CannotCreate => format!(
                "give the job `permissions: packages: write`; if it has that, an owner of \
                 `{owner}` allows it under `Package creation` at {url}, or someone with a token \
                 for write:packages makes the package once: `docker login ghcr.io -u USER \
                 --password-stdin`, then `docker push {repository}:bootstrap`, with the label \
                 `org.opencontainers.image.source=https://github.com/{source}`, which links it to \
                 the repository"
            ),
            Self::NotLinked | Self::Denied => format!(
                "open {url} (for a person's package `users` instead of `orgs`), and under `Manage \
                 Actions access` add the repository `{source}` with the role Write; the job also \
                 needs `permissions: packages: write`"
            ),
            Self::MissingScope => {
                format!("make a token with the scope write:packages at {url}, and log in with it")
            }
            Self::UnknownName => format!("check that the owner `{owner}` exists: {url}"),
            Self::ReadOnly => "wait until GHCR takes pushes again: \
                 https://www.githubstatus.com"
                .to_owned(),
        }
    }

    fn cure_elsewhere(self, repository: &Repository) -> String {
        let host = repository.host();
        match self {
            Self::NotLoggedIn | Self::BadLogin => {
                format!("run `docker login {host}` with an account that may push")
            }
            Self::UnknownName => format!("make `{}` at `{host}` first", repository.path()),
            Self::ReadOnly => {
                format!("push to another registry: `{host}` is a mirror, or under maintenance")
            }
            Self::CannotCreate | Self::NotLinked | Self::MissingScope | Self::Denied => format!(
                "let the account that you use at `{host}` push to `{}`",
                repository.path()
            ),
        }
    }
}

/// What GitHub calls a repository of its registry.
struct Package<'a> {
    owner: &'a str,
    name: &'a str,
    /// `<owner>/<repository>`, as far as the name tells.
    source: String,
}

impl<'a> Package<'a> {
    fn of(repository: &'a Repository) -> Option<Self> {
        if repository.host() != "ghcr.io" {
            return None;
        }
        let (owner, name) = repository.path().split_once('/')?;
        let source = match name.split_once('/') {
            Some((source, _)) => format!("{owner}/{source}"),
            None => format!("{owner}/REPOSITORY"),
        };
        Some(Self {
            owner,
            name,
            source,
        })
    }
}

impl Client {
    /// Whether what we are logged in with may push to `repository`: an upload session is opened
    /// and cancelled again. Nothing is stored. Never tried again after a refusal.
    ///
    /// Source: OCI distribution specification 1.1, "Pushing a blob in chunks", end-4a. That
    /// version has no call to cancel; where the registry does not know Docker's `DELETE`, or has the
    /// session on another host, which may be anybody's, the session ends by itself, and this is no
    /// error.
    ///
    /// # Errors
    /// [`OciError::PushRefused`] with what is missing and what the registry said; others when the
    /// registry cannot be asked.
    pub async fn check_push(&self, repository: &Repository) -> Result<(), OciError> {
        let operation = format!("check that we may push to `{repository}`");
        let call = Call::open_upload(repository, &operation);
        let answer = match self.transport.grant(&call).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.refused_push(repository, error).await),
        };
        let location = answer.upload(&operation)?;
        let cancelled = match answer.resolve(location, &operation) {
            Ok(session) => {
                let cancel = Call::cancel_upload(repository, session, &operation);
                match self.transport.is_own(&cancel) {
                    true => self.transport.once(&cancel).await.map(drop),
                    false => Ok(()),
                }
            }
            Err(error) => Err(error),
        };
        if let Err(error) = cancelled {
            debug!(%repository, %error, "the upload session is left to end by itself");
        }
        Ok(())
    }

    /// What a refusal to take a manifest means: the content may be at fault as well as the rights.
    pub(crate) async fn refused_write(&self, repository: &Repository, error: OciError) -> OciError {
        match error {
            OciError::Unauthorized { .. } | OciError::Forbidden { .. } => {
                self.refused_push(repository, error).await
            }
            other => other,
        }
    }

    /// What a refusal to take content means; other errors stay as they are.
    pub(crate) async fn refused_push(&self, repository: &Repository, error: OciError) -> OciError {
        let (refusal, message) = match error {
            OciError::Unauthorized { message, .. } => {
                match self.transport.is_anonymous(repository.host()).await {
                    Ok(true) => (PushRefusal::NotLoggedIn, message),
                    Ok(false) => (PushRefusal::BadLogin, message),
                    Err(error) => return error,
                }
            }
            OciError::Forbidden { message, .. } => {
                let host = repository.host();
                // At the token server, only the login can be at fault.
                let refusal = match PushRefusal::of_message(&message) {
                    PushRefusal::Denied if self.transport.is_refused(repository).await => {
                        match self.transport.is_anonymous(host).await {
                            Ok(true) => PushRefusal::NotLoggedIn,
                            Ok(false) => PushRefusal::BadLogin,
                            Err(error) => return error,
                        }
                    }
                    refusal => refusal,
                };
                (refusal, message)
            }
            OciError::Refused {
                status: 404,
                message,
                ..
            } => (PushRefusal::UnknownName, message),
            OciError::Refused {
                status: 405,
                message,
                ..
            } => (PushRefusal::ReadOnly, message),
            OciError::Refused {
                status: 400,
                message,
                ..
            } => (PushRefusal::of_message(&message), message),
            other => return other,
        };
        OciError::PushRefused {
            repository: repository.clone(),
            refusal,
            message,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ghcr_says_is_sorted() {
        for (message, expected) in [
            (
                "denied: installation not allowed to Create organization package",
                PushRefusal::CannotCreate,
            ),
            (
                "permission_denied: installation not allowed to Create organization package (DENIED)",
                PushRefusal::CannotCreate,
            ),
            (
                "permission_denied: create_package",
                PushRefusal::CannotCreate,
            ),
            (
                "installation not allowed to Write organization package (DENIED)",
                PushRefusal::NotLinked,
            ),
            (
                "permission_denied: write_package (DENIED)",
                PushRefusal::NotLinked,
            ),
            (
                "permission_denied: The token provided does not match expected scopes. (DENIED)",
                PushRefusal::MissingScope,
            ),
            (
                "unauthenticated: User cannot be authenticated with the token provided.",
                PushRefusal::BadLogin,
            ),
            (
                "requested access to the resource is denied (DENIED)",
                PushRefusal::Denied,
            ),
            ("", PushRefusal::Denied),
        ] {
            assert_eq!(PushRefusal::of_message(message), expected, "{message}");
        }
    }

    /// What people see: the error, its page and its cure.
    fn shown(repository: &str, refusal: PushRefusal) -> String {
        let error = OciError::PushRefused {
            repository: repository.parse().unwrap(),
            refusal,
            message: "no".to_owned(),
        };
        format!(
            "{error}\n{}\n{}",
            error.setting_url().unwrap_or_default(),
            error.hint().unwrap()
        )
    }

    #[test]
    fn each_refusal_has_one_cure_on_github() {
        let github = |refusal| shown("ghcr.io/acme/models/core", refusal);
        insta::assert_snapshot!(github(PushRefusal::CannotCreate), @r#"
            push to `ghcr.io/acme/models/core`: there is no such package yet, and this token may not make it: no
            https://github.com/organizations/acme/settings/packages
            give the job `permissions: packages: write`; if it has that, an owner of `acme` allows it under `Package creation` at https://github.com/organizations/acme/settings/packages, or someone with a token for write:packages makes the package once: `docker login ghcr.io -u USER --password-stdin`, then `docker push ghcr.io/acme/models/core:bootstrap`, with the label `org.opencontainers.image.source=https://github.com/acme/models`, which links it to the repository
        "#);
        insta::assert_snapshot!(github(PushRefusal::NotLinked), @r#"
            push to `ghcr.io/acme/models/core`: this token may not write to the package: no
            https://github.com/orgs/acme/packages/container/models%2Fcore/settings
            open https://github.com/orgs/acme/packages/container/models%2Fcore/settings (for a person's package `users` instead of `orgs`), and under `Manage Actions access` add the repository `acme/models` with the role Write; the job also needs `permissions: packages: write`
        "#);
        insta::assert_snapshot!(github(PushRefusal::MissingScope), @r#"
            push to `ghcr.io/acme/models/core`: the token lacks the scope for packages: no
            https://github.com/settings/tokens
            make a token with the scope write:packages at https://github.com/settings/tokens, and log in with it
        "#);
        insta::assert_snapshot!(github(PushRefusal::BadLogin), @r#"
            push to `ghcr.io/acme/models/core`: the login is wrong or out of date: no
            https://github.com/settings/tokens
            log in with a token that may write packages: `docker login ghcr.io -u USER --password-stdin`
        "#);
        insta::assert_snapshot!(github(PushRefusal::UnknownName), @r#"
            push to `ghcr.io/acme/models/core`: the registry does not know the name: no
            https://github.com/acme
            check that the owner `acme` exists: https://github.com/acme
        "#);
        insta::assert_snapshot!(shown("ghcr.io/acme/core", PushRefusal::Denied), @r#"
            push to `ghcr.io/acme/core`: the registry does not allow it: no
            https://github.com/orgs/acme/packages/container/core/settings
            open https://github.com/orgs/acme/packages/container/core/settings (for a person's package `users` instead of `orgs`), and under `Manage Actions access` add the repository `acme/REPOSITORY` with the role Write; the job also needs `permissions: packages: write`
        "#);
    }

    #[test]
    fn each_refusal_has_one_cure_elsewhere() {
        let elsewhere = |refusal| shown("registry.lan:5000/team/core", refusal);
        insta::assert_snapshot!(elsewhere(PushRefusal::NotLoggedIn), @r#"
            push to `registry.lan:5000/team/core`: not logged in: no

            run `docker login registry.lan:5000` with an account that may push
        "#);
        insta::assert_snapshot!(elsewhere(PushRefusal::UnknownName), @r#"
            push to `registry.lan:5000/team/core`: the registry does not know the name: no

            make `team/core` at `registry.lan:5000` first
        "#);
        insta::assert_snapshot!(elsewhere(PushRefusal::ReadOnly), @r#"
            push to `registry.lan:5000/team/core`: the registry takes no pushes: no

            push to another registry: `registry.lan:5000` is a mirror, or under maintenance
        "#);
        insta::assert_snapshot!(elsewhere(PushRefusal::Denied), @r#"
            push to `registry.lan:5000/team/core`: the registry does not allow it: no

            let the account that you use at `registry.lan:5000` push to `team/core`
        "#);
    }
}
