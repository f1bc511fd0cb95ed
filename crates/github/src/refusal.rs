use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::GithubError;
use crate::call::Operation;

/// Words of GitHub are cut here, so that an HTML page does not fill the log.
const LONGEST_MESSAGE: usize = 300;

/// Takes the token out of what GitHub, or something on the way to it, says.
#[derive(Clone, Default)]
pub(crate) struct Redactor(Option<SecretString>);

impl Redactor {
    pub(crate) fn new(token: Option<SecretString>) -> Self {
        Self(token)
    }

    fn apply(&self, text: &str) -> String {
        match &self.0 {
            Some(token) => text.replace(token.expose_secret(), "***"),
            None => text.to_owned(),
        }
    }
}

/// GitHub's no: a status, and one line of what it says.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn read(status: u16, body: &str, redactor: &Redactor) -> Self {
        let text = match serde_json::from_str::<Value>(body) {
            Ok(json) => sentence(&json),
            Err(_) => body.to_owned(),
        };
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let message: String = redactor
            .apply(&text)
            .chars()
            .take(LONGEST_MESSAGE)
            .collect();
        Self {
            status,
            message: if message.is_empty() {
                format!("HTTP {status} without a word")
            } else {
                message
            },
        }
    }

    pub(crate) fn says(&self, words: &str) -> bool {
        self.message
            .to_ascii_lowercase()
            .contains(&words.to_ascii_lowercase())
    }

    /// The error for operations to which the status means nothing special.
    pub(crate) fn into_error(self, on: &Operation) -> GithubError {
        let operation = on.text.clone();
        let Self { status, message } = self;
        match status {
            401 => GithubError::Unauthorized { operation, message },
            403 => GithubError::Forbidden {
                operation,
                message,
                permission: on.permission,
            },
            404 => GithubError::NotFound {
                operation,
                object: on.object.clone(),
                permission: on.permission,
            },
            409 => GithubError::Conflict { operation, message },
            300..=399 => GithubError::Renamed { operation },
            _ => GithubError::Rejected {
                operation,
                status,
                message,
            },
        }
    }
}

/// `message`, then what `errors` adds to it.
fn sentence(json: &Value) -> String {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut parts: Vec<String> = text(json, "message").into_iter().collect();
    match json.get("errors") {
        Some(Value::Array(errors)) => parts.extend(errors.iter().filter_map(|error| match error {
            Value::String(words) => Some(words.clone()),
            _ => text(error, "message").or_else(|| {
                Some(format!(
                    "{} {}",
                    text(error, "field")?,
                    text(error, "code")?
                ))
            }),
        })),
        Some(Value::String(words)) => parts.push(words.clone()),
        _ => {}
    }
    parts.join("; ")
}

pub(crate) fn hint(error: &GithubError) -> Option<String> {
    match error {
        GithubError::Unauthorized { .. } => Some(
            "give a valid token: `github-token`, or GITHUB_TOKEN in the environment; an App token \
             lives for one hour"
                .to_owned(),
        ),
        GithubError::Forbidden {
            message,
            permission,
            ..
        } => Some(forbidden(message, permission)),
        GithubError::NotFound { permission, .. } => Some(format!(
            "check the name, and that the token has `{permission}` on this repository (GitHub \
             answers 404 for what a token may not see)"
        )),
        GithubError::Renamed { .. } => Some("use the repository's new name".to_owned()),
        GithubError::Moved { .. } => {
            Some("read the branch again and repeat the change on top of it".to_owned())
        }
        GithubError::NotMergeable { .. } => Some(
            "open the pull request: it shows the conflict, the missing review or the failing check"
                .to_owned(),
        ),
        GithubError::Conflict { message, .. } | GithubError::Rejected { message, .. } => {
            setting(message)
        }
        GithubError::RateLimited { wait, .. } => Some(match wait {
            Some(wait) => format!("run it again in {} s", wait.as_secs()),
            None => "run it again later, or with a token that has a limit of its own (a GitHub \
                     App's)"
                .to_owned(),
        }),
        GithubError::Server { .. } => {
            Some("run it again; https://www.githubstatus.com tells about outages".to_owned())
        }
        GithubError::Network { .. } => Some(
            "check the network, and `https_proxy` where one is needed; on a GitHub Enterprise \
             Server GITHUB_API_URL names the API"
                .to_owned(),
        ),
        GithubError::Answer { .. } => {
            Some("check that the API address is GitHub's and not a proxy's page".to_owned())
        }
        GithubError::Invalid { .. }
        | GithubError::Client { .. }
        | GithubError::AlreadyExists { .. }
        | GithubError::Unchanged { .. }
        | GithubError::Cancelled { .. } => None,
    }
}

fn forbidden(message: &str, permission: &str) -> String {
    let says = |words: &str| message.to_ascii_lowercase().contains(words);
    if says("not permitted to create or approve pull requests") {
        "turn on Settings → Actions → General → \"Allow GitHub Actions to create and approve pull \
         requests\" in the repository (and in the organization)"
            .to_owned()
    } else if says("saml") {
        "authorize the token for the organization's single sign-on (Settings → Developer settings \
         → the token → Configure SSO)"
            .to_owned()
    } else if says("workflow") && says("permission") {
        "give the token the `workflows: write` permission: the change touches .github/workflows"
            .to_owned()
    } else if says("ip allow list") {
        "add this machine's address to the organization's IP allow list".to_owned()
    } else {
        format!("give the job or the token `{permission}` (`permissions:` in the workflow)")
    }
}

fn setting(message: &str) -> Option<String> {
    let message = message.to_ascii_lowercase();
    if message.contains("auto merge is not allowed") {
        return Some(
            "turn on Settings → General → \"Allow auto-merge\" in the repository".to_owned(),
        );
    }
    if message.contains("workflow_dispatch") {
        return Some(
            "add `on: workflow_dispatch` to the workflow, on the default branch, too".to_owned(),
        );
    }
    if message.contains("reviews may only be requested") {
        return Some(
            "name people and teams with write access to the repository, and not the author"
                .to_owned(),
        );
    }
    (message.contains("protected branch") || message.contains("rule violation")).then(|| {
        "the branch is protected: let the token's owner bypass the rule, or use a branch that the \
         rule does not name"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation() -> Operation {
        Operation {
            text: "open a pull request in acme/x".to_owned(),
            object: "acme/x".to_owned(),
            permission: "pull-requests: write",
        }
    }

    #[test]
    fn one_line_with_the_fields_and_without_the_token() {
        let redactor = Redactor::new(Some("ghs_secret".into()));
        let body = r#"{"message":"Validation Failed\n for ghs_secret","errors":[
            {"resource":"PullRequest","code":"invalid","field":"head"},
            {"message":"No commits between dev and x"}, "plain"]}"#;
        let refusal = Refusal::read(422, body, &redactor);
        assert_eq!(
            refusal.message,
            "Validation Failed for ***; head invalid; No commits between dev and x; plain"
        );
        let html = Refusal::read(400, &format!("<html>{}", "x".repeat(9000)), &redactor);
        assert_eq!(html.message.chars().count(), LONGEST_MESSAGE);
        assert_eq!(
            Refusal::read(400, "", &redactor).message,
            "HTTP 400 without a word"
        );
    }

    #[test]
    fn a_refusal_names_the_setting_to_change() {
        let hint = |status, message: &str| {
            let body = serde_json::json!({ "message": message }).to_string();
            Refusal::read(status, &body, &Redactor::default())
                .into_error(&operation())
                .hint()
                .unwrap_or_default()
        };
        let words = "GitHub Actions is not permitted to create or approve pull requests.";
        assert!(hint(403, words).contains("Allow GitHub Actions to create"));
        assert!(
            hint(403, "Resource not accessible by integration").contains("pull-requests: write")
        );
        assert!(hint(404, "Not Found").contains("pull-requests: write"));
        assert!(hint(401, "Bad credentials").contains("GITHUB_TOKEN"));
        assert!(hint(422, "Repository rule violations found").contains("protected"));
    }

    #[test]
    fn errors_read_well_after_failed_to() {
        let error = Refusal::read(
            403,
            r#"{"message":"Resource not accessible by integration"}"#,
            &Redactor::default(),
        )
        .into_error(&operation());
        assert_eq!(
            error.to_string(),
            "open a pull request in acme/x: not allowed (Resource not accessible by integration)"
        );
    }
}
