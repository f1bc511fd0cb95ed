//! Small repositories of processors. What they build needs no base image.

use std::path::Path;

use process::Command;
use tokio_util::sync::CancellationToken;

use super::bench::Bench;

/// A digest that no image has.
pub(crate) fn digest(digit: char) -> String {
    format!("sha256:{}", String::from(digit).repeat(64))
}

/// The registry file of `text/<name>@1` in the layout of the runbook.
pub(crate) fn file_of(name: &str) -> String {
    format!("code/apps/core/registry/processors/text_{name}.yaml")
}

pub(crate) fn dockerfile_of(name: &str) -> String {
    format!("code/apps/core/processors/text_{name}/Dockerfile")
}

/// What a processor's registry file holds.
pub(crate) fn entry(name: &str, image: &str) -> String {
    format!(
        "# keep this\nref: text/{name}@1\nimage:\n    oci:   {image} # the bot writes here\n\
         build:\n  context: .\nsecrets:\n  required: []\nruntime: {{cpu: '1', timeout_s: 60}}\n"
    )
}

/// `text/upper@1` and `text/lower@1` in the layout of the runbook, without a `pipeline.yml`.
pub(crate) fn runbook(bench: &Bench) {
    busybox(bench, "code/bin/busybox");
    // Layers of other runs must not be found in the engine's cache.
    bench.write("code/unique", bench.repo().to_string_lossy().as_bytes());
    for name in ["upper", "lower"] {
        bench.write(&file_of(name), entry(name, "sha256:pending"));
        bench.write(&dockerfile_of(name), dockerfile(name));
    }
}

pub(crate) fn dockerfile(name: &str) -> String {
    format!(
        "FROM scratch\nCOPY bin/busybox /bin/sh\nCOPY unique /unique\n\
         RUN [\"/bin/sh\", \"-c\", \"echo {name} > /name\"]\nENTRYPOINT [\"/bin/sh\"]\n"
    )
}

/// The same two with a folder each and a pin for each platform.
pub(crate) fn tools(bench: &Bench) {
    for name in ["upper", "lower"] {
        let folder = format!("tools/text/{name}/1");
        busybox(bench, &format!("{folder}/bin/busybox"));
        let unique = format!("{}{name}", bench.repo().display());
        bench.write(&format!("{folder}/unique"), unique);
        bench.write(&format!("{folder}/Dockerfile"), dockerfile(name));
        bench.write(
            &format!("{folder}/registry.yaml"),
            format!(
                "ref: text/{name}@1\nenabled: true\nbuild:\n  context: .\n  dockerfile: Dockerfile\n\
                 image:\n  platforms:\n    amd64: sha256:pending\n"
            ),
        );
    }
}

fn busybox(bench: &Bench, path: &str) {
    let program = std::fs::read("/bin/busybox").expect("apt-get install busybox-static");
    bench.write(path, program);
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(bench.repo().join(path), mode).unwrap();
}

/// Makes the repository a git repository with one commit.
pub(crate) async fn commit_all(folder: &Path) {
    git(folder, &["init", "--quiet", "--initial-branch", "dev"]).await;
    git(folder, &["add", "--all"]).await;
    git(folder, &["commit", "--quiet", "--message", "first"]).await;
}

pub(crate) async fn git(folder: &Path, args: &[&str]) -> String {
    let command = Command::new("git")
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .args(["-c", "user.name=A Person"])
        .args(["-c", "user.email=person@example.com"])
        .args(["-c", "commit.gpgsign=false"])
        .args(args);
    let output = command.run(&CancellationToken::new()).await;
    output
        .unwrap_or_else(|error| panic!("{error}"))
        .stdout_text()
        .trim_end()
        .to_owned()
}

/// Every file below a folder with its bytes, but for what git keeps.
pub(crate) fn content(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().is_some_and(|name| name == ".git") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy();
                files.push((name.into_owned(), std::fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}
