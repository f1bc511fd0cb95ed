use std::fmt;
use std::path::{Component, Path, PathBuf};

use crate::ModalError;

/// The Python file that defines the Modal app, in the form that every 1.x command line takes.
///
/// `modal deploy code/modal_app.py` works; `-m code/modal_app.py` does not, and neither does
/// `-m code.modal_app`, because the standard library has a module `code` of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppFile {
    /// Relative to the root of the repository.
    path: PathBuf,
    /// The object in it, from `file.py::name`.
    object: Option<String>,
}

impl AppFile {
    /// Finds the file that `given`, a path or a dotted module, names below `root`.
    ///
    /// # Errors
    /// [`ModalError::AppFile`] when there is none, or when it is outside of the repository.
    pub fn find(root: &Path, given: &str) -> Result<Self, ModalError> {
        let wrong = |problem: String| ModalError::AppFile {
            given: given.to_owned(),
            problem,
        };
        let (name, object) = match given.split_once("::") {
            Some((name, object)) => (name, Some(object.to_owned())),
            None => (given, None),
        };
        let dotted = !name.contains('/') && !name.ends_with(".py");
        let path = if dotted {
            PathBuf::from(format!("{}.py", name.replace('.', "/")))
        } else {
            let path = Path::new(name);
            path.strip_prefix(root).unwrap_or(path).to_path_buf()
        };
        let path: PathBuf = path
            .components()
            .filter(|part| *part != Component::CurDir)
            .collect();
        let inside = path
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !inside || path.as_os_str().is_empty() {
            return Err(wrong("it is outside of the repository".to_owned()));
        }
        if path.to_string_lossy().starts_with('-') {
            return Err(wrong(
                "a name that starts with `-` reads as an option".to_owned(),
            ));
        }
        if !root.join(&path).is_file() {
            let shown = path.display();
            return Err(wrong(format!(
                "there is no file `{shown}` in the repository"
            )));
        }
        Ok(Self { path, object })
    }

    /// The file, relative to the root of the repository.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for AppFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.object
            .iter()
            .try_for_each(|object| write!(f, "::{object}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("code")).unwrap();
        std::fs::write(root.path().join("code/modal_app.py"), "").unwrap();
        std::fs::write(root.path().join("app.py"), "").unwrap();
        std::fs::write(root.path().join("-m.py"), "").unwrap();
        root
    }

    #[test]
    fn takes_paths_and_dotted_modules() {
        let root = repository();
        let absolute = root.path().join("code/modal_app.py");
        for (given, expected) in [
            ("code/modal_app.py", "code/modal_app.py"),
            ("./code/./modal_app.py", "code/modal_app.py"),
            ("code.modal_app", "code/modal_app.py"),
            ("code.modal_app::app", "code/modal_app.py::app"),
            ("app.py", "app.py"),
            ("app", "app.py"),
            (absolute.to_str().unwrap(), "code/modal_app.py"),
        ] {
            let found = AppFile::find(root.path(), given).unwrap();
            assert_eq!(found.to_string(), expected, "{given}");
        }
    }

    #[test]
    fn refuses_what_is_missing_outside_or_an_option() {
        let root = repository();
        for (given, says) in [
            ("code/other.py", "no file `code/other.py`"),
            ("code.other", "no file `code/other.py`"),
            ("code", "no file `code.py`"),
            ("../x.py", "outside"),
            ("code/../../x.py", "outside"),
            ("/etc/x.py", "outside"),
            ("./", "outside"),
            ("-m.py", "reads as an option"),
        ] {
            let error = AppFile::find(root.path(), given).unwrap_err();
            assert!(error.to_string().contains(says), "{given}: {error}");
            assert_eq!(error.class().exit_code(), 2);
        }
    }
}
