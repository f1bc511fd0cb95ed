use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use process::Command;

use super::*;
use crate::{AcceptanceOptions, Sources, plan};

struct Repo {
    root: tempfile::TempDir,
    options: AcceptanceOptions,
}

fn image(digit: &str) -> PinnedImage {
    format!("ghcr.io/acme/a@sha256:{}", digit.repeat(64))
        .parse()
        .unwrap()
}

fn images(digits: &[&str]) -> Vec<(ProcessorRef, PinnedImage)> {
    let one =
        |(index, digit): (usize, &&str)| (format!("a/p{index}@1").parse().unwrap(), image(digit));
    digits.iter().enumerate().map(one).collect()
}

impl Repo {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("code/tests")).unwrap();
        let options = AcceptanceOptions {
            command: Some(vec!["./run".into()]),
            compose_overrides: vec!["more.yml".into()],
            ..AcceptanceOptions::new(root.path())
        };
        let repo = Self { root, options };
        repo.write("code/tests/a.py", "1");
        repo.write("code/.hidden", "1");
        repo.write(
            "compose.yml",
            "services: {db: {image: a}, cache: {image: b}}\n",
        );
        repo.write("more.yml", "services: {db: {image: c}}\n");
        repo
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.root.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::write(self.path(path), text).unwrap();
    }

    async fn suite_with(&self, digits: &[&str]) -> Option<Digest> {
        let sources = Sources::read(&self.options).unwrap();
        let plan = plan(&self.options, &sources).unwrap();
        let cancel = CancellationToken::new();
        let inputs = inputs(&plan, &images(digits), &cancel).await.unwrap();
        assert_eq!(inputs.contract, BTreeMap::new());
        inputs.suite
    }

    async fn suite(&self) -> Digest {
        self.suite_with(&["1", "2"]).await.unwrap()
    }
}

async fn git(folder: &Path, words: &[&str]) {
    Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
        .args(words)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .run(&CancellationToken::new())
        .await
        .unwrap_or_else(|error| panic!("{error}\nhint: apt-get install git"));
}

#[tokio::test]
async fn the_place_of_a_repository_makes_no_difference() {
    let (one, two) = (Repo::new(), Repo::new());
    assert_eq!(one.suite().await, two.suite().await);
    insta::assert_snapshot!(one.suite().await.as_str(), @"sha256:e83b7fc1c32c7a943f535413949fa5322ae692b4684705f18cd246c8e3b3a3de");
}

#[tokio::test]
async fn whatever_decides_makes_another_digest() {
    type Change = fn(&mut Repo);
    let changes: Vec<(&str, Change)> = vec![
        ("file", |it| it.write("code/tests/a.py", "2")),
        ("new file", |it| it.write("code/tests/b.py", "")),
        ("hidden file", |it| it.write("code/.hidden", "2")),
        ("name", |it| {
            std::fs::rename(it.path("code/tests/a.py"), it.path("code/tests/z.py")).unwrap();
        }),
        ("removed", |it| {
            std::fs::remove_file(it.path("code/tests/a.py")).unwrap();
        }),
        ("mode", |it| {
            let mode = PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(it.path("code/tests/a.py"), mode).unwrap();
        }),
        ("link", |it| {
            std::fs::remove_file(it.path("code/tests/a.py")).unwrap();
            symlink("1", it.path("code/tests/a.py")).unwrap();
        }),
        ("compose", |it| {
            it.write(
                "compose.yml",
                "services: {db: {image: z}, cache: {image: b}}\n",
            );
        }),
        ("override", |it| {
            it.write("more.yml", "services: {db: {image: z}}\n");
        }),
        ("services", |it| {
            it.options.services = Some(vec!["db".into()]);
        }),
        ("command", |it| {
            it.options.command = Some(vec!["./run".into(), "-x".into()]);
        }),
        ("environment", |it| {
            drop(it.options.env.insert("A".into(), "1".into()));
        }),
        ("platform", |it| {
            it.options.platform = "linux/arm64".parse().unwrap();
        }),
    ];
    let before = Repo::new().suite().await;
    for (what, change) in changes {
        let mut repo = Repo::new();
        change(&mut repo);
        assert_ne!(repo.suite().await, before, "{what}");
    }
    let repo = Repo::new();
    assert_ne!(repo.suite_with(&["1", "3"]).await.unwrap(), before);
    assert_ne!(repo.suite_with(&["1"]).await.unwrap(), before);
    // What is not asked how long it may take.
    let mut patient = Repo::new();
    patient.options.timeout *= 2;
    assert_eq!(patient.suite().await, before);
}

#[tokio::test]
async fn git_says_what_belongs_to_a_folder() {
    let repo = Repo::new();
    let plain = repo.suite().await;
    git(repo.root.path(), &["init", "--quiet"]).await;
    git(repo.root.path(), &["add", "--all"]).await;
    git(repo.root.path(), &["commit", "--quiet", "--message", "x"]).await;
    assert_eq!(repo.suite().await, plain);
    // Of no concern to what is asked for.
    repo.write(".git/info/exclude", "*.log\nignored/\n");
    repo.write("code/junk.log", "1");
    assert_eq!(repo.suite().await, plain);
    // What git does not know yet may decide as well.
    repo.write("code/new.py", "1");
    assert_ne!(repo.suite().await, plain);
    std::fs::remove_file(repo.path("code/new.py")).unwrap();
    repo.write("code/tests/a.py", "changed");
    assert_ne!(repo.suite().await, plain);
    repo.write("code/tests/a.py", "1");
    assert_eq!(repo.suite().await, plain);
    // The folder where it runs counts in any case.
    let mut ignored = repo;
    std::fs::create_dir(ignored.path("ignored")).unwrap();
    ignored.write("ignored/test.py", "1");
    ignored.options.context = Some("ignored".into());
    let before = ignored.suite().await;
    ignored.write("ignored/test.py", "2");
    assert_ne!(ignored.suite().await, before);
}

#[tokio::test]
async fn unless_a_folder_is_named_the_whole_clone_counts() {
    let repo = Repo::new();
    git(repo.root.path(), &["init", "--quiet"]).await;
    std::fs::create_dir_all(repo.path("scripts")).unwrap();
    repo.write("scripts/run", "1");
    let before = repo.suite().await;
    repo.write("scripts/run", "2");
    assert_ne!(repo.suite().await, before);
    // Also above the folder that is given as the root.
    let mut deep = Repo::new();
    git(deep.root.path(), &["init", "--quiet"]).await;
    deep.options.root = deep.path("code");
    deep.options.compose_overrides = Vec::new();
    let before = deep.suite().await;
    deep.write("elsewhere", "1");
    assert_ne!(deep.suite().await, before);

    let mut named = Repo::new();
    named.options.directory = Some("code".into());
    let before = named.suite().await;
    named.write("elsewhere", "1");
    assert_eq!(named.suite().await, before);
    named.write("code/tests/a.py", "2");
    assert_ne!(named.suite().await, before);
}

#[tokio::test]
async fn what_a_compose_file_takes_from_elsewhere_counts() {
    let mut repo = Repo::new();
    let compose =
        "services: {db: {image: '${ACC_FIX_NONE:-a}', env_file: own.env}, cache: {image: b}}\n";
    repo.write("compose.yml", compose);
    git(repo.root.path(), &["init", "--quiet"]).await;
    repo.write(".git/info/exclude", "*.env\n");
    let plain = repo.suite().await;
    repo.write(".env", "ACC_FIX_NONE=z\n");
    let with_env = repo.suite().await;
    assert_ne!(with_env, plain);
    repo.write("own.env", "A=1\n");
    assert_ne!(repo.suite().await, with_env);
    // A variable of this process.
    repo.write("compose.yml", &compose.replace("ACC_FIX_NONE", "HOME"));
    let home = repo.suite().await;
    repo.options.env.insert("HOME".into(), "/other".into());
    let other = repo.suite().await;
    repo.options.env.clear();
    assert_ne!(other, home);
    repo.write("compose.yml", &format!("include: [more.yml]\n{compose}"));
    assert_eq!(repo.suite_with(&["1"]).await, None);
}

#[tokio::test]
async fn without_some_processors_the_suite_has_no_inputs() {
    let mut repo = Repo::new();
    repo.options.left_out = Some(vec![image("3")]);
    assert_eq!(repo.suite_with(&["1"]).await, None);
}

#[tokio::test]
async fn what_is_not_a_file_is_neither_followed_nor_read() {
    let repo = Repo::new();
    symlink("tests", repo.path("code/inside")).unwrap();
    symlink("loop", repo.path("code/loop")).unwrap();
    let before = repo.suite().await;
    let pipe = repo.path("code/pipe");
    Command::new("mkfifo")
        .arg(&pipe)
        .run(&CancellationToken::new())
        .await
        .unwrap();
    assert_ne!(repo.suite().await, before);
}

#[tokio::test]
async fn a_link_that_leads_out_has_no_digest() {
    let mut repo = Repo::new();
    repo.write("more", "1");
    symlink("../more", repo.path("code/more")).unwrap();
    repo.suite().await;
    repo.options.directory = Some("code".into());
    assert_eq!(repo.suite_with(&["1"]).await, None);
    symlink("/etc", repo.path("etc")).unwrap();
    repo.options.directory = None;
    assert_eq!(repo.suite_with(&["1"]).await, None);
}

#[tokio::test]
async fn a_folder_that_is_too_much_has_no_digest() {
    let repo = Repo::new();
    let file = std::fs::File::create(repo.path("code/large")).unwrap();
    file.set_len(2 << 30).unwrap();
    assert_eq!(repo.suite_with(&["1"]).await, None);
}

#[tokio::test]
async fn cancelling_ends_the_reading() {
    let repo = Repo::new();
    let sources = Sources::read(&repo.options).unwrap();
    let plan = plan(&repo.options, &sources).unwrap();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let error = inputs(&plan, &images(&["1"]), &cancel).await.unwrap_err();
    assert!(error.is_cancelled(), "{error}");
}
