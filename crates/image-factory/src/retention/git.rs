use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use process::{Command, ProcessError};
use tokio_util::sync::CancellationToken;

use super::model::{BranchHistory, PinnedAt};
use super::pins::pins_of;
use crate::FactoryError;

/// Reading takes seconds, even in a large history; a clone that fetches what it lacks takes longer.
const WITHIN: Duration = Duration::from_secs(600);
/// Files that are read by one run of git, so that its output stays small.
const FILES: usize = 1000;

/// Whose pins to read.
#[derive(Clone, Debug)]
pub struct HistoryOptions {
    /// The root of the repository, in a git clone.
    pub root: PathBuf,
    /// Patterns of the registry files, relative to the root.
    pub globs: Vec<String>,
    /// The branches, as they are called at `origin`.
    pub branches: Vec<String>,
    /// Whether earlier pins are wanted.
    pub earlier: bool,
}

/// Reads what each branch pins and has pinned, from the clone alone: the branch as `origin` has it,
/// or a local one where there is no such. The history is that of the branch itself (the first
/// parent of a merge), so that it tells what was pinned *there*.
///
/// # Errors
/// When a branch is not in the clone, or the pins at its head cannot be read.
pub async fn histories(
    options: &HistoryOptions,
    cancel: &CancellationToken,
) -> Result<Vec<BranchHistory>, FactoryError> {
    let git = Git::new(options, cancel)?;
    let shallow = git.run(&["rev-parse", "--is-shallow-repository"]).await?;
    let shallow = shallow.starts_with(b"true");
    let mut histories = Vec::new();
    for branch in &options.branches {
        let at = git.branch(branch).await?;
        let head = git.head(&at).await?;
        let earlier = match options.earlier {
            true => git.earlier(&at).await?,
            false => Vec::new(),
        };
        let ids: BTreeSet<&str> = head.iter().chain(&earlier).map(|file| &*file.id).collect();
        let texts = git.texts(&ids).await?;
        let mut history = BranchHistory {
            branch: branch.clone(),
            shallow,
            ..BranchHistory::default()
        };
        let pins = |file: &File| match texts.get(&file.id) {
            Some(text) => pins_of(text),
            None => Err("git does not have it".to_owned()),
        };
        for file in &head {
            let pins = pins(file).map_err(|problem| FactoryError::UnreadablePins {
                branch: branch.clone(),
                file: file.path.clone(),
                problem,
            })?;
            history.head.extend(pins);
        }
        let mut told = BTreeSet::new();
        for file in &earlier {
            match pins(file) {
                Ok(pins) => history.earlier.extend::<Vec<PinnedAt>>(pins),
                Err(problem) if told.insert(&file.id) => {
                    let what = format!("{} ({}): {problem}", file.path.display(), file.id);
                    history.unreadable.push(what);
                }
                Err(_) => {}
            }
        }
        histories.push(history);
    }
    Ok(histories)
}

/// A version of a file.
struct File {
    path: PathBuf,
    /// The id of its content.
    id: String,
}

struct Git<'a> {
    root: &'a Path,
    matcher: GlobSet,
    /// The folders of the patterns, as pathspecs; empty if one begins at the root.
    below: Vec<String>,
    cancel: &'a CancellationToken,
}

impl<'a> Git<'a> {
    fn new(
        options: &'a HistoryOptions,
        cancel: &'a CancellationToken,
    ) -> Result<Self, FactoryError> {
        let mut set = GlobSetBuilder::new();
        for glob in &options.globs {
            let pattern = glob.trim_start_matches("./");
            let built = GlobBuilder::new(pattern).literal_separator(true).build();
            set.add(built.map_err(|error| bad_glob(glob, &error))?);
        }
        let matcher = set.build().map_err(|error| bad_glob("", &error))?;
        let fixed: BTreeSet<String> = options.globs.iter().map(|glob| fixed_part(glob)).collect();
        let below = match fixed.contains("") {
            true => Vec::new(),
            false => fixed.into_iter().collect(),
        };
        Ok(Self {
            root: &options.root,
            matcher,
            below,
            cancel,
        })
    }

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
        for place in ["refs/remotes/origin/", "refs/heads/"] {
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
    async fn head(&self, at: &str) -> Result<Vec<File>, FactoryError> {
        let mut args = vec!["ls-tree", "-r", "-z", at, "--"];
        args.extend(self.below.iter().map(String::as_str));
        let listed = self.run(&args).await?;
        // `<mode> blob <id>\t<path>`
        let file = |line: &str| {
            let (meta, path) = line.split_once('\t')?;
            let mut meta = meta.split(' ');
            let (mode, id) = (meta.next()?, meta.nth(1)?);
            self.file(mode, id, path)
        };
        let listed = String::from_utf8_lossy(&listed);
        Ok(listed.split('\0').filter_map(file).collect())
    }

    /// Every version of every registry file that the branch had, the latest first.
    async fn earlier(&self, at: &str) -> Result<Vec<File>, FactoryError> {
        let mut args = vec![
            "log",
            "--first-parent",
            "-m",
            "--format=",
            "--raw",
            "--no-abbrev",
        ];
        args.extend(["--no-renames", "--relative", "-z", at, "--"]);
        let below: Vec<String> = self
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
                files.extend(self.file(mode, id, path));
            }
        }
        Ok(files)
    }

    /// A version of a registry file, unless it is something else.
    fn file(&self, mode: &str, id: &str, path: &str) -> Option<File> {
        // Neither symbolic links nor submodules, nor the nothing of a deleted file.
        let is_file = mode.starts_with("100");
        (is_file && self.matcher.is_match(path)).then(|| File {
            path: path.into(),
            id: id.to_owned(),
        })
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

/// The folders of a pattern before its first special character.
fn fixed_part(glob: &str) -> String {
    let special = |part: &str| part.contains(['*', '?', '[', '{', '\\']);
    let parts: Vec<String> = Path::new(glob)
        .components()
        .filter(|part| *part != Component::CurDir)
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .take_while(|part| !special(part))
        .collect();
    parts.join("/")
}

fn bad_glob(glob: &str, error: &globset::Error) -> FactoryError {
    FactoryError::UnreadablePins {
        branch: "every branch".to_owned(),
        file: glob.into(),
        problem: error.kind().to_string(),
    }
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

    #[test]
    fn only_the_folders_of_the_patterns_are_listed() {
        assert_eq!(fixed_part("./tools/**/registry.yaml"), "tools");
        assert_eq!(fixed_part("a/b/{x,y}.yaml"), "a/b");
        assert_eq!(fixed_part("**/registry.yaml"), "");
    }
}
