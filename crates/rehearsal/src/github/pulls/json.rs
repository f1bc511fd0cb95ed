use serde_json::{Value, json};

use super::store::Pull;
use crate::github::answer::ApiError;
use crate::github::compare;
use crate::github::identity::{node_id, owner, user};
use crate::github::repository::Repository;
use crate::github::reviewers::team;
use crate::github::{labels, merge};

impl Pull {
    /// The opaque id that the GraphQL API knows it by.
    pub(in crate::github) fn node_id(&self, repository: &Repository) -> String {
        node_id("PR", &format!("{}#{}", repository.name, self.number))
    }

    /// As it stands in a list.
    pub(in crate::github) fn json(&self, repository: &Repository, base: &str) -> Value {
        let number = self.number;
        let url = repository.url(base, &format!("/pulls/{number}"));
        let issue = repository.url(base, &format!("/issues/{number}"));
        let page = repository.html_url(base, &format!("/pull/{number}"));
        let name = repository.name.owner();
        let end = |branch: &str, sha: &str| {
            json!({
                "label": format!("{name}:{branch}"),
                "ref": branch,
                "sha": sha,
                "user": owner(base, name),
                "repo": repository.json(base),
            })
        };
        let statuses = repository.url(base, &format!("/statuses/{}", self.head_sha));
        let review_comment = repository.url(base, "/pulls/comments") + "{/number}";
        let link = |href: &str| json!({ "href": href });
        let reviewers = self.reviewers.iter().map(|login| user(base, login));
        let teams = self.teams.iter().map(|slug| team(repository, base, slug));
        let mut json = json!({
            "id": number,
            "node_id": self.node_id(repository),
            "number": number,
            "url": url,
            "html_url": page,
            "diff_url": format!("{page}.diff"),
            "patch_url": format!("{page}.patch"),
            "issue_url": issue,
            "commits_url": format!("{url}/commits"),
            "review_comments_url": format!("{url}/comments"),
            "review_comment_url": review_comment,
            "comments_url": format!("{issue}/comments"),
            "statuses_url": statuses,
            "state": if self.is_open() { "open" } else { "closed" },
            "locked": false,
            "title": self.title,
            "user": self.by.json(base),
            "body": self.body,
            "labels": labels::json(repository, base, &self.labels),
            "milestone": null,
            "assignee": null,
            "assignees": [],
            "requested_reviewers": reviewers.collect::<Value>(),
            "requested_teams": teams.collect::<Value>(),
            "created_at": self.created,
            "updated_at": self.updated,
            "closed_at": self.closed,
            "merged_at": self.closed.filter(|_| self.merged.is_some()),
            "merge_commit_sha": self.merged.as_ref().map(|(sha, _)| sha),
            "draft": self.draft,
            "head": end(&self.head, &self.head_sha),
            "base": end(&self.base, &self.base_sha),
            "author_association": "CONTRIBUTOR",
            "auto_merge": self.auto_merge.map(|auto| json!({
                "enabled_by": auto.by.json(base),
                "merge_method": auto.method,
                "commit_title": "",
                "commit_message": "",
            })),
        });
        json["_links"] = json!({
            "self": link(&url),
            "html": link(&page),
            "issue": link(&issue),
            "comments": link(&format!("{issue}/comments")),
            "review_comments": link(&format!("{url}/comments")),
            "review_comment": link(&review_comment),
            "commits": link(&format!("{url}/commits")),
            "statuses": link(&statuses),
        });
        json
    }

    /// With what GitHub tells only about a single one; `met` says whether every required status is
    /// a success.
    pub(super) async fn full_json(
        &self,
        repository: &Repository,
        base: &str,
        met: bool,
    ) -> Result<Value, ApiError> {
        let git = &repository.git;
        let (_, commits) = git.left_right(&self.base_sha, &self.head_sha).await?;
        let mergeable = match self.is_open() {
            true => Some(merge::is_clean(repository, self).await?),
            false => None,
        };
        let changes = match git.fork(&self.base_sha, &self.head_sha).await? {
            Some(fork) => compare::changes(repository, &fork, &self.head_sha).await?,
            None => Vec::new(),
        };
        let mut json = self.json(repository, base);
        json["merged"] = self.merged.is_some().into();
        json["merged_by"] = self.merged.as_ref().map(|(_, by)| by.json(base)).into();
        json["mergeable"] = mergeable.into();
        json["mergeable_state"] = match mergeable {
            Some(true) if self.draft => "draft",
            Some(true) if !met => "blocked",
            Some(true) => "clean",
            Some(false) => "dirty",
            None => "unknown",
        }
        .into();
        json["rebaseable"] = mergeable.into();
        json["maintainer_can_modify"] = false.into();
        json["commits"] = commits.into();
        json["additions"] = changes.iter().map(|it| it.additions).sum::<u64>().into();
        json["deletions"] = changes.iter().map(|it| it.deletions).sum::<u64>().into();
        json["changed_files"] = changes.len().into();
        json["comments"] = self.comments.len().into();
        json["review_comments"] = 0.into();
        Ok(json)
    }
}
