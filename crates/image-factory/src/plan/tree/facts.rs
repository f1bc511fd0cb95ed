//! What `git` itself has to be asked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gix_index::hash::Kind as HashKind;
use process::Command;
use tokio_util::sync::CancellationToken;

/// git answers these questions in a millisecond.
const PATIENCE: Duration = Duration::from_secs(10);

/// What `git` says of a folder.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(super) prefix: String,
    pub(super) index: PathBuf,
    pub(super) attributes: PathBuf,
    pub(super) hash: HashKind,
    /// `core.autocrlf`, or a setting that is not understood.
    pub(super) converts_line_ends: bool,
    /// `core.attributesFile`.
    pub(super) own_attributes: Option<PathBuf>,
}

impl Facts {
    /// Asks `git`, which knows worktrees, its environment and whom to trust. `None` if there is no
    /// git or `root` is in no repository.
    pub(crate) async fn of(root: &Path, cancel: &CancellationToken) -> Option<Self> {
        let git = |words: &[&str]| {
            Command::new("git")
                .args(words)
                .current_dir(root)
                .timeout(PATIENCE)
                .run(cancel)
        };
        let places = [
            "rev-parse",
            "--show-prefix",
            "--git-path",
            "index",
            "--git-path",
            "info/attributes",
            "--show-object-format",
        ];
        let settings = [
            "config",
            "-z",
            "--get-regexp",
            "^core\\.(autocrlf|attributesfile)$",
        ];
        let (places, settings) = futures_util::join!(git(&places), git(&settings));
        let places = match places {
            Ok(output) => output.stdout_text(),
            Err(error) => {
                tracing::debug!(%error, "no git index to look at");
                return None;
            }
        };
        // No settings is exit code 1.
        let settings = settings.map(|output| output.stdout_text());
        Self::read(root, &places, &settings.unwrap_or_default())
    }

    fn read(root: &Path, places: &str, settings: &str) -> Option<Self> {
        let lines: Vec<&str> = places.lines().collect();
        let [prefix, index, attributes, hash] = lines[..] else {
            return None;
        };
        let hash = match hash {
            "sha1" => HashKind::Sha1,
            "sha256" => HashKind::Sha256,
            _ => return None,
        };
        let mut facts = Self {
            prefix: prefix.to_owned(),
            index: root.join(index),
            attributes: root.join(attributes),
            hash,
            converts_line_ends: false,
            own_attributes: None,
        };
        for setting in settings.split('\0') {
            // A name alone means `true`. The last one counts; any one makes us careful.
            let (name, value) = setting.split_once('\n').unwrap_or((setting, "true"));
            match name {
                "core.autocrlf" => {
                    let off = ["false", "no", "off", "0", ""];
                    facts.converts_line_ends |= !off.contains(&value.to_lowercase().as_str());
                }
                "core.attributesfile" => {
                    facts.own_attributes = home(value);
                    facts.converts_line_ends |= facts.own_attributes.is_none();
                }
                _ => {}
            }
        }
        Some(facts)
    }

    /// Where git may look for attributes of all repositories, those that bind least first
    /// (gitattributes(5)).
    pub(super) fn common_attributes(&self) -> impl Iterator<Item = PathBuf> {
        let own = self.own_attributes.clone().or_else(own_attributes);
        shared_attributes().into_iter().chain(own)
    }
}

/// A path of a setting, if it is certain which: the homes of others, and places that git knows by its
/// own installation, are not.
fn home(path: &str) -> Option<PathBuf> {
    match path.strip_prefix("~/") {
        Some(rest) => Some(Path::new(&std::env::var_os("HOME")?).join(rest)),
        None => path.starts_with('/').then(|| PathBuf::from(path)),
    }
}

/// Where git may look for attributes of all repositories: that depends on where it was installed to.
/// The likeliest comes last.
fn shared_attributes() -> Vec<PathBuf> {
    let mut files = vec![PathBuf::from("/etc/gitattributes")];
    let git = process::which("git");
    let real = git.as_ref().and_then(|git| git.canonicalize().ok());
    for program in [git, real].into_iter().flatten() {
        let prefix = program.parent().and_then(Path::parent);
        files.extend(prefix.map(|prefix| prefix.join("etc/gitattributes")));
    }
    files
}

/// Where git looks for attributes of all repositories of a user, unless told otherwise.
fn own_attributes() -> Option<PathBuf> {
    let config = std::env::var_os("XDG_CONFIG_HOME")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".config")));
    Some(config?.join("git/attributes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_git_says_and_is_careful_with_the_rest() {
        let root = Path::new("/r");
        let read = |places: &str, settings: &str| Facts::read(root, places, settings);
        let places = "code/\n../.git/index\n/w/info/attributes\nsha256\n";
        let facts = read(places, "core.autocrlf\nInput\0core.attributesfile\n/a\0").unwrap();
        assert_eq!(facts.index, Path::new("/r/../.git/index"));
        assert_eq!(facts.attributes, Path::new("/w/info/attributes"));
        assert_eq!(facts.hash, HashKind::Sha256);
        assert!(facts.converts_line_ends);
        assert_eq!(facts.own_attributes.unwrap(), Path::new("/a"));
        for unsure in ["~root/attributes", "%(prefix)/attributes", "attributes"] {
            let facts = read(places, &format!("core.attributesfile\n{unsure}\0")).unwrap();
            assert!(facts.converts_line_ends, "{unsure}");
        }
        assert!(
            !read(places, "core.autocrlf\nfalse\0")
                .unwrap()
                .converts_line_ends
        );
        assert!(read(places, "core.autocrlf\0").unwrap().converts_line_ends);
        assert!(read("code/\nx\ny\nsha3\n", "").is_none());
        assert!(read("a\nb/\nx\ny\nsha1\n", "").is_none());
    }
}
