//! Which files are registry files.

use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use walkdir::WalkDir;

use crate::finding::{Finding, Severity, code};

fn finding(code: &'static str, file: &Path, message: String, hint: Option<String>) -> Finding {
    Finding {
        code,
        file: file.to_owned(),
        line: 1,
        column: 1,
        message,
        hint,
        severity: Severity::Error,
    }
}

/// A registry file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    /// Relative to the root.
    pub(super) path: PathBuf,
    /// It may also be a link, or nothing that can be read.
    pub(super) is_regular: bool,
}

/// The registry files below `root`, sorted, each once.
pub(super) fn find(root: &Path, globs: &[String], findings: &mut Vec<Finding>) -> Vec<Found> {
    let mut files = Vec::new();
    for glob in globs {
        match compile(glob) {
            Ok(matcher) => walk(root, &fixed_part(glob), &matcher, &mut files, findings),
            Err(problem) => findings.push(finding(
                code::BAD_GLOB,
                Path::new(glob),
                format!("can't look for registry files: {problem}"),
                Some(
                    "give a pattern relative to the repository, as in `tools/**/registry.yaml`"
                        .into(),
                ),
            )),
        }
    }
    files.sort();
    files.dedup();
    files
}

/// The finding for a repository without registry files.
pub(super) fn nothing_found(root: &Path, globs: &[String]) -> Finding {
    let looked: Vec<String> = globs.iter().map(|glob| format!("`{glob}`")).collect();
    finding(
        code::NO_REGISTRY_FILES,
        Path::new("."),
        format!("no registry file below {}", root.display()),
        Some(format!(
            "looked for {}; give other patterns in `pipeline.yml` if the files live elsewhere",
            looked.join(", ")
        )),
    )
}

fn compile(glob: &str) -> Result<GlobMatcher, String> {
    let leaves = |part| !matches!(part, Component::Normal(_) | Component::CurDir);
    if glob.is_empty() || Path::new(glob).components().any(leaves) {
        return Err("the pattern is empty, absolute or has `..`".into());
    }
    GlobBuilder::new(glob.trim_start_matches("./"))
        .literal_separator(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|error| error.kind().to_string())
}

/// The folders of the pattern before its first special character: no need to look elsewhere.
fn fixed_part(glob: &str) -> PathBuf {
    let fixed: PathBuf = Path::new(glob)
        .components()
        .take_while(|part| {
            !part
                .as_os_str()
                .to_string_lossy()
                .contains(['*', '?', '[', '{', '\\'])
        })
        .collect();
    match fixed == Path::new(glob) {
        true => fixed.parent().map(Path::to_owned).unwrap_or_default(),
        false => fixed,
    }
}

fn walk(
    root: &Path,
    below: &Path,
    matcher: &GlobMatcher,
    files: &mut Vec<Found>,
    findings: &mut Vec<Finding>,
) {
    let start = root.join(below);
    if !start.exists() {
        return;
    }
    let visible = |entry: &walkdir::DirEntry| entry.file_name() != ".git";
    for entry in WalkDir::new(start).into_iter().filter_entry(visible) {
        match entry {
            Ok(entry) => {
                let relative = entry.path().strip_prefix(root).unwrap_or(entry.path());
                // A symbolic link may be a registry file; where it leads is checked on reading.
                if matcher.is_match(relative) && !entry.file_type().is_dir() {
                    files.push(Found {
                        path: relative.to_owned(),
                        is_regular: entry.file_type().is_file(),
                    });
                }
            }
            Err(error) => {
                let path = error.path().unwrap_or(root);
                findings.push(finding(
                    code::UNREADABLE,
                    path.strip_prefix(root).unwrap_or(path),
                    format!("can't look for registry files: {error}"),
                    None,
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_starts_as_deep_as_the_pattern_allows() {
        let start = |glob| fixed_part(glob).to_string_lossy().into_owned();
        assert_eq!(start("code/registry/*.yaml"), "code/registry");
        assert_eq!(start("tools/**/registry.yaml"), "tools");
        assert_eq!(start("**/registry.yaml"), "");
        assert_eq!(start("tools/a/registry.yaml"), "tools/a");
    }

    #[test]
    fn patterns_that_leave_the_repository_are_refused() {
        for bad in [
            "",
            "/etc/*.yaml",
            "../*.yaml",
            "a/../../*.yaml",
            "a/[",
            "{a",
        ] {
            assert!(compile(bad).is_err(), "{bad}");
        }
        let matcher = compile("./tools/**/registry.yaml").unwrap();
        assert!(matcher.is_match("tools/llm/litellm/1/registry.yaml"));
        assert!(!compile("code/*.yaml").unwrap().is_match("code/a/b.yaml"));
    }
}
