use github::RepoName;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::answer::{ApiError, encode};
use super::git::Git;
use super::pulls::Pulls;

/// One repository: git's part, and the part that lives in memory.
#[derive(Debug)]
pub(super) struct Repository {
    pub(super) name: RepoName,
    pub(super) default_branch: String,
    pub(super) git: Git,
    /// Held by everything that moves branches or changes pull requests, so that each sees a state
    /// that nobody else is changing.
    pub(super) pulls: Mutex<Pulls>,
}

impl Repository {
    pub(super) fn new(name: RepoName, default_branch: String, git: Git) -> Self {
        Self {
            name,
            default_branch,
            git,
            pulls: Mutex::default(),
        }
    }

    /// Refuses what GitHub refuses before the first commit.
    pub(super) async fn need_commits(&self) -> Result<(), ApiError> {
        if self.git.is_empty().await? {
            Err(ApiError::empty_repository())
        } else {
            Ok(())
        }
    }

    /// The API address of `rest` below this repository.
    pub(super) fn url(&self, base: &str, rest: &str) -> String {
        format!("{base}/repos/{}{}", self.name, encode(rest))
    }

    /// The address of a page for people. There is none here; GitHub's answers have the field.
    pub(super) fn html_url(&self, base: &str, rest: &str) -> String {
        format!("{base}/{}{}", self.name, encode(rest))
    }

    pub(super) fn json(&self, base: &str) -> Value {
        json!({
            "id": id(&self.name.to_string()),
            "node_id": node_id("R", &self.name.to_string()),
            "name": self.name.name(),
            "full_name": self.name.to_string(),
            "owner": user(base, self.name.owner(), "Organization"),
            "private": true,
            "html_url": self.html_url(base, ""),
            "description": null,
            "fork": false,
            "url": self.url(base, ""),
            "clone_url": format!("file://{}", encode(&self.git.dir().display().to_string())),
            "default_branch": self.default_branch,
            "archived": false,
            "disabled": false,
            "visibility": "private",
            "allow_merge_commit": true,
            "allow_squash_merge": true,
            "allow_rebase_merge": true,
            "permissions": { "admin": false, "maintain": false, "push": true, "triage": true, "pull": true },
        })
    }
}

/// Who makes pull requests and commits here.
pub(super) const BOT: &str = "pipeline-bot[bot]";

/// A person or a bot, as far as clients insist on it.
pub(super) fn user(base: &str, login: &str, kind: &str) -> Value {
    let url = format!("{base}/users/{}", encode(login));
    json!({
        "login": login,
        "id": id(login),
        "node_id": node_id("U", login),
        "avatar_url": format!("{url}/avatar"),
        "gravatar_id": "",
        "url": url,
        "html_url": format!("{base}/{}", encode(login)),
        "followers_url": format!("{url}/followers"),
        "following_url": format!("{url}/following"),
        "gists_url": format!("{url}/gists"),
        "starred_url": format!("{url}/starred"),
        "subscriptions_url": format!("{url}/subscriptions"),
        "organizations_url": format!("{url}/orgs"),
        "repos_url": format!("{url}/repos"),
        "events_url": format!("{url}/events"),
        "received_events_url": format!("{url}/received_events"),
        "type": kind,
        "site_admin": false,
    })
}

/// A number that stays the same for the same name.
fn id(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash: u32, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    }) >> 1
}

/// GitHub's opaque id: a letter for the kind, and a name.
pub(super) fn node_id(kind: &str, name: &str) -> String {
    format!("{kind}_{}", hex::encode(name))
}
