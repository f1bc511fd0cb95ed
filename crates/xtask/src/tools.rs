use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The version of Modal's client that deploys; pinned, because its protocol is what we test.
pub(crate) const MODAL: &str = "1.6.4";
/// The S3 service of the example's compose stack; the newest that the pinned Rust builds.
pub(crate) const S3S_FS: &str = "0.14.1";

/// The folder that keeps what this repository installs for itself.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// `PIPELINE_TOOLS`, else `pipeline/tools` in the user's cache folder.
    ///
    /// # Errors
    /// When none of the variables that lead to it is set.
    pub(crate) fn locate() -> Result<Self, Error> {
        Self::from_variables(|name| std::env::var_os(name).filter(|value| !value.is_empty()))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        let folder = if let Some(folder) = variable("PIPELINE_TOOLS") {
            PathBuf::from(folder)
        } else if let Some(cache) = variable("XDG_CACHE_HOME") {
            Path::new(&cache).join("pipeline/tools")
        } else {
            let home = variable("HOME").ok_or(Error::NoToolsFolder)?;
            Path::new(&home).join(".cache/pipeline/tools")
        };
        let folder = std::path::absolute(&folder)
            .map_err(|error| Error::io(format!("resolve {}", folder.display()), error))?;
        Ok(Self { folder })
    }

    #[cfg(test)]
    pub(crate) fn at(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Programs; goes first on the `PATH` of children.
    pub(crate) fn bin(&self) -> PathBuf {
        self.folder.join("bin")
    }

    /// A Docker engine that is newer than the distribution's.
    pub(crate) fn engine(&self) -> PathBuf {
        self.folder.join("engine")
    }

    /// The virtual environment with Modal's client.
    pub(crate) fn modal(&self) -> PathBuf {
        self.folder.join(format!("modal-{MODAL}"))
    }

    /// The virtual environment of the bench's baselines.
    pub(crate) fn bench(&self) -> PathBuf {
        self.folder.join("bench-python")
    }

    /// The program of that name: in this folder, on `PATH`, or where administrators' tools are.
    pub(crate) fn find(&self, program: &str) -> Option<PathBuf> {
        process::which(self.bin().join(program))
            .or_else(|| process::which(program))
            .or_else(|| process::which(Path::new("/usr/sbin").join(program)))
            .or_else(|| process::which(Path::new("/sbin").join(program)))
    }

    /// What children get so that they find the tools.
    ///
    /// # Errors
    /// When `PATH` cannot be put together.
    pub(crate) fn environment(&self) -> Result<Vec<(&'static str, OsString)>, Error> {
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let bin = self.bin();
        let rest: Vec<PathBuf> = std::env::split_paths(&inherited)
            .filter(|folder| *folder != bin)
            .collect();
        let folders = std::iter::once(bin)
            .chain(rest)
            .chain(["/usr/sbin".into(), "/sbin".into()]);
        let path = std::env::join_paths(folders).map_err(|error| Error::format("PATH", error))?;
        Ok(vec![
            ("PATH", path),
            ("PIPELINE_TOOLS", self.folder.clone().into()),
            ("PIPELINE_MODAL", self.modal().join("bin/modal").into()),
            ("PIPELINE_PYTHON", self.modal().join("bin/python").into()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(variables: &[(&str, &str)]) -> Option<String> {
        let get = |name: &str| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| OsString::from(value))
        };
        let tools = Tools::from_variables(get).ok()?;
        Some(tools.folder().display().to_string())
    }

    #[test]
    fn the_nearest_variable_wins() {
        let all = [
            ("HOME", "/home/a"),
            ("XDG_CACHE_HOME", "/cache"),
            ("PIPELINE_TOOLS", "/tools"),
        ];
        assert_eq!(folder(&all).as_deref(), Some("/tools"));
        assert_eq!(folder(&all[..2]).as_deref(), Some("/cache/pipeline/tools"));
        assert_eq!(
            folder(&all[..1]).as_deref(),
            Some("/home/a/.cache/pipeline/tools")
        );
        assert_eq!(folder(&[]), None);
    }
}
