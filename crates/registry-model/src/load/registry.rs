use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{files, paths, reader};
use crate::finding::{Finding, Findings, Severity, code};
use crate::{Entry, Position, ProcessorRef};

/// Where registry files are and what their paths mean.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadOptions {
    /// Patterns for registry files, relative to the root of the repository. `*` stays within a
    /// folder, `**` does not.
    pub globs: Vec<String>,
    /// The folder that `build.context` and `build.dockerfile` are relative to, itself relative to
    /// the root; files named `registry.yaml` have paths relative to their own folder instead.
    pub context: PathBuf,
}

impl Default for LoadOptions {
    fn default() -> Self {
        let globs = [
            "code/apps/core/registry/processors/*.yaml",
            "code/apps/core/registry/processors/*.yml",
            "tools/**/registry.yaml",
        ];
        Self {
            globs: globs.map(String::from).into(),
            context: "code".into(),
        }
    }
}

impl LoadOptions {
    /// Options with these patterns and this context folder.
    pub fn new(
        globs: impl IntoIterator<Item = impl Into<String>>,
        context: impl Into<PathBuf>,
    ) -> Self {
        Self {
            globs: globs.into_iter().map(Into::into).collect(),
            context: context.into(),
        }
    }
}

/// All processors of a repository.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Registry {
    /// The processors, in the order of their files.
    pub entries: Vec<Entry>,
    /// What is worth saying although it stops nothing.
    pub warnings: Vec<Finding>,
}

/// A name, and where it is given.
pub(super) struct Named {
    pub(super) reference: ProcessorRef,
    pub(super) file: PathBuf,
    pub(super) at: Position,
}

impl Registry {
    /// Reads every registry file below `root`, the top folder of the repository.
    ///
    /// # Errors
    /// With everything that is wrong in any of the files, and when there is no file at all.
    pub fn load(root: &Path, options: &LoadOptions) -> Result<Self, Findings> {
        let root = root.canonicalize().map_err(|error| {
            Findings::new(vec![Finding {
                code: code::UNREADABLE,
                file: root.to_owned(),
                line: 1,
                column: 1,
                message: format!("can't open the repository: {error}"),
                hint: None,
                severity: Severity::Error,
            }])
        })?;
        let mut findings = Vec::new();
        let files = files::find(&root, &options.globs, &mut findings);
        if files.is_empty() && findings.is_empty() {
            findings.push(files::nothing_found(&root, &options.globs));
        }
        let root = paths::Root::new(root);
        let read: Vec<_> = files
            .par_iter()
            .map(|file| {
                let (mut names, mut findings) = (Vec::new(), Vec::new());
                let entry = reader::read(&root, file, options, &mut names, &mut findings);
                (entry, names, findings)
            })
            .collect();
        let (mut entries, mut names) = (Vec::new(), Vec::new());
        for (entry, named, found) in read {
            entries.extend(entry);
            names.extend(named);
            findings.extend(found);
        }
        refuse_doubles(&names, &mut findings);

        if findings.iter().any(|f| f.severity == Severity::Error) {
            return Err(Findings::new(findings));
        }
        Ok(Self {
            entries,
            warnings: Findings::new(findings).into_iter().collect(),
        })
    }
}

fn refuse_doubles(names: &[Named], findings: &mut Vec<Finding>) {
    let mut refs: HashMap<String, &Named> = HashMap::new();
    let mut apps: HashMap<String, &Named> = HashMap::new();
    for this in names {
        let reference = &this.reference;
        let app = reference.app_name();
        let place = |other: &Named| format!("{}:{}", other.file.display(), other.at.line);
        let (code, message, hint) = if let Some(first) = refs.get(&reference.to_string()) {
            let message = format!("`{reference}` is already the ref of {}", place(first));
            let hint = "give it another version, or delete one of the two files";
            (code::DUPLICATE_REF, message, hint)
        } else if let Some(first) = apps.get(&app) {
            let other = &first.reference;
            let message = format!(
                "`{reference}` would be deployed as app `{app}`, like `{other}` of {}",
                place(first)
            );
            let hint = "rename one of the two: `/`, `-` and `_` are the same in the name of an app";
            (code::DUPLICATE_APP, message, hint)
        } else {
            refs.insert(reference.to_string(), this);
            apps.insert(app, this);
            continue;
        };
        findings.push(Finding {
            code,
            file: this.file.clone(),
            line: this.at.line,
            column: this.at.column,
            message,
            hint: Some(hint.into()),
            severity: Severity::Error,
        });
    }
}
