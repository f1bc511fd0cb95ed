//! The embedded GitHub with two branches, and somebody who writes at the same time.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Mutex;

use github::{
    Commit, CommitSha, Comparison, CreatedCommit, GithubError, NewCommit, NewMerge, NewPullRequest,
    PullRequest, PullRequestDetails, PullRequestFilter, PullRequestUpdate, Repo, RepoName,
    RepoOptions,
};
use jiff::Timestamp;
use process::Command;
use promotion::{
    Forge, PromotionError, PromotionPlan, PromotionReport, RunOptions, Scope, Standing, plan, run,
};
use registry_model::{LoadOptions, Platform, Registry};
use rehearsal::github::{EmbeddedGithub, EmbeddedGithubOptions};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{environment, image};

/// GitHub with the branches `dev` and `staging`, and a clone to push to them from.
pub(crate) struct World {
    clone: TempDir,
    server: EmbeddedGithub,
    name: RepoName,
}

pub(crate) fn file_of(name: &str) -> String {
    format!("code/apps/core/registry/processors/text_{name}.yaml")
}

fn entry(name: &str, digit: char) -> String {
    let image = match digit {
        '-' => "sha256:pending".to_owned(),
        digit => image(digit).to_string(),
    };
    format!(
        "# keep this\nref: text/{name}@1\nimage:\n    oci:   {image} # the bot writes here\n\
         build:\n  context: .\nsecrets:\n  required: []\n"
    )
}

impl World {
    /// Three processors, pinned to `1` on both branches.
    pub(crate) async fn new() -> Self {
        let clone = tempfile::tempdir().unwrap();
        let cancel = CancellationToken::new();
        let server = EmbeddedGithub::start(EmbeddedGithubOptions::default(), &cancel);
        let world = Self {
            server: server.await.unwrap(),
            clone,
            name: "acme/models".parse().unwrap(),
        };
        world
            .git(&["init", "--quiet", "--initial-branch", "dev"])
            .await;
        for name in ["one", "two", "three"] {
            world.write(&file_of(name), &entry(name, '1'));
            let dockerfile = format!("code/apps/core/processors/text_{name}/Dockerfile");
            world.write(&dockerfile, "FROM scratch\n");
        }
        world.git(&["add", "--all"]).await;
        world
            .git(&["commit", "--quiet", "--message", "first"])
            .await;
        let (name, from) = (&world.name, world.path());
        let made = world
            .server
            .create_repository(name, "dev", Some(&from), &cancel);
        made.await.unwrap();
        let origin = world.git_dir().display().to_string();
        world.git(&["remote", "add", "origin", &origin]).await;
        world
            .git(&["push", "--quiet", "origin", "dev:staging"])
            .await;
        world
    }

    fn path(&self) -> PathBuf {
        self.clone.path().to_owned()
    }

    fn write(&self, path: &str, text: &str) {
        let file = self.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    pub(crate) async fn git(&self, args: &[&str]) -> String {
        git(&self.path(), args).await
    }

    /// Commits pins to a branch, as the pin request of somebody else does.
    pub(crate) async fn pin(&self, branch: &str, pins: &[(&str, char)]) -> CommitSha {
        pin(&self.path(), branch, pins).await
    }

    /// Puts other pins into the last commit of a branch, whose message and parents stay.
    pub(crate) async fn forge_pins(&self, branch: &str, pins: &[(&str, char)]) -> CommitSha {
        let place = format!("origin/{branch}");
        self.git(&["fetch", "--quiet", "origin"]).await;
        self.git(&["checkout", "--quiet", "--force", "--detach", &place])
            .await;
        for (name, digit) in pins {
            self.write(&file_of(name), &entry(name, *digit));
        }
        self.git(&["commit", "--quiet", "--all", "--amend", "--no-edit"])
            .await;
        let target = format!("HEAD:refs/heads/{branch}");
        self.git(&["push", "--quiet", "--force", "origin", &target])
            .await;
        self.git(&["rev-parse", "HEAD"]).await.parse().unwrap()
    }

    pub(crate) fn git_dir(&self) -> PathBuf {
        self.server.git_dir(&self.name)
    }

    pub(crate) fn repo(&self) -> Repo {
        let options = RepoOptions {
            api_url: self.server.api_url(),
            ..RepoOptions::new(self.name.clone())
        };
        Repo::new(options).unwrap()
    }

    /// What a branch has now.
    pub(crate) async fn standing(&self, branch: &str) -> Standing {
        self.git(&["fetch", "--quiet", "--prune", "origin"]).await;
        let place = format!("origin/{branch}");
        self.git(&["checkout", "--quiet", "--force", "--detach", &place])
            .await;
        let commit = self.git(&["rev-parse", "HEAD"]).await;
        let registry = Registry::load(&self.path(), &LoadOptions::default()).unwrap();
        Standing::of_entries(
            environment(branch),
            commit.parse().unwrap(),
            &registry.entries,
            &[Platform::linux_amd64()],
        )
    }

    pub(crate) async fn plan(&self) -> PromotionPlan {
        let (dev, staging) = (self.standing("dev").await, self.standing("staging").await);
        plan(&dev, &staging).unwrap()
    }

    /// The plan for some of them, with its scope.
    pub(crate) async fn plan_some(&self, names: &[&str]) -> (PromotionPlan, Scope) {
        let names = names
            .iter()
            .map(|it| format!("text/{it}@1").parse().unwrap());
        let chosen: BTreeSet<_> = names.collect();
        let (dev, staging) = (self.standing("dev").await, self.standing("staging").await);
        let plan = plan(&dev.only(&chosen), &staging.only(&chosen)).unwrap();
        (plan, Scope::Some(chosen))
    }

    /// What `staging` pins, as digits.
    pub(crate) async fn pins(&self, branch: &str) -> String {
        let standing = self.standing(branch).await;
        let digit = |name: &str| {
            let reference = format!("text/{name}@1").parse().unwrap();
            let image = standing.image(&reference, &registry_model::PinPlace::Oci);
            image.map_or('-', |image| image.digest.hex().chars().next().unwrap())
        };
        ["one", "two", "three"].map(digit).iter().collect()
    }

    pub(crate) async fn branches(&self) -> Vec<String> {
        let all = self.repo().branches("promote/").await.unwrap();
        all.into_iter().map(|(name, _)| name).collect()
    }

    pub(crate) async fn open(&self) -> Vec<PullRequest> {
        self.repo()
            .find_open_pull_requests(None, None)
            .await
            .unwrap()
    }

    pub(crate) async fn go(
        &self,
        plan: &PromotionPlan,
        scope: Scope,
        merge: bool,
    ) -> Result<PromotionReport, PromotionError> {
        let options = RunOptions {
            merge,
            scope,
            ..RunOptions::default()
        };
        run(plan, &options, &self.repo(), &CancellationToken::new()).await
    }
}

async fn git(folder: &Path, args: &[&str]) -> String {
    let command = Command::new("git")
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .args([
            "-c",
            "user.name=A Person",
            "-c",
            "user.email=person@example.com",
        ])
        .args(["-c", "commit.gpgsign=false"])
        .args(args);
    let output = command.run(&CancellationToken::new()).await;
    let output = output.unwrap_or_else(|error| panic!("{error}"));
    output.stdout_text().trim_end().to_owned()
}

pub(crate) async fn pin(clone: &Path, branch: &str, pins: &[(&str, char)]) -> CommitSha {
    git(clone, &["fetch", "--quiet", "origin"]).await;
    let place = format!("origin/{branch}");
    git(
        clone,
        &["checkout", "--quiet", "--force", "--detach", &place],
    )
    .await;
    for (name, digit) in pins {
        std::fs::write(clone.join(file_of(name)), entry(name, *digit)).unwrap();
    }
    git(clone, &["add", "--all"]).await;
    git(clone, &["commit", "--quiet", "--message", "pin"]).await;
    let target = format!("HEAD:refs/heads/{branch}");
    git(clone, &["push", "--quiet", "origin", &target]).await;
    git(clone, &["rev-parse", "HEAD"]).await.parse().unwrap()
}

type Hook = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// A forge where somebody else does something right before one of our calls.
pub(crate) struct Meddled {
    repo: Repo,
    before: Mutex<Option<(&'static str, Hook)>>,
}

impl Meddled {
    pub(crate) fn new<T: Future<Output = ()> + Send + 'static>(
        world: &World,
        before: &'static str,
        hook: impl FnOnce(PathBuf) -> T + Send + 'static,
    ) -> Self {
        let clone = world.path();
        let hook: Hook = Box::new(move || Box::pin(hook(clone)));
        Self {
            repo: world.repo(),
            before: Mutex::new(Some((before, hook))),
        }
    }

    async fn meddle(&self, call: &str) {
        let hook = {
            let mut before = self.before.lock().unwrap();
            match before.take() {
                Some((name, hook)) if name == call => Some(hook),
                other => {
                    *before = other;
                    None
                }
            }
        };
        if let Some(hook) = hook {
            hook().await;
        }
    }

    pub(crate) fn was_meddled(&self) -> bool {
        self.before.lock().unwrap().is_none()
    }
}

macro_rules! meddled {
    ($($call:ident($($name:ident: $kind:ty),*) -> $answer:ty;)*) => {
        impl Forge for Meddled {
            $(async fn $call(&self, $($name: $kind),*) -> Result<$answer, GithubError> {
                self.meddle(stringify!($call)).await;
                Forge::$call(&self.repo, $($name),*).await
            })*
        }
    };
}

meddled! {
    head_of(branch: &str) -> Option<CommitSha>;
    starting_with(prefix: &str) -> Vec<(String, CommitSha)>;
    branch_at(branch: &str, at: &CommitSha) -> ();
    swap(branch: &str, expected: &CommitSha, new: &CommitSha) -> ();
    drop_branch(branch: &str, expected: &CommitSha) -> bool;
    look_at(at: &str) -> Commit;
    distance(base: &str, head: &str) -> Comparison;
    content(at: &str, path: &str) -> Option<Vec<u8>>;
    commit_files(request: &NewCommit) -> CreatedCommit;
    commit_merge(request: &NewMerge) -> CommitSha;
    requests(filter: &PullRequestFilter) -> Vec<PullRequestDetails>;
    open(request: &NewPullRequest) -> PullRequest;
    rewrite(number: u64, update: &PullRequestUpdate) -> PullRequestDetails;
    close(number: u64) -> PullRequestDetails;
    say(number: u64, marker: &str, since: Option<Timestamp>, body: &str) -> bool;
    merge(request: &PullRequest) -> CommitSha;
}
