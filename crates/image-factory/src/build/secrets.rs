use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use process::Redactor;
use secrecy::SecretString;

use super::csv;
use crate::FactoryError;

/// BuildKit takes no longer ones (moby/buildkit, `session/secrets/secretsprovider/store.go`).
const LONGEST: u64 = 500 * 1024;

/// Something that a Dockerfile may mount: `RUN --mount=type=secret,id=<id>`. Its value is read by
/// buildx alone, from where it is; it is no part of the image, nor of the input key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildSecret {
    id: String,
    source: SecretSource,
}

/// Where the value of a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// In an environment variable of this process.
    Env(String),
    /// In a file, relative to the root of the repository.
    File(PathBuf),
}

/// A text that names no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read a build secret: {problem}")]
pub struct SecretError {
    /// What is wrong. The text itself is not shown: it may be the secret.
    pub problem: &'static str,
}

impl BuildSecret {
    /// A secret with the name `id`, of letters, digits, `_`, `-` and `.`.
    ///
    /// # Errors
    /// When the name, or that of the variable, has other characters or none.
    pub fn new(id: impl Into<String>, source: SecretSource) -> Result<Self, SecretError> {
        let id = id.into();
        let word = |text: &str, more: &[char]| {
            let known = |c: char| c.is_ascii_alphanumeric() || c == '_' || more.contains(&c);
            !text.is_empty() && text.chars().all(known)
        };
        if !word(&id, &['-', '.']) {
            return Err(SecretError {
                problem: "its id may have letters, digits, `_`, `-` and `.` only",
            });
        }
        match &source {
            SecretSource::Env(name) if !word(name, &[]) => Err(SecretError {
                problem: "its environment variable may have letters, digits and `_` only",
            }),
            SecretSource::File(file) if file.as_os_str().is_empty() => Err(SecretError {
                problem: "its file has no name",
            }),
            _ => Ok(Self { id, source }),
        }
    }

    /// What Dockerfiles call it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What `bake` reads: where the value is, never the value.
    pub(super) fn line(&self, root: &Path) -> String {
        match &self.source {
            SecretSource::Env(name) => csv::line([("id", self.id.as_str()), ("env", name)]),
            SecretSource::File(file) => {
                let file = root.join(file);
                csv::line([("id", self.id.as_str()), ("src", &file.to_string_lossy())])
            }
        }
    }

    fn value(&self, root: &Path) -> Result<SecretString, String> {
        let bytes = match &self.source {
            SecretSource::Env(name) => match std::env::var_os(name) {
                // An unset secret of a workflow arrives as an empty text.
                Some(value) if !value.is_empty() => value.to_string_lossy().into_owned().into(),
                _ => return Err(format!("the environment variable `{name}` is not set")),
            },
            SecretSource::File(file) => {
                let mut bytes = Vec::new();
                let read = std::fs::File::open(root.join(file))
                    .and_then(|open| open.take(LONGEST + 1).read_to_end(&mut bytes));
                read.map_err(|error| format!("`{}`: {error}", file.display()))?;
                bytes
            }
        };
        match u64::try_from(bytes.len()) {
            Ok(0) => Err("its file is empty".to_owned()),
            Ok(length) if length <= LONGEST => {
                Ok(String::from_utf8_lossy(&bytes).into_owned().into())
            }
            _ => Err("it is longer than 500 KiB, which BuildKit does not take".to_owned()),
        }
    }
}

impl FromStr for BuildSecret {
    type Err = SecretError;

    /// Reads `id=<id>,env=<variable>` or `id=<id>,src=<file>`, as `docker build --secret` does.
    fn from_str(text: &str) -> Result<Self, SecretError> {
        let bad = |problem| SecretError { problem };
        let fields = csv::split(text.trim()).ok_or_else(|| bad("a quote is not closed"))?;
        let (mut id, mut source) = (None, None);
        for field in fields {
            match field.split_once('=') {
                Some(("id", value)) => id = Some(value.to_owned()),
                Some(("env", name)) => source = Some(SecretSource::Env(name.to_owned())),
                Some(("src" | "source", file)) => source = Some(SecretSource::File(file.into())),
                Some(("type", "env" | "file")) => {}
                _ => {
                    return Err(bad(
                        "write `id=<id>,env=<variable>` or `id=<id>,src=<file>`",
                    ));
                }
            }
        }
        let id = id.ok_or_else(|| bad("it has no `id`"))?;
        let source = source.unwrap_or_else(|| SecretSource::Env(id.clone()));
        Self::new(id, source)
    }
}

/// Checks that every secret has a value, and learns the values so that they can be kept out of
/// what is shown.
pub(super) fn redactor(secrets: &[BuildSecret], root: &Path) -> Result<Redactor, FactoryError> {
    let mut redactor = Redactor::new();
    for secret in secrets {
        let value = secret
            .value(root)
            .map_err(|problem| FactoryError::NoSecret {
                id: secret.id.clone(),
                problem,
            })?;
        redactor.add(&value);
    }
    Ok(redactor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "hunter22\n").unwrap();
        let secret: BuildSecret = "id=pip,src=token".parse().unwrap();
        let line = secret.line(Path::new("/repo"));
        assert_eq!(line, "id=pip,src=/repo/token");
        let redactor = redactor(&[secret], folder.path()).unwrap();
        assert_eq!(redactor.apply("got hunter22"), "got ***");

        let secret: BuildSecret = "id=HOME".parse().unwrap();
        assert_eq!(secret.line(Path::new("/repo")), "id=HOME,env=HOME");
    }

    #[test]
    fn a_secret_without_a_value_is_told_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let problem = |text: &str| {
            let secret = text.parse().unwrap();
            redactor(&[secret], folder.path()).unwrap_err().to_string()
        };
        assert_eq!(
            problem("id=pip,env=NOBODY_SETS_THIS"),
            "hand the build secret `pip` to the builder: \
             the environment variable `NOBODY_SETS_THIS` is not set"
        );
        assert!(problem("id=pip,src=none").contains("`none`: No such file"));
        std::fs::write(folder.path().join("empty"), "").unwrap();
        assert!(problem("id=pip,src=empty").ends_with("its file is empty"));
    }

    #[test]
    fn what_names_no_secret_is_refused() {
        for bad in [
            "",
            "x",
            "env=A",
            "id=a,env=B,c",
            "id=a b",
            "id=a,env=B-C",
            "id=\"a",
        ] {
            assert!(bad.parse::<BuildSecret>().is_err(), "{bad}");
        }
    }
}
