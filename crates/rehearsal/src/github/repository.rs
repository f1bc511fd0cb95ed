use std::collections::BTreeMap;
use std::sync::OnceLock;

use github::RepoName;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::answer::{ApiError, encode};
use super::dispatches::Dispatch;
use super::git::Git;
use super::identity::{Actor, id, node_id, owner};
use super::issues::Issues;
use super::pulls::{Comment, Pull, Pulls};
use super::statuses::Statuses;

/// One repository: git's part, and the part that lives in memory.
#[derive(Debug)]
pub(super) struct Repository {
    pub(super) name: RepoName,
    pub(super) default_branch: String,
    pub(super) git: Git,
    created: Timestamp,
    /// Stands twice in every pull request, and never changes.
    json: OnceLock<Value>,
    /// Held by everything that moves branches or changes pull requests, so that each sees a state
    /// that nobody else is changing.
    pub(super) state: Mutex<State>,
}

/// What GitHub keeps beside git.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) pulls: Pulls,
    pub(super) issues: Issues,
    pub(super) statuses: Statuses,
    pub(super) dispatches: Vec<Dispatch>,
    /// By base branch, the status contexts that must be a success before a merge.
    pub(super) required: BTreeMap<String, Vec<String>>,
}

impl State {
    /// The number of the next pull request or issue.
    pub(super) fn next_number(&self) -> u64 {
        let all = self.pulls.iter().count() + self.issues.len();
        u64::try_from(all).unwrap_or(u64::MAX) + 1
    }

    /// What was said about a pull request or an issue.
    pub(super) fn comments_mut(&mut self, number: u64) -> Result<&mut Vec<Comment>, ApiError> {
        match self.issues.find_mut(number) {
            Some(issue) => Ok(&mut issue.comments),
            None => Ok(&mut self.pulls.get_mut(number)?.comments),
        }
    }

    /// The labels of a pull request or an issue.
    pub(super) fn labels_mut(
        &mut self,
        number: u64,
    ) -> Result<&mut BTreeMap<String, String>, ApiError> {
        match self.issues.find_mut(number) {
            Some(issue) => Ok(&mut issue.labels),
            None => Ok(&mut self.pulls.get_mut(number)?.labels),
        }
    }

    /// A status that must be a success before that request is merged, and is none.
    pub(super) fn missing(&self, pull: &Pull) -> Option<&str> {
        let required = self.required.get(&pull.base)?;
        let missing = required
            .iter()
            .find(|context| !self.statuses.is_success(&pull.head_sha, context));
        missing.map(String::as_str)
    }
}

/// What somebody is to the repository.
pub(super) fn association(actor: Actor) -> &'static str {
    match actor.is_bot() {
        true => "CONTRIBUTOR",
        false => "COLLABORATOR",
    }
}

/// The fields of a repository that are addresses, by what follows the repository's own.
const URLS: &[(&str, &str)] = &[
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    (
        "notifications_url",
        "/notifications{?since,all,participating}",
    ),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
];

/// The fields that are the same for every repository here.
const NULLS: &[&str] = &[
    "description",
    "mirror_url",
    "homepage",
    "language",
    "license",
];
const ZEROS: &[&str] = &[
    "size",
    "forks",
    "forks_count",
    "network_count",
    "open_issues",
    "open_issues_count",
    "stargazers_count",
    "subscribers_count",
    "watchers",
    "watchers_count",
];
const NO: &[&str] = &[
    "archived",
    "disabled",
    "fork",
    "has_projects",
    "has_downloads",
    "has_wiki",
    "has_pages",
    "has_discussions",
];
const YES: &[&str] = &[
    "has_issues",
    "allow_auto_merge",
    "allow_merge_commit",
    "allow_squash_merge",
    "allow_rebase_merge",
];

impl Repository {
    pub(super) fn new(name: RepoName, default_branch: String, git: Git) -> Self {
        Self {
            name,
            default_branch,
            git,
            created: Timestamp::now(),
            json: OnceLock::new(),
            state: Mutex::default(),
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
        self.json.get_or_init(|| self.make_json(base)).clone()
    }

    fn make_json(&self, base: &str) -> Value {
        let url = self.url(base, "");
        let page = self.html_url(base, "");
        let mut json = json!({
            "id": id(&self.name.to_string()),
            "node_id": node_id("R", &self.name.to_string()),
            "name": self.name.name(),
            "full_name": self.name.to_string(),
            "owner": owner(base, self.name.owner()),
            "private": true,
            "visibility": "private",
            "topics": [],
            "url": url,
            "html_url": page,
            "svn_url": page,
            "git_url": format!("{page}.git"),
            "ssh_url": format!("{page}.git"),
            "clone_url": format!("file://{}", encode(&self.git.dir().display().to_string())),
            "default_branch": self.default_branch,
            "created_at": self.created,
            "updated_at": self.created,
            "pushed_at": self.created,
            "permissions": {
                "admin": false, "maintain": false, "push": true, "triage": true, "pull": true,
            },
        });
        for (field, rest) in URLS {
            json[*field] = format!("{url}{rest}").into();
        }
        for (fields, value) in [
            (NULLS, Value::Null),
            (ZEROS, 0.into()),
            (NO, false.into()),
            (YES, true.into()),
        ] {
            for field in fields {
                json[*field] = value.clone();
            }
        }
        json
    }
}
