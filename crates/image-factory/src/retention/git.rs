use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use process::{Command, ProcessError};
use registry_model::LoadOptions;
use tokio_util::sync::CancellationToken;

use super::globs::Globs;
use super::model::BranchHistory;
use super::pins::{Pins, pins_of};
use crate::FactoryError;

/// Reading takes seconds, even in a large history; a clone that fetches what it lacks takes longer.
const WITHIN: Duration = Duration::from_secs(600);
/// Files that are read by one run of git, so that its output stays small.
const FILES: usize = 1000;
/// Where git keeps the branches of `origin`, and those of the clone itself.
const ORIGIN: &str = "refs/remotes/origin/";
const HERE: &str = "refs/heads/";
/// How the mode of a file begins; not that of a symbolic link, a submodule, or of nothing.
const PLAIN: &str = "100";

/// A branch, and where its registry files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// As it is called at `origin`.
    pub name: String,
    /// Patterns of its registry files, relative to the root.
    pub globs: Vec<String>,
}

/// Whose pins to read.
#[derive(Clone, Debug)]
pub struct HistoryOptions {
    /// The root of the repository, in a git clone.
    pub root: PathBuf,
    /// The branches whose pins count, now and earlier.
    pub branches: Vec<Branch>,
    /// Branches that only propose pins: what they had earlier counts nowhere.
    pub requests: Vec<Branch>,
    /// Whether earlier pins are wanted.
    pub earlier: bool,
}

/// The names of the branches that match one of the patterns, as in `bot/pin-*`.
///
/// # Errors
/// When this is no git clone.
pub async fn branches_like(
    root: &Path,
    patterns: &[String],
    cancel: &CancellationToken,
) -> Result<Vec<String>, FactoryError> {
    let git = Git { root, cancel };
    let mut names = BTreeSet::new();
    for (place, parts) in [(ORIGIN, 3), (HERE, 2)] {
        if patterns.is_empty() {
            break;
        }
        let format = format!("--format=%(refname:lstrip={parts})");
        let wanted: Vec<String> = patterns.iter().map(|one| format!("{place}{one}")).collect();
        let mut args = vec!["for-each-ref", &format];
        args.extend(wanted.iter().map(String::as_str));
        let listed = git.run(&args).await?;
        let listed = String::from_utf8_lossy(&listed);
        names.extend(listed.lines().map(str::to_owned));
    }
    Ok(names.into_iter().collect())
}

/// A file at the head of a branch, if it is there.
///
/// # Errors
/// When the branch is not in the clone, or the file is no plain file.
pub async fn read_file(
    root: &Path,
    branch: &str,
    path: &str,
    cancel: &CancellationToken,
) -> Result<Option<Vec<u8>>, FactoryError> {
    let git = Git { root, cancel };
    let at = git.branch(branch).await?;
    let listed = git.run(&["ls-tree", "-z", &at, "--", path]).await?;
    let listed = String::from_utf8_lossy(&listed);
    let mut words = listed.split([' ', '\t']);
    let (Some(mode), Some(id)) = (words.next().filter(|mode| !mode.is_empty()), words.nth(1))
    else {
        return Ok(None);
    };
    let text = match mode.starts_with(PLAIN) {
        true => git.texts(&BTreeSet::from([id])).await?.remove(id),
        false => None,
    };
    text.map(Some).ok_or_else(|| FactoryError::UnreadablePins {
        branch: branch.to_owned(),
        file: path.into(),
        problem: "it is no plain file".to_owned(),
    })
}

/// Reads what each branch pins and has pinned, from the clone alone: the branch as `origin` has it,
/// or a local one where there is no such. The history is that of the branch itself (the first
/// parent of a merge), so that it tells what was pinned *there*. Earlier pins are also looked for
/// where the other branches have their registry files, and in the usual places.
///
/// # Errors
/// When a branch is not in the clone, has no registry file, or its pins cannot be read.
pub async fn histories(
    options: &HistoryOptions,
    cancel: &CancellationToken,
) -> Result<Vec<BranchHistory>, FactoryError> {
    let git = Git {
        root: &options.root,
        cancel,
    };
    let shallow = git.run(&["rev-parse", "--is-shallow-repository"]).await?;
    let shallow = shallow.starts_with(b"true");
    let usual = LoadOptions::default().globs;
    let all = options.branches.iter().flat_map(|branch| &branch.globs);
    let anywhere = Globs::new(&all.chain(&usual).cloned().collect::<Vec<_>>())?;
    let mut histories = Vec::new();
    for branch in &options.branches {
        let earlier = options.earlier.then_some(&anywhere);
        let mut history = history(&git, branch, earlier).await?;
        history.shallow = shallow && options.earlier;
        histories.push(history);
    }
    for branch in &options.requests {
        histories.push(history(&git, branch, None).await?);
    }
    Ok(histories)
}

/// What one branch has, and what it had in the files of `earlier`.
async fn history(
    git: &Git<'_>,
    branch: &Branch,
    earlier: Option<&Globs>,
) -> Result<BranchHistory, FactoryError> {
    let name = &branch.name;
    let at = git.branch(name).await?;
    let head = git.head(&at, &Globs::new(&branch.globs)?).await?;
    if head.is_empty() {
        return Err(FactoryError::NoPinFiles {
            branch: name.clone(),
            globs: branch.globs.clone(),
        });
    }
    let earlier = match earlier {
        Some(globs) => git.earlier(&at, globs).await?,
        None => Vec::new(),
    };
    let ids: BTreeSet<&str> = head.iter().chain(&earlier).map(|file| &*file.id).collect();
    let texts = git.texts(&ids).await?;
    let unreadable = |file: &File, problem: String| FactoryError::UnreadablePins {
        branch: name.clone(),
        file: file.path.clone(),
        problem,
    };
    let text = |file: &File| {
        let text = texts.get(&file.id);
        text.ok_or_else(|| unreadable(file, format!("git does not have {}", file.id)))
    };
    let mut history = BranchHistory {
        branch: name.clone(),
        ..BranchHistory::default()
    };
    for file in &head {
        let Pins { processors, pins } =
            pins_of(text(file)?).map_err(|problem| unreadable(file, problem))?;
        history.processors.extend(processors);
        history.head.extend(pins);
    }
    let mut told = BTreeSet::new();
    for file in &earlier {
        match pins_of(text(file)?) {
            Ok(Pins { pins, .. }) => history.earlier.extend(pins),
            Err(problem) if told.insert(&file.id) => {
                let what = format!("{} ({}): {problem}", file.path.display(), file.id);
                history.unreadable.push(what);
            }
            Err(_) => {}
        }
    }
    Ok(history)
}

/// A version of a file.
struct File {
    path: PathBuf,
    /// The id of its content.
    id: String,
}

impl File {
    /// A version of a registry file, unless it is something else.
    fn of(globs: &Globs, mode: &str, id: &str, path: &str) -> Option<Self> {
        let is_file = mode.starts_with(PLAIN) && globs.matcher.is_match(path);
        is_file.then(|| Self {
            path: path.into(),
            id: id.to_owned(),
        })
    }
}

struct Git<'a> {
    root: &'a Path,
    cancel: &'a CancellationToken,
}

impl Git<'_> {
    fn command(&self) -> Command {
        Command::new("git")
            .arg("--no-pager")
            // A replacement or a graft would tell of another history.
            .arg("--no-replace-objects")
            .current_dir(self.root)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .timeout(WITHIN)
    }

    async fn run(&self, args: &[&str]) -> Result<Vec<u8>, FactoryError> {
        let ran = self.command().args(args).run(self.cancel).await;
        ran.map(|output| output.stdout)
            .map_err(FactoryError::History)
    }

    /// The full name of the reference for a branch.
    async fn branch(&self, branch: &str) -> Result<String, FactoryError> {
        for place in [ORIGIN, HERE] {
            let name = format!("{place}{branch}");
            let commit = format!("{name}^{{commit}}");
            let ran = self
                .command()
                .args(["rev-parse", "--quiet", "--verify", &commit])
                .run(self.cancel)
                .await;
            match ran {
                Ok(_) => return Ok(name),
                Err(ProcessError::Failed { .. }) => {}
                Err(error) => return Err(FactoryError::History(error)),
            }
        }
        Err(FactoryError::NoBranch {
            branch: branch.to_owned(),
        })
    }

    /// The registry files at the head.
    async fn head(&self, at: &str, globs: &Globs) -> Result<Vec<File>, FactoryError> {
        let mut args = vec!["ls-tree", "-r", "-z", at, "--"];
        args.extend(globs.below.iter().map(String::as_str));
        let listed = self.run(&args).await?;
        // `<mode> blob <id>\t<path>`
        let file = |line: &str| {
            let (meta, path) = line.split_once('\t')?;
            let mut meta = meta.split(' ');
            let (mode, id) = (meta.next()?, meta.nth(1)?);
            File::of(globs, mode, id, path)
        };
        let listed = String::from_utf8_lossy(&listed);
        Ok(listed.split('\0').filter_map(file).collect())
    }

    /// Every version of every registry file that the branch had, the latest first.
    async fn earlier(&self, at: &str, globs: &Globs) -> Result<Vec<File>, FactoryError> {
        let mut args = vec![
            "log",
            "--first-parent",
            "-m",
            "--format=",
            "--raw",
            "--no-abbrev",
        ];
        args.extend(["--no-renames", "--relative", "-z", at, "--"]);
        let below: Vec<String> = globs
            .below
            .iter()
            .map(|path| format!(":(literal){path}"))
            .collect();
        args.extend(below.iter().map(String::as_str));
        let listed = self.run(&args).await?;
        let listed = String::from_utf8_lossy(&listed);
        let mut words = listed.split('\0').map(str::trim_start);
        let mut files = Vec::new();
        // `:<mode> <mode> <id> <id> <status>`, then the path.
        while let Some(word) = words.next() {
            let Some(meta) = word.strip_prefix(':') else {
                continue;
            };
            let Some(path) = words.next() else { break };
            let meta: Vec<&str> = meta.split(' ').collect();
            if let [_, mode, _, id, _] = meta[..] {
                files.extend(File::of(globs, mode, id, path));
            }
        }
        Ok(files)
    }

    /// The content of each id.
    async fn texts(&self, ids: &BTreeSet<&str>) -> Result<BTreeMap<String, Vec<u8>>, FactoryError> {
        let ids: Vec<&str> = ids.iter().copied().collect();
        let mut texts = BTreeMap::new();
        for some in ids.chunks(FILES) {
            let command = self.command().args(["cat-file", "--batch"]);
            let wanted: String = some.iter().map(|id| format!("{id}\n")).collect();
            let ran = command.stdin(wanted).run(self.cancel).await;
            let output = ran.map_err(FactoryError::History)?.stdout;
            // What is cut off is missing here, and told of where it is needed.
            texts.extend(contents(&output));
        }
        Ok(texts)
    }
}

/// `<id> blob <size>\n<content>\n`, again and again.
fn contents(mut output: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut contents = Vec::new();
    while let Some(end) = output.iter().position(|byte| *byte == b'\n') {
        let head = String::from_utf8_lossy(&output[..end]).into_owned();
        output = &output[end + 1..];
        let words: Vec<&str> = head.split(' ').collect();
        let [id, "blob", size] = words[..] else {
            continue;
        };
        let Some(content) = size.parse().ok().and_then(|size: usize| output.get(..size)) else {
            break;
        };
        contents.push((id.to_owned(), content.to_vec()));
        output = output.get(content.len() + 1..).unwrap_or_default();
    }
    contents
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_cut_at_their_sizes() {
        let output = b"aa blob 3\nx\ny\nbb missing\ncc blob 0\n\ndd blob 99\nshort\n";
        let seen = contents(output);
        let expected = [
            ("aa".to_owned(), b"x\ny".to_vec()),
            ("cc".to_owned(), Vec::new()),
        ];
        assert_eq!(seen, expected);
    }
}
