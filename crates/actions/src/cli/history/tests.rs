use std::fs;
use std::time::Instant;

use process::Command;
use registry_model::PinnedImage;
use tempfile::TempDir;

use super::*;

const FILE: &str = "registry/a.yaml";

/// A git repository, whose clock goes on by a minute a commit.
struct Clone {
    folder: TempDir,
    minutes: u32,
}

impl Clone {
    async fn new() -> Self {
        let mut clone = Self {
            folder: tempfile::tempdir().unwrap(),
            minutes: 0,
        };
        clone.git(&["init", "--quiet", "-b", "dev"]).await;
        clone
    }

    async fn git(&mut self, args: &[&str]) -> String {
        self.git_as("A Person", args).await
    }

    async fn git_as(&mut self, author: &str, args: &[&str]) -> String {
        self.minutes += 1;
        let date = format!(
            "2026-03-01T{:02}:{:02}:00Z",
            self.minutes / 60,
            self.minutes % 60
        );
        let command = Command::new("git")
            .current_dir(self.folder.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", author)
            .env("GIT_AUTHOR_EMAIL", "person@example.com")
            .env("GIT_AUTHOR_DATE", "2020-01-01T00:00:00Z")
            .env("GIT_COMMITTER_NAME", "A Person")
            .env("GIT_COMMITTER_EMAIL", "person@example.com")
            .env("GIT_COMMITTER_DATE", date)
            .args(["-c", "commit.gpgsign=false"])
            .args(args);
        let output = command.run(&CancellationToken::new()).await.unwrap();
        output.stdout_text().trim_end().to_owned()
    }

    async fn commit(&mut self, title: &str, files: &[(&str, String)]) -> String {
        for (file, text) in files {
            let path = self.folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        self.git(&["add", "--all"]).await;
        self.git(&["commit", "--quiet", "-m", title]).await;
        self.git(&["rev-parse", "HEAD"]).await
    }

    async fn read(&self) -> History {
        read(self.folder.path()).await
    }
}

async fn read(folder: &Path) -> History {
    let read = History::read(folder, "dev", &CancellationToken::new()).await;
    read.unwrap_or_else(|failure| panic!("{}", failure.error))
}

fn image(name: &str, digit: char) -> String {
    format!("ghcr.io/acme/{name}@{}", digest(digit))
}

fn digest(digit: char) -> Digest {
    format!("sha256:{}", String::from(digit).repeat(64))
        .parse()
        .unwrap()
}

fn entry(image: &str) -> String {
    format!("ref: text/a@1\nimage:\n  oci: {image} # the bot writes here\n")
}

/// `<title>: <file> <removed> → <added>`, the latest first.
fn told(history: &History) -> Vec<String> {
    let digits = |images: &[PinnedImage]| -> String {
        images
            .iter()
            .map(|image| image.digest.hex().chars().next().unwrap())
            .collect()
    };
    let told = history.past.changes.iter().map(|change| {
        let (removed, added) = (digits(&change.removed), digits(&change.added));
        format!(
            "{}: {} {removed} → {added}",
            change.title,
            change.file.display()
        )
    });
    told.collect()
}

#[tokio::test]
async fn each_commit_of_the_branch_tells_what_it_pinned() {
    let mut clone = Clone::new().await;
    clone
        .commit("pending", &[(FILE, entry("sha256:pending"))])
        .await;
    clone
        .commit("first", &[(FILE, entry(&image("a", '1')))])
        .await;
    clone
        .commit("comment", &[(FILE, entry(&image("a", '1')) + "x: 1\n")])
        .await;
    let second = clone
        .commit("second", &[(FILE, entry(&image("a", '2')))])
        .await;
    clone.git(&["rm", "--quiet", FILE]).await;
    clone.commit("gone", &[]).await;
    let history = clone.read().await;
    insta::assert_snapshot!(told(&history).join("\n"), @"
    gone: registry/a.yaml 2 → 
    second: registry/a.yaml 1 → 2
    first: registry/a.yaml  → 1
    ");
    let change = &history.past.changes[1];
    assert_eq!(change.commit, second);
    // When it came to the branch, and not when it was written.
    assert!(
        change.at.to_string().starts_with("2026-03-01T"),
        "{}",
        change.at
    );
    assert_eq!(change.author, "A Person");
    assert!(history.contains(&digest('1')) && history.contains(&digest('2')));
    assert!(!history.contains(&digest('3')));
    assert!(!history.is_shallow());
}

#[tokio::test]
async fn a_merge_counts_when_it_comes_to_the_branch() {
    let mut clone = Clone::new().await;
    clone
        .commit("first", &[(FILE, entry(&image("a", '1')))])
        .await;
    for (branch, digit) in [("merged", '2'), ("squashed", '4'), ("rebased", '6')] {
        clone.git(&["switch", "--quiet", "-c", branch]).await;
        let next = char::from(digit as u8 + 1);
        clone
            .commit("on the way", &[(FILE, entry(&image("a", digit)))])
            .await;
        clone
            .commit("then", &[(FILE, entry(&image("a", next)))])
            .await;
        clone.git(&["switch", "--quiet", "dev"]).await;
        match branch {
            "merged" => {
                clone
                    .git(&["merge", "--quiet", "--no-ff", "-m", "merge", branch])
                    .await
            }
            "squashed" => {
                clone.git(&["merge", "--quiet", "--squash", branch]).await;
                clone.commit("squash", &[]).await
            }
            _ => clone.git(&["merge", "--quiet", "--ff-only", branch]).await,
        };
    }
    let history = clone.read().await;
    insta::assert_snapshot!(told(&history).join("\n"), @"
    then: registry/a.yaml 6 → 7
    on the way: registry/a.yaml 5 → 6
    squash: registry/a.yaml 3 → 5
    merge: registry/a.yaml 1 → 3
    first: registry/a.yaml  → 1
    ");
    // What only was on another branch never was here.
    assert!(!history.contains(&digest('2')) && !history.contains(&digest('4')));
    let times: Vec<_> = history
        .past
        .changes
        .iter()
        .map(|change| change.at)
        .collect();
    assert!(
        times.is_sorted_by(|newer, older| newer > older),
        "{times:?}"
    );
}

#[tokio::test]
async fn all_images_of_a_file_are_read_in_every_form() {
    let mut clone = Clone::new().await;
    let two = |first: char, second: char| {
        format!(
            "image:\r\n  platforms: {{amd64: '{}', arm64: \"{}\"}}\r\n\
             # before: {}\r\nnote: 'x' # {}\r\n",
            image("a", first),
            image("b", second),
            image("a", 'e'),
            image("a", 'f'),
        )
    };
    clone.commit("both", &[("a b/ü.json", two('1', '2'))]).await;
    clone.commit("one", &[("a b/ü.json", two('1', '3'))]).await;
    clone
        .commit("lock", &[("poetry.lock", image("a", '7'))])
        .await;
    clone
        .commit("no pin", &[("x.yml", format!("hash: {}\n", digest('8')))])
        .await;
    let moved = format!("\n\n{}", two('1', '3'));
    clone.commit("moved", &[("a b/ü.json", moved)]).await;
    let history = clone.read().await;
    insta::assert_snapshot!(told(&history).join("\n"), @"
    one: a b/ü.json 2 → 3
    both: a b/ü.json  → 12
    ");
    for other in ['e', 'f', '7', '8'] {
        assert!(!history.contains(&digest(other)), "{other}");
    }
    let names = |images: &[PinnedImage]| -> Vec<String> {
        images
            .iter()
            .map(|image| image.repository.to_string())
            .collect()
    };
    assert_eq!(
        names(&history.past.changes[1].added),
        ["ghcr.io/acme/a", "ghcr.io/acme/b"]
    );
}

#[tokio::test]
async fn hostile_text_is_neither_a_head_nor_shown() {
    let mut clone = Clone::new().await;
    let text = format!(
        "-- a/registry/other.yaml\n++ b/registry/other.yaml\n@@ -1 +1,9 @@\n\0{}\0\0\
         99\0me\0forged\ndiff --git a/x.yaml b/x.yaml\noci: {}\n",
        "0".repeat(40),
        image("a", '1')
    );
    clone.commit("first", &[(FILE, text)]).await;
    clone
        .commit("second", &[(FILE, entry(&image("a", '2')))])
        .await;
    fs::write(clone.folder.path().join(FILE), entry(&image("a", '3'))).unwrap();
    let title = format!("\u{1b}[31m::error::x\u{7} {}", "y".repeat(10_000));
    clone
        .git_as("\u{1b}]0;me\u{7}\u{202e}", &["commit", "-qam", &title])
        .await;
    let history = clone.read().await;
    let titles: Vec<_> = history
        .past
        .changes
        .iter()
        .map(|change| change.title.len())
        .collect();
    assert_eq!(titles, [200, 6, 5]);
    let change = &history.past.changes[0];
    assert!(
        change.title.starts_with("[31m::error::x yyy"),
        "{}",
        change.title
    );
    assert!(
        !change.author.contains(char::is_control),
        "{:?}",
        change.author
    );
    for change in &history.past.changes {
        assert_eq!(change.file, Path::new(FILE));
        assert_eq!(change.commit.len(), 40);
        assert!(!change.commit.starts_with("0000"));
    }
}

#[tokio::test]
async fn settings_and_attributes_change_nothing() {
    let mut clone = Clone::new().await;
    for setting in [
        ["diff.noprefix", "true"],
        ["diff.mnemonicPrefix", "true"],
        ["diff.interHunkContext", "9"],
        ["diff.context", "9"],
        ["diff.external", "false"],
        ["diff.renames", "copies"],
        ["color.ui", "always"],
        ["log.showRoot", "false"],
        ["log.showSignature", "true"],
        ["log.diffMerges", "off"],
        ["log.follow", "true"],
        ["diff.odd.textconv", "false"],
    ] {
        clone.git(&["config", setting[0], setting[1]]).await;
    }
    let attributes = "*.yaml binary -diff\n*.yml diff=odd\n".to_owned();
    let files = [
        (".gitattributes", attributes),
        (FILE, entry(&image("a", '1'))),
        ("registry/b.yml", entry(&image("b", '2'))),
    ];
    clone.commit("first", &files).await;
    clone.git(&["mv", FILE, "registry/c.yaml"]).await;
    clone.commit("renamed", &[]).await;
    insta::assert_snapshot!(told(&clone.read().await).join("\n"), @"
    renamed: registry/a.yaml 1 → 
    renamed: registry/c.yaml  → 1
    first: registry/a.yaml  → 1
    first: registry/b.yml  → 2
    ");
    // A folder of the clone is all that counts where it is asked about.
    let below = read(&clone.folder.path().join("registry")).await;
    assert_eq!(below.past.changes[0].file, Path::new("a.yaml"));
}

#[tokio::test]
async fn what_both_had_counts_although_another_parent_came_first() {
    let mut clone = Clone::new().await;
    clone
        .commit("first", &[(FILE, entry(&image("a", '1')))])
        .await;
    clone.git(&["switch", "--quiet", "-c", "person"]).await;
    clone
        .commit("theirs", &[("registry/b.yaml", entry(&image("b", '5')))])
        .await;
    clone.git(&["switch", "--quiet", "dev"]).await;
    let base = clone
        .commit("second", &[(FILE, entry(&image("a", '2')))])
        .await;
    clone
        .commit("third", &[(FILE, entry(&image("a", '3')))])
        .await;
    clone.git(&["switch", "--quiet", "person"]).await;
    // As `git pull` does, and then it is pushed as it is.
    clone
        .git(&["merge", "--quiet", "--no-ff", "-m", "pull", "dev"])
        .await;
    clone
        .commit("fourth", &[(FILE, entry(&image("a", '4')))])
        .await;
    clone.git(&["branch", "--force", "dev", "person"]).await;
    let mut history = clone.read().await;
    assert!(!history.contains(&digest('2')));
    let never = CancellationToken::new();
    history
        .add(clone.folder.path(), &base, &never)
        .await
        .unwrap();
    for digit in ['1', '2', '3', '4', '5'] {
        assert!(history.contains(&digest(digit)), "{digit}");
    }
}

#[tokio::test]
async fn a_file_in_one_line_is_read_to_its_end() {
    let mut clone = Clone::new().await;
    let filler = "x".repeat(300_000);
    let text = format!(
        r#"{{"image":{{"oci":"{}"}},"note":"{filler}","more":"{}"}}"#,
        image("a", '1'),
        image("b", '2')
    );
    clone.commit("minified", &[("a.json", text)]).await;
    let history = clone.read().await;
    assert_eq!(told(&history), ["minified: a.json  → 12"]);
    assert!(!history.is_too_long());
}

#[tokio::test]
async fn a_shallow_clone_says_so_and_takes_its_beginning_for_no_change() {
    let mut clone = Clone::new().await;
    for digit in ['1', '2', '3'] {
        clone
            .commit("pin", &[(FILE, entry(&image("a", digit)))])
            .await;
    }
    let shallow = tempfile::tempdir().unwrap();
    let url = format!("file://{}", clone.folder.path().display());
    let into = shallow.path().display().to_string();
    clone
        .git(&["clone", "--quiet", "--depth", "2", &url, &into])
        .await;
    let history = read(shallow.path()).await;
    assert!(history.is_shallow());
    assert_eq!(told(&history), ["pin: registry/a.yaml 2 → 3"]);
    assert!(history.contains(&digest('2')) && !history.contains(&digest('1')));
}

#[tokio::test]
async fn what_is_no_commit_is_told() {
    let mut clone = Clone::new().await;
    clone
        .commit("first", &[(FILE, entry(&image("a", '1')))])
        .await;
    for odd in ["nowhere", "--all", ""] {
        let read = History::read(clone.folder.path(), odd, &CancellationToken::new()).await;
        if let Ok(history) = read {
            panic!("{odd}: {:?}", history.past.changes);
        }
    }
    let cancel = CancellationToken::new();
    cancel.cancel();
    let read = History::read(clone.folder.path(), "dev", &cancel).await;
    assert_eq!(read.unwrap_err().exit, Exit::Interrupted);
}

#[test]
fn a_long_history_is_read_at_once() {
    let mut output = String::new();
    for commit in 0..50_000 {
        output.push_str(&format!(
            "\0{commit:040x}\0p\01767225600\0a\0pin\n\ndiff --git a/x b/x\n--- a/r/{commit}.yaml\n\
             +++ b/r/{commit}.yaml\n@@ -3 +3 @@ image:\n-  oci: {}\n+  oci: {}\n",
            image("a", '1'),
            image("a", '2')
        ));
    }
    let since = Instant::now();
    let mut seen = 0;
    parse::commits(output.as_bytes(), |change, is_first| {
        assert!(!is_first && change.added.len() == 1);
        seen += 1;
    });
    assert_eq!(seen, 50_000);
    assert!(since.elapsed().as_secs() < 10, "{:?}", since.elapsed());
}
