use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use process::Command;
use tokio_util::sync::CancellationToken;

use super::*;

/// A repository of files whose context is `code`.
struct Project(tempfile::TempDir);

const FILES: &[(&str, &str)] = &[
    ("code/a/Dockerfile", "FROM scratch"),
    ("code/lib/io.py", "x = 1"),
    ("code/lib/deep/test.py", "test"),
    ("other/file", "outside"),
];

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            project.write(path, text);
        }
        project
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    async fn git(&self, words: &[&str]) {
        let user = ["-c", "user.name=x", "-c", "user.email=x@example.org"];
        Command::new("git")
            .args(user)
            .args(words)
            .current_dir(self.root())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .run(&CancellationToken::new())
            .await
            .expect("this test needs git: apt-get install git");
    }

    /// Commits everything, as long ago as it takes to trust the index.
    async fn commit(&self, init: &[&str]) {
        self.git(&[&["init", "--quiet"], init].concat()).await;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        self.git(&["add", "--all"]).await;
        self.git(&["commit", "--quiet", "--message", "x"]).await;
    }

    fn show(&self, git: Git) -> Result<Tree, crate::FactoryError> {
        let context = Path::new("code");
        let file = ignore_file(self.root(), Path::new("code/a/Dockerfile"))
            .or_else(|| ignore_file_of_context(self.root(), context));
        let rules = file
            .as_ref()
            .map(|file| std::fs::read(self.root().join(file)).unwrap());
        let view = View {
            context: context.to_path_buf(),
            rules: rules.map(Arc::from),
        };
        let files = Files {
            root: self.root().to_path_buf(),
            edits: Arc::default(),
            reports: Arc::default(),
        };
        let registry_files = [PathBuf::from("code/registry/x.yaml")];
        let cancel = CancellationToken::new();
        let disk = Disk::new(files, Arc::new(git), &registry_files, cancel);
        let mut wanted = Wanted::default();
        wanted.everything();
        on_threads(|| Tree::show(&disk, &view, file.as_deref(), &wanted))
    }

    /// Writes the files anew, after whatever came before, and has git look at them.
    async fn renew(&self) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        for (path, text) in FILES {
            self.write(path, text);
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        self.git(&["add", "--all"]).await;
    }

    /// The hash without git.
    fn hash(&self) -> [u8; 32] {
        *self.show(Git::none()).unwrap().hash().unwrap()
    }

    async fn open(&self) -> Git {
        let facts = Facts::of(self.root(), &CancellationToken::new()).await;
        Git::open(self.root(), Some(facts.expect("a repository")))
    }

    async fn hash_with_git(&self) -> [u8; 32] {
        *self.show(self.open().await).unwrap().hash().unwrap()
    }

    fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        self.show(Git::none()).unwrap().files(&mut |path, _, _| {
            files.push(path.to_string_lossy().into_owned());
        });
        files
    }

    /// What is taken from the index without reading the file.
    async fn trusted(&self) -> BTreeSet<String> {
        let git = self.open().await;
        let mut trusted = BTreeSet::new();
        for path in self.files() {
            let path = Path::new(&path);
            let stat = rustix::fs::lstat(self.root().join(path)).unwrap();
            let mode = match rustix::fs::FileType::from_raw_mode(stat.st_mode).is_symlink() {
                true => FileMode::Link,
                false => FileMode::File,
            };
            let name = path.file_name().unwrap().to_str().unwrap().as_bytes();
            let part = git.below(path.parent().unwrap());
            if part.id(name, mode, &git::looks(&stat)).is_some() {
                trusted.insert(path.to_string_lossy().into_owned());
            }
        }
        trusted
    }
}

fn names(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn changes_with_path_content_mode_and_link_target() {
    let project = Project::new(FILES);
    let mut hashes = vec![project.hash()];
    project.write("code/lib/io.py", "x = 2");
    hashes.push(project.hash());
    let script = project.root().join("code/lib/io.py");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    hashes.push(project.hash());
    std::fs::rename(&script, project.root().join("code/lib/io2.py")).unwrap();
    hashes.push(project.hash());
    let link = project.root().join("code/link");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    hashes.push(project.hash());
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("elsewhere", &link).unwrap();
    hashes.push(project.hash());
    let count = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), count);
}

#[test]
fn ignores_times_pins_ignored_files_git_and_what_lies_outside() {
    let project = Project::new(FILES);
    project.write("code/.dockerignore", "**/test*\n");
    let registry = "ref: x/y@1\nimage:\n  oci: sha256:pending\n";
    project.write("code/registry/x.yaml", registry);
    let before = project.hash();
    project.write("code/lib/io.py", "x = 1");
    project.write("code/lib/deep/test.py", "changed");
    project.write(
        "code/registry/x.yaml",
        "ref: x/y@1\nimage:\n  oci: ghcr.io/a/b@sha256:1\n",
    );
    project.write("other/file", "changed");
    project.write("code/.git/HEAD", "changed");
    std::fs::create_dir_all(project.root().join("code/empty")).unwrap();
    assert_eq!(project.hash(), before);
    project.write("code/registry/x.yaml", &format!("{registry}more: 1\n"));
    assert_ne!(project.hash(), before);
}

#[test]
fn the_dockerfiles_own_ignore_file_wins() {
    let project = Project::new(FILES);
    project.write("code/.dockerignore", "lib\n");
    assert_eq!(project.files(), ["code/.dockerignore", "code/a/Dockerfile"]);
    project.write("code/a/Dockerfile.dockerignore", "*\n!lib/deep\n");
    assert_eq!(project.files(), ["code/lib/deep/test.py"]);
}

#[test]
fn too_many_folders_in_folders_are_refused() {
    let project = Project::new(FILES);
    project.write(&format!("code/{}/x", "d/".repeat(300)), "");
    let error = project.show(Git::none()).err().unwrap();
    assert!(matches!(error, crate::FactoryError::Read { .. }), "{error}");
}

#[tokio::test]
async fn clean_dirty_and_unknown_trees_have_one_hash() {
    let project = Project::new(FILES);
    std::os::unix::fs::symlink("lib", project.root().join("code/link")).unwrap();
    let plain = project.hash();
    project.commit(&[]).await;
    assert_eq!(project.hash_with_git().await, plain);
    let all = [
        "code/a/Dockerfile",
        "code/lib/deep/test.py",
        "code/lib/io.py",
        "code/link",
    ];
    assert_eq!(project.trusted().await, names(&all));

    // Dirty: a file changed, one unknown, one that git ignores, one that is staged.
    project.write("code/lib/io.py", "x = 2");
    project.write("code/new", "");
    project.write("code/.gitignore", "ignored\n");
    project.write("code/ignored", "seen by the builder");
    project.write("code/staged", "1");
    project.git(&["add", "code/staged"]).await;
    let dirty = project.hash_with_git().await;
    assert_eq!(dirty, project.hash());
    assert_ne!(dirty, plain);
    project.write("code/ignored", "changed");
    assert_ne!(project.hash_with_git().await, dirty);

    // And back.
    project.write("code/lib/io.py", "x = 1");
    for file in ["code/new", "code/.gitignore", "code/ignored", "code/staged"] {
        std::fs::remove_file(project.root().join(file)).unwrap();
    }
    assert_eq!(project.hash_with_git().await, plain);
}

/// The one trap of trusting the index: a change that leaves the look of a file as it was.
#[tokio::test]
async fn a_change_in_the_moment_of_the_commit_is_seen() {
    for _ in 0..20 {
        let project = Project::new(FILES);
        project.git(&["init", "--quiet"]).await;
        project.write("code/lib/io.py", "x = 1");
        project.git(&["add", "--all"]).await;
        // The same length, in the same moment as far as clocks can tell.
        project.write("code/lib/io.py", "x = 2");
        assert_eq!(project.hash_with_git().await, project.hash());
    }
}

#[tokio::test]
async fn converted_files_are_read() {
    let project = Project::new(FILES);
    project.write("code/lib/dos.txt", "a\r\nb\r\n");
    project.write("code/.gitattributes", "*.txt text\n");
    project.commit(&[]).await;
    project.renew().await;
    // The index has the id of the text with other line ends.
    assert_eq!(project.hash_with_git().await, project.hash());
    let trusted = project.trusted().await;
    assert!(!trusted.contains("code/lib/dos.txt"));
    assert!(trusted.contains("code/lib/io.py"));

    project.git(&["config", "core.autocrlf", "input"]).await;
    assert_eq!(project.trusted().await, BTreeSet::new());
    project.git(&["config", "core.autocrlf", "false"]).await;
    std::fs::create_dir_all(project.root().join(".git/info")).unwrap();
    project.write(".git/info/attributes", "*.py ident\n");
    project.renew().await;
    let trusted = project.trusted().await;
    assert!(!trusted.contains("code/lib/io.py") && trusted.contains("code/a/Dockerfile"));
}

/// git looks again neither at the files nor at what it checked them out by.
#[tokio::test]
async fn files_that_earlier_attributes_converted_are_read() {
    for now in ["*.txt -text\n", ""] {
        let project = Project::new(FILES);
        project.write("code/lib/dos.txt", "a\nb\n");
        project.write("code/lib/.gitattributes", "*.txt text eol=crlf\n");
        project.commit(&[]).await;
        std::fs::remove_file(project.root().join("code/lib/dos.txt")).unwrap();
        project
            .git(&["checkout", "--quiet", "code/lib/dos.txt"])
            .await;
        let file = project.root().join("code/lib/dos.txt");
        assert_eq!(std::fs::read(&file).unwrap(), b"a\r\nb\r\n");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        project.write("code/lib/.gitattributes", now);
        project.git(&["add", "code/lib/.gitattributes"]).await;
        assert_eq!(project.hash_with_git().await, project.hash(), "{now}");
        // Elsewhere nothing changes.
        let trusted = project.trusted().await;
        assert!(trusted.contains("code/a/Dockerfile") && !trusted.contains("code/lib/io.py"));
        project.renew().await;
        assert!(project.trusted().await.contains("code/lib/io.py"));
    }
}

#[tokio::test]
async fn attributes_that_git_does_not_know_yet_make_careful() {
    let project = Project::new(FILES);
    project.write("code/lib/dos.txt", "a\r\nb\r\n");
    project.commit(&[]).await;
    let before = project.hash();
    project.write("code/lib/.gitattributes", "*.txt text\n");
    project
        .git(&["add", "--renormalize", "code/lib/dos.txt"])
        .await;
    let after = project.hash_with_git().await;
    assert_eq!(after, project.hash());
    assert_ne!(after, before);
}

#[tokio::test]
async fn worktrees_subfolders_and_long_ids_are_understood() {
    let project = Project::new(FILES);
    let plain = project.hash();
    project.commit(&[]).await;
    project
        .git(&["worktree", "add", "--quiet", "--detach", "copy"])
        .await;
    let copy = project.root().join("copy");
    let facts = Facts::of(&copy, &CancellationToken::new()).await;
    let git = Git::open(&copy, facts);
    assert!(git.below(Path::new("code/lib")).knows(b"io.py"));
    assert!(!git.below(Path::new("code/lib")).knows(b"io"));
    let facts = Facts::of(&project.root().join("code/lib"), &CancellationToken::new()).await;
    let git = Git::open(&project.root().join("code/lib"), facts);
    assert!(git.below(Path::new("")).knows(b"io.py"));
    assert!(git.below(Path::new("deep")).knows(b"test.py"));

    let long = Project::new(FILES);
    long.commit(&["--object-format=sha256"]).await;
    let clean = long.hash_with_git().await;
    assert_ne!(clean, plain);
    // Read anew, the files have the same long ids.
    for (path, text) in FILES {
        long.write(path, text);
    }
    assert_eq!(long.hash_with_git().await, clean);
}

#[tokio::test]
async fn split_sparse_and_broken_indexes_are_not_trusted() {
    let project = Project::new(FILES);
    let plain = project.hash();
    project.commit(&[]).await;
    project.git(&["update-index", "--index-version", "4"]).await;
    assert_eq!(project.trusted().await.len(), 3);
    assert_eq!(project.hash_with_git().await, plain);
    project.git(&["update-index", "--split-index"]).await;
    assert_eq!(project.trusted().await, BTreeSet::new());
    assert_eq!(project.hash_with_git().await, plain);
    project
        .git(&["update-index", "--no-split-index", "--index-version", "2"])
        .await;
    project
        .git(&["sparse-checkout", "set", "--cone", "--sparse-index", "code"])
        .await;
    assert_eq!(project.hash_with_git().await, plain);

    let index = project.root().join(".git/index");
    let bytes = std::fs::read(&index).unwrap();
    let facts = Facts::of(project.root(), &CancellationToken::new())
        .await
        .unwrap();
    // Cut short, and with each byte turned: no panic, whatever comes out of it.
    let mut broken: Vec<Vec<u8>> = (0..bytes.len())
        .step_by(7)
        .map(|end| bytes[..end].to_vec())
        .collect();
    for at in 0..bytes.len() {
        let mut copy = bytes.clone();
        copy[at] ^= 0xff;
        broken.push(copy);
    }
    for bytes in broken {
        std::fs::write(&index, bytes).unwrap();
        let git = Git::open(project.root(), Some(facts.clone()));
        let part = git.below(Path::new("code/lib"));
        let looks = git::looks(&rustix::fs::stat(&index).unwrap());
        assert_eq!(part.id(b"io.py", FileMode::File, &looks), None);
    }
}

#[tokio::test]
async fn files_of_submodules_are_read() {
    let inner = Project::new(&[("file", "1")]);
    inner.commit(&[]).await;
    let project = Project::new(FILES);
    project.commit(&[]).await;
    let url = inner.root().to_string_lossy().into_owned();
    let add = [
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        &url,
        "code/sub",
    ];
    project.git(&add).await;
    project
        .git(&["commit", "--quiet", "--message", "sub"])
        .await;
    let clean = project.hash_with_git().await;
    assert_eq!(clean, project.hash());
    project.write("code/sub/file", "2");
    assert_ne!(project.hash_with_git().await, clean);
}

#[test]
fn what_is_not_wanted_is_not_read() {
    let project = Project::new(FILES);
    let files = Files {
        root: project.root().to_path_buf(),
        edits: Arc::new(BTreeMap::new()),
        reports: Arc::default(),
    };
    let disk = Disk::new(files, Arc::new(Git::none()), &[], CancellationToken::new());
    let view = View {
        context: "code".into(),
        rules: None,
    };
    let mut wanted = Wanted::default();
    wanted.add(["a", "Dockerfile"]);
    wanted.add(["lib", "deep"]);
    let tree = Tree::show(&disk, &view, None, &wanted).unwrap();
    let mut seen = Vec::new();
    tree.files(&mut |path, _, _| seen.push(path.to_string_lossy().into_owned()));
    assert_eq!(seen, ["code/a/Dockerfile", "code/lib/deep/test.py"]);
}

#[test]
fn stops_when_cancelled() {
    let project = Project::new(FILES);
    let cancel = CancellationToken::new();
    cancel.cancel();
    let files = Files {
        root: project.root().to_path_buf(),
        edits: Arc::default(),
        reports: Arc::default(),
    };
    let disk = Disk::new(files, Arc::new(Git::none()), &[], cancel);
    assert!(disk.top(Path::new("code")).err().unwrap().is_cancelled());
}
