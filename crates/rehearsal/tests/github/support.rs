use std::path::{Path, PathBuf};

use github::{
    CommitSha, CreatedCommit, FileChange, GithubError, NewCommit, NewPullRequest, Repo, RepoName,
    RepoOptions, Retry,
};
use process::Command;
use rehearsal::github::{EmbeddedGithub, EmbeddedGithubOptions};
use reqwest::StatusCode;
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::recorder::{ON_PURPOSE, Recorder, Tamper};

pub(crate) async fn git_output(
    dir: &Path,
    args: &[&str],
) -> Result<Vec<u8>, process::ProcessError> {
    let command = Command::new("git")
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .args([
            "-c",
            "user.name=A Person",
            "-c",
            "user.email=person@example.com",
        ])
        .args([
            "-c",
            "commit.gpgsign=false",
            "-c",
            "init.defaultBranch=trunk",
        ])
        .args(args);
    Ok(command.run(&CancellationToken::new()).await?.stdout)
}

pub(crate) async fn git(dir: &Path, args: &[&str]) -> String {
    let bytes = git_output(dir, args).await.unwrap();
    String::from_utf8(bytes).unwrap().trim_end().to_owned()
}

pub(crate) fn write(dir: &Path, path: &str, bytes: &[u8]) {
    let path = dir.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// A working repository with one commit.
pub(crate) async fn working_repository() -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    git(dir, &["init", "--quiet"]).await;
    write(dir, "README.md", b"hello\n");
    write(dir, "code/registry/a.yaml", b"image: {}\n");
    write(dir, "code/bin/run.sh", b"#!/bin/sh\n");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(dir.join("code/bin/run.sh"), mode).unwrap();
    std::os::unix::fs::symlink("README.md", dir.join("link")).unwrap();
    git(dir, &["add", "--all"]).await;
    git(dir, &["commit", "--quiet", "-m", "first"]).await;
    folder
}

/// A served repository `acme/processors` whose default branch is `dev`. What goes to it and comes
/// from it is checked against GitHub's description, and a test ends with what was wrong.
pub(crate) struct World {
    pub(crate) server: EmbeddedGithub,
    pub(crate) recorder: Recorder,
    pub(crate) name: RepoName,
    pub(crate) repo: Repo,
    pub(crate) http: reqwest::Client,
    _source: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::start(None, None).await
    }

    pub(crate) async fn with_token(token: &str) -> Self {
        Self::start(Some(token), None).await
    }

    pub(crate) async fn tampered(tamper: Tamper) -> Self {
        Self::start(None, Some(tamper)).await
    }

    async fn start(token: Option<&str>, tamper: Option<Tamper>) -> Self {
        let options = EmbeddedGithubOptions {
            token: token.map(Into::into),
            ..EmbeddedGithubOptions::default()
        };
        let cancel = CancellationToken::new();
        let server = EmbeddedGithub::start(options, &cancel).await.unwrap();
        let source = working_repository().await;
        let name: RepoName = "acme/processors".parse().unwrap();
        server
            .create_repository(&name, "dev", Some(source.path()), &cancel)
            .await
            .unwrap();
        let recorder = Recorder::start(server.api_url(), tamper).await;
        let repo = Repo::new(client_options(&recorder.url, &name, token)).unwrap();
        Self {
            server,
            recorder,
            name,
            repo,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            _source: source,
        }
    }

    /// A client with that token.
    pub(crate) fn with(&self, token: &str) -> Repo {
        let options = client_options(&self.recorder.url, &self.name, Some(token));
        Repo::new(options).unwrap()
    }

    pub(crate) fn bare(&self) -> PathBuf {
        self.server.git_dir(&self.name)
    }

    pub(crate) async fn git(&self, args: &[&str]) -> String {
        git(&self.bare(), args).await
    }

    pub(crate) async fn head(&self, branch: &str) -> CommitSha {
        self.repo.branch_head(branch).await.unwrap().unwrap()
    }

    pub(crate) async fn commit(
        &self,
        base: &str,
        branch: &str,
        files: &[(&str, &[u8])],
    ) -> CommitSha {
        commit(&self.repo, base, branch, files).await.unwrap().sha
    }

    pub(crate) async fn open(&self, head: &str, base: &str) -> github::PullRequest {
        let request = pull_request(head, base);
        self.repo.create_pull_request(&request).await.unwrap()
    }

    /// Sends what a good client may never send: only the answer is checked.
    pub(crate) async fn call(
        &self,
        method: reqwest::Method,
        path: &str,
        body: &str,
    ) -> (StatusCode, Value) {
        let url = format!("{}/repos/acme/processors{path}", self.recorder.url);
        let request = self.http.request(method, url).header(ON_PURPOSE, "1");
        let request = request.body(body.to_owned());
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// The status and the message of a refusal.
    pub(crate) async fn refusal(&self, method: &str, path: &str, body: &Value) -> (u16, String) {
        let method = method.parse().unwrap();
        let (status, json) = self.call(method, path, &body.to_string()).await;
        assert!(
            json["documentation_url"].is_string(),
            "{path} {body}: {json}"
        );
        assert_eq!(json["status"], status.as_u16().to_string(), "{json}");
        let message = json["message"].as_str().unwrap().to_owned();
        let more = json["errors"][0]["message"].as_str();
        (status.as_u16(), more.map_or(message, str::to_owned))
    }
}

pub(crate) fn client_options(url: &str, name: &RepoName, token: Option<&str>) -> RepoOptions {
    let mut options = RepoOptions::new(name.clone());
    options.api_url = url.to_owned();
    options.token = token.map(Into::into);
    options.retry = Retry {
        first_wait: std::time::Duration::from_millis(1),
        ..Retry::default()
    };
    options
}

pub(crate) fn new_commit(parent: CommitSha, files: &[(&str, &[u8])]) -> NewCommit {
    NewCommit {
        parent,
        message: "ci: pin processor images (bot)".into(),
        files: files
            .iter()
            .map(|(path, bytes)| FileChange {
                path: (*path).into(),
                bytes: bytes.to_vec(),
                executable: false,
            })
            .collect(),
    }
}

/// A new branch, with one commit more than `base`.
pub(crate) async fn commit(
    repo: &Repo,
    base: &str,
    branch: &str,
    files: &[(&str, &[u8])],
) -> Result<CreatedCommit, GithubError> {
    let parent = repo.branch_head(base).await?.unwrap();
    let made = repo.create_commit(&new_commit(parent, files)).await?;
    repo.create_branch(branch, &made.sha).await?;
    Ok(made)
}

pub(crate) fn pull_request(head: &str, base: &str) -> NewPullRequest {
    NewPullRequest {
        title: "Pin processor images".into(),
        body: "| processor |".into(),
        head: head.into(),
        base: base.into(),
        draft: false,
    }
}
