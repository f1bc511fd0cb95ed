use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::bench::files::write;
use crate::bench::sample;
pub(super) use crate::bench::sample::folder;
use crate::error::Error;

/// git takes files that are as young as its index for possibly changed; a repository that somebody
/// works in is older than that.
const AGE: Duration = Duration::from_millis(1100);

/// A repository of processors in the runbook's layout, with realistic registry files.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) processors: usize,
    /// Files of the library that every processor has in its image.
    pub(super) shared: usize,
    /// Files of each processor, apart from its Dockerfile.
    pub(super) own: usize,
    /// Files that no image holds.
    pub(super) others: usize,
    /// Bytes of each file.
    pub(super) size: usize,
    /// Whether building takes the processor some work, done by busybox.
    pub(super) works: bool,
    /// Repositories with different seeds have no file of a processor in common.
    pub(super) seed: u64,
}

impl Shape {
    /// Every file that is in git: those above, and a Dockerfile and a registry file a processor.
    pub(super) fn files(&self) -> usize {
        self.shared
            + self.processors * (self.own + 2)
            + self.others
            + if self.works { 1 } else { 0 }
    }

    /// Writes the repository and commits it.
    ///
    /// # Errors
    /// When a file cannot be written or git fails.
    pub(super) async fn write(&self, root: &Path, cancel: &CancellationToken) -> Result<(), Error> {
        let mut bytes = Bytes(self.seed.wrapping_mul(2) + 1);
        let code = root.join("code");
        for index in 0..self.shared {
            let file = format!("libs/runtime_common/part_{:02}/m_{index:04}.py", index % 20);
            write(&code.join(file), bytes.some(self.size))?;
        }
        for index in 0..self.others {
            let file = format!("docs/part_{:02}/page_{index:05}.md", index % 20);
            write(&root.join(file), bytes.some(self.size))?;
        }
        for index in 0..self.processors {
            write(
                &registry_file(root, index),
                sample::text(index, "sha256:pending"),
            )?;
            let folder = code.join(folder(index));
            write(&folder.join("Dockerfile"), self.dockerfile(index))?;
            for file in 0..self.own {
                let file = format!("handler_{file:03}.py");
                write(&folder.join(file), bytes.some(self.size))?;
            }
        }
        if self.works {
            busybox(&code.join("bin/busybox"))?;
        }
        tokio::time::sleep(AGE).await;
        git(
            root,
            &["init", "--quiet", "--initial-branch", "dev"],
            cancel,
        )
        .await?;
        commit(root, cancel).await
    }

    fn dockerfile(&self, index: usize) -> String {
        let mut text = "FROM scratch\nCOPY libs/runtime_common /app/libs\n".to_owned();
        if self.works {
            text.push_str("COPY bin/busybox /bin/sh\n");
        }
        text.push_str(&format!("COPY {} /app/processor\n", folder(index)));
        if self.works {
            // As long as compiling something small.
            text.push_str(
                "RUN --network=none [\"/bin/sh\", \"-c\", \"i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; \
                 echo $i > /app/result\"]\n",
            );
        }
        text.push_str("ENTRYPOINT [\"/app/processor/handler_000.py\"]\n");
        text
    }
}

/// The registry file of a processor.
pub(super) fn registry_file(root: &Path, index: usize) -> PathBuf {
    root.join(format!(
        "code/apps/core/registry/processors/bench_tool_{index:05}.yaml"
    ))
}

/// Changes one file of one processor, and commits that.
///
/// # Errors
/// When the file cannot be written or git fails.
pub(super) async fn change(
    root: &Path,
    index: usize,
    text: &str,
    cancel: &CancellationToken,
) -> Result<(), Error> {
    let file = root.join("code").join(folder(index)).join("handler_000.py");
    write(&file, text)?;
    tokio::time::sleep(AGE).await;
    commit(root, cancel).await
}

/// Commits everything, if anything has changed.
///
/// # Errors
/// When git fails.
pub(super) async fn commit(root: &Path, cancel: &CancellationToken) -> Result<(), Error> {
    git(root, &["add", "--all"], cancel).await?;
    let words = ["commit", "--quiet", "--allow-empty", "--message", "bench"];
    git(root, &words, cancel).await
}

async fn git(root: &Path, words: &[&str], cancel: &CancellationToken) -> Result<(), Error> {
    let settings = [
        "user.name=bench",
        "user.email=bench@example.com",
        "commit.gpgsign=false",
        // What the repositories hold is thrown away soon.
        "core.compression=0",
        "core.fsync=none",
        "gc.auto=0",
    ];
    process::Command::new("git")
        .args(settings.iter().flat_map(|setting| ["-c", setting]))
        .args(words)
        .current_dir(root)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .run(cancel)
        .await?;
    Ok(())
}

fn busybox(to: &Path) -> Result<(), Error> {
    let from = process::which("busybox").ok_or_else(|| Error::Missing {
        missing: vec!["busybox: apt-get install busybox-static".to_owned()],
    })?;
    let bytes = std::fs::read(&from)
        .map_err(|error| Error::io(format!("read {}", from.display()), error))?;
    write(to, bytes)?;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o755))
        .map_err(|error| Error::io(format!("make {} executable", to.display()), error))
}

/// Bytes that do not compress and are never the same twice (xorshift64*).
struct Bytes(u64);

impl Bytes {
    fn some(&mut self, size: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(size + 8);
        while bytes.len() < size {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D);
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.truncate(size);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn writes_what_it_says_and_never_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let cancel = CancellationToken::new();
        let mut shape = Shape {
            processors: 3,
            shared: 4,
            own: 2,
            others: 5,
            size: 100,
            works: false,
            seed: 1,
        };
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        shape.write(&one, &cancel).await.unwrap();
        let listed = process::Command::new("git")
            .arg("ls-files")
            .current_dir(&one);
        let listed = listed.run(&cancel).await.unwrap().stdout_text();
        assert_eq!(listed.lines().count(), shape.files());
        assert_eq!(shape.files(), 4 + 3 * 4 + 5);

        shape.seed = 2;
        shape.write(&two, &cancel).await.unwrap();
        let file = format!("code/{}/handler_001.py", self::folder(2));
        let read = |root: &Path| std::fs::read(root.join(&file)).unwrap();
        assert_eq!(read(&one).len(), 100);
        assert_ne!(read(&one), read(&two));
    }
}
