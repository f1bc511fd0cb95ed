use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use process::{Command, which};
use tokio_util::sync::CancellationToken;

use super::ModalError;

/// Asks an interpreter for its version and for the folder with the client package, on two lines.
const QUESTION: &str = "import importlib.util, os, sys\n\
    print('%d.%d' % sys.version_info[:2])\n\
    spec = importlib.util.find_spec('modal')\n\
    print(os.path.dirname(os.path.dirname(spec.origin)) if spec else '')";

/// Folders with Modal's client package, by the version of Python (`3.11`) they are compiled for.
///
/// A container gets them all, and takes the one of its own Python.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientPackages(BTreeMap<String, PathBuf>);

impl ClientPackages {
    /// None: every call fails and says what to install.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds the folder of one version, as in `add("3.11", "/venv/lib/python3.11/site-packages")`.
    #[must_use]
    pub fn add(mut self, python: &str, folder: impl Into<PathBuf>) -> Self {
        self.0.insert(python.to_owned(), folder.into());
        self
    }

    /// The folder for one version of Python.
    #[must_use]
    pub fn for_python(&self, version: &str) -> Option<&Path> {
        self.0.get(version).map(PathBuf::as_path)
    }

    /// All folders with the version they are for.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.0
            .iter()
            .map(|(version, folder)| (version.as_str(), folder.as_path()))
    }

    /// Adds every `modal-client-cp<XY>` folder below `cache`, as
    /// `pip install --target <cache>/modal-client-cp312 --python-version 3.12
    /// --only-binary=:all: modal` makes them.
    #[must_use]
    pub fn with_cache(mut self, cache: &Path) -> Self {
        let entries = std::fs::read_dir(cache).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            let version = name
                .to_str()
                .and_then(|name| name.strip_prefix("modal-client-cp3"))
                .filter(|minor| minor.bytes().all(|b| b.is_ascii_digit()) && !minor.is_empty());
            if let Some(minor) = version {
                self.0.entry(format!("3.{minor}")).or_insert(entry.path());
            }
        }
        self
    }

    /// Adds the packages that `python` itself imports.
    ///
    /// # Errors
    /// When the interpreter does not run, or has no client package.
    pub async fn with_interpreter(
        self,
        python: &Path,
        cancel: &CancellationToken,
    ) -> Result<Self, ModalError> {
        let output = Command::new(python)
            .args(["-c", QUESTION])
            .run(cancel)
            .await?;
        let text = output.stdout_text();
        let mut lines = text.lines();
        match (lines.next(), lines.next()) {
            (Some(version), Some(folder)) if !folder.is_empty() => Ok(self.add(version, folder)),
            _ => Err(ModalError::NoClient {
                python: python.to_owned(),
            }),
        }
    }

    /// The packages of `PIPELINE_PYTHON`, else of the interpreter beside the `modal` program
    /// (`PIPELINE_MODAL`, else the one on `PATH`), and those of the tools folder (`PIPELINE_TOOLS`,
    /// else `<user cache>/pipeline/tools`).
    ///
    /// # Errors
    /// When there is no such interpreter, or it has no client package.
    pub async fn discover(cancel: &CancellationToken) -> Result<Self, ModalError> {
        let python = interpreter().ok_or(ModalError::NoInterpreter)?;
        let found = Self::none().with_interpreter(&python, cancel).await?;
        Ok(match cache() {
            Some(cache) => found.with_cache(&cache),
            None => found,
        })
    }
}

fn interpreter() -> Option<PathBuf> {
    if let Some(python) = std::env::var_os("PIPELINE_PYTHON") {
        return which(&python);
    }
    let modal = match std::env::var_os("PIPELINE_MODAL") {
        Some(modal) => which(&modal)?,
        None => which("modal")?,
    };
    // Installers for programs put a link on PATH; the interpreter is beside its target.
    let python = modal.canonicalize().ok()?.with_file_name("python");
    which(&python)
}

/// The folder in which set-up keeps tools.
fn cache() -> Option<PathBuf> {
    if let Some(tools) = std::env::var_os("PIPELINE_TOOLS").filter(|tools| !tools.is_empty()) {
        return Some(tools.into());
    }
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    Some(base.join("pipeline/tools"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_adds_versions_and_replaces_none() {
        let cache = tempfile::tempdir().unwrap();
        for name in [
            "modal-client-cp312",
            "modal-client-cp311",
            "modal-client-cp3x",
            "other",
        ] {
            std::fs::create_dir(cache.path().join(name)).unwrap();
        }
        let packages = ClientPackages::none()
            .add("3.11", "/own")
            .with_cache(cache.path());
        let versions: Vec<&str> = packages.iter().map(|(version, _)| version).collect();
        assert_eq!(versions, ["3.11", "3.12"]);
        assert_eq!(packages.for_python("3.11"), Some(Path::new("/own")));
    }
}
