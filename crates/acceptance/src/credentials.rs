//! What the environment of this process holds that is not for the programs of a repository.

use std::ffi::OsStr;
use std::path::Path;

use process::Command;
use secrecy::SecretString;

/// Words in the names of variables that hold credentials. They are for the stages of the
/// pipeline and not for a program that runs whatever is in the repository.
const WORDS: [&str; 13] = [
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "CREDENTIAL",
    "API_KEY",
    "ACCESS_KEY",
    "PRIVATE_KEY",
    // Whoever signs receipts must not be whom they are about.
    "SIGNING_KEY",
    "COSIGN_",
    "DOCKER_AUTH_CONFIG",
    "_PAT_",
];

/// By these files a job sets what its later steps see, or says what its summary is.
const OF_THE_JOB: [&str; 5] = [
    "GITHUB_ENV",
    "GITHUB_PATH",
    "GITHUB_OUTPUT",
    "GITHUB_STEP_SUMMARY",
    "GITHUB_STATE",
];

/// Who has the socket can use the keys.
const AGENT: &str = "SSH_AUTH_SOCK";

/// Shorter values are no credentials.
const SHORTEST: usize = 8;

/// For a program of the repository: without the credentials of this process, in any form, and shown
/// without their values.
pub(crate) fn without_credentials(command: Command) -> Command {
    without(command, |name, _| is_credential(name) || name == AGENT)
}

/// The same for Docker, which keeps what leads to registries and to the engine: files with
/// credentials, and the agent for `DOCKER_HOST=ssh://…`.
pub(crate) fn without_values(command: Command) -> Command {
    without(command, is_secret)
}

fn without(mut command: Command, goes: impl Fn(&str, &OsStr) -> bool) -> Command {
    for (name, value) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if OF_THE_JOB.contains(&text.as_ref()) || goes(&text, &value) {
            command = command.env_remove(&name);
        }
    }
    for secret in credentials() {
        command = command.redact(&secret);
    }
    command
}

/// The credentials in the environment of this process, as far as they are long enough to be some.
pub(crate) fn credentials() -> Vec<SecretString> {
    std::env::vars_os()
        .filter(|(name, value)| is_secret(&name.to_string_lossy(), value))
        .map(|(_, value)| value.to_string_lossy().into_owned())
        .filter(|value| value.len() >= SHORTEST)
        .map(SecretString::from)
        .collect()
}

/// Whether the value itself is a credential and not the file that has it.
fn is_secret(name: &str, value: &OsStr) -> bool {
    let path = Path::new(value);
    is_credential(name) && !(path.is_absolute() && path.is_file())
}

fn is_credential(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name == "PAT" || name.ends_with("_PAT") || WORDS.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_known_by_name() {
        for name in [
            "GITHUB_TOKEN",
            "MODAL_TOKEN_SECRET",
            "OPENAI_API_KEY",
            "AWS_ACCESS_KEY_ID",
            "db_password",
            "SSH_PASSPHRASE",
            "ACTIONS_ID_TOKEN_REQUEST_URL",
            "DOCKER_AUTH_CONFIG",
            "GH_PAT",
            "PAT",
            "GH_PAT_OF_A_BOT",
            "SIGNING_KEY",
            "PIPELINE_SIGNING_KEY",
            "COSIGN_KEY",
            "COSIGN_PASSWORD",
            "COSIGN_PRIVATE_KEY",
        ] {
            assert!(is_credential(name), "{name}");
        }
        for name in [
            "PATH",
            "GITHUB_PATH",
            "LD_LIBRARY_PATH",
            "HOME",
            "DOCKER_CONFIG",
            "DOCKER_HOST",
            "REGISTRY_AUTH_FILE",
            "GIT_AUTHOR_NAME",
            "XDG_RUNTIME_DIR",
            "KEYBOARD",
        ] {
            assert!(!is_credential(name), "{name}");
        }
    }

    #[test]
    fn a_file_with_credentials_is_none() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let name = "GOOGLE_APPLICATION_CREDENTIALS";
        assert!(!is_secret(name, file.path().as_os_str()));
        for value in ["/c2VjcmV0/base64", "{\"private_key\": 1}", "relative"] {
            assert!(is_secret(name, OsStr::new(value)), "{value}");
        }
    }
}
