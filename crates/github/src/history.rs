use serde::{Deserialize, Serialize};

use crate::call::Method;
use crate::names::{check_branch, encode};
use crate::refs::READ;
use crate::{CommitSha, GithubError, Repo};

/// Commits that [`Repo::ahead`] reads at most.
const COMMITS: u64 = 100;

/// Somebody who made a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Person {
    /// The account on GitHub, if the address belongs to one.
    pub login: Option<String>,
    /// The name in the commit: what its maker says.
    pub name: String,
    /// The address in the commit: what its maker says.
    pub email: String,
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub sha: CommitSha,
    /// Its message.
    pub message: String,
    /// Who wrote the change.
    pub author: Person,
    /// Who made the commit; `GitHub` for what GitHub made and signed.
    pub committer: Person,
    /// The commits it follows.
    pub parents: Vec<CommitSha>,
    /// The id of all its files, as git counts it: the same for the same files.
    pub tree: String,
}

/// What a branch or commit has that another has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// How many commits.
    pub ahead_by: u64,
    /// How many commits the other has that it has not.
    pub behind_by: u64,
    /// The commits, oldest first; only the first 100.
    pub commits: Vec<Commit>,
    /// The files that differ from the last common commit; only the first 300.
    pub files: Vec<String>,
}

#[derive(Deserialize)]
struct Full {
    sha: CommitSha,
    commit: Inner,
    author: Option<Account>,
    committer: Option<Account>,
    parents: Vec<Parent>,
}

#[derive(Deserialize)]
struct Inner {
    message: String,
    tree: Tree,
    author: Option<Named>,
    committer: Option<Named>,
}

#[derive(Deserialize)]
struct Tree {
    sha: String,
}

#[derive(Deserialize)]
struct Named {
    name: Option<String>,
    email: Option<String>,
}

/// Without an account GitHub answers with null or with an empty object.
#[derive(Deserialize)]
struct Account {
    login: Option<String>,
}

#[derive(Deserialize)]
struct Parent {
    sha: CommitSha,
}

#[derive(Deserialize)]
struct Compared {
    ahead_by: u64,
    behind_by: u64,
    #[serde(default)]
    commits: Vec<Full>,
    #[serde(default)]
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    filename: String,
}

impl Person {
    /// Whether both are the same account, or have the same name and address where an account is
    /// not known.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        match (&self.login, &other.login) {
            (Some(ours), Some(theirs)) => ours.eq_ignore_ascii_case(theirs),
            _ => self.name == other.name && self.email.eq_ignore_ascii_case(&other.email),
        }
    }
}

impl Commit {
    /// The value of a trailer, a line `Name: value` in the last paragraph of the message.
    #[must_use]
    pub fn trailer(&self, name: &str) -> Option<&str> {
        let (_, last) = self.message.trim_end().rsplit_once("\n\n")?;
        last.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl From<Full> for Commit {
    fn from(full: Full) -> Self {
        let person = |named: Option<Named>, account: Option<Account>| {
            let (name, email) = named.map_or((None, None), |named| (named.name, named.email));
            Person {
                login: account.and_then(|account| account.login),
                name: name.unwrap_or_default(),
                email: email.unwrap_or_default(),
            }
        };
        Self {
            sha: full.sha,
            message: full.commit.message,
            author: person(full.commit.author, full.author),
            committer: person(full.commit.committer, full.committer),
            parents: full.parents.into_iter().map(|parent| parent.sha).collect(),
            tree: full.commit.tree.sha,
        }
    }
}

impl Repo {
    /// The commit that a branch, a tag or an id names.
    ///
    /// # Errors
    /// [`GithubError::NotFound`] when there is none.
    pub async fn commit(&self, at: &str) -> Result<Commit, GithubError> {
        check_branch(at)?;
        let operation = self.operation(
            format_args!("read commit `{at}`"),
            format!("commit `{at}`"),
            READ,
        );
        let path = self.path(&format!("/commits/{}", encode(at).replace('/', "%2F")));
        let answer = self.caller.send(&operation, Method::Get, &path).await?;
        match answer.outcome {
            Ok(body) => Ok(crate::call::parse::<Full>(&operation, &body)?.into()),
            Err(mut refusal) => {
                // GitHub calls an unknown name invalid.
                if refusal.status == 422 && refusal.says("no commit found") {
                    refusal.status = 404;
                }
                Err(refusal.into_error(&operation))
            }
        }
    }

    /// The commits of `head` that `base` has not, each a branch, a tag or a commit.
    ///
    /// # Errors
    /// When one of them is missing, or they have no commit in common.
    pub async fn ahead(&self, base: &str, head: &str) -> Result<Ahead, GithubError> {
        let found: Compared = self.compared(base, head, COMMITS).await?;
        Ok(Ahead {
            ahead_by: found.ahead_by,
            behind_by: found.behind_by,
            commits: found.commits.into_iter().map(Commit::from).collect(),
            files: found.files.into_iter().map(|file| file.filename).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(message: &str) -> Commit {
        let nobody = Person {
            login: None,
            name: String::new(),
            email: String::new(),
        };
        Commit {
            sha: "0".repeat(40).parse().unwrap(),
            message: message.to_owned(),
            author: nobody.clone(),
            committer: nobody,
            parents: Vec::new(),
            tree: "0".repeat(40),
        }
    }

    #[test]
    fn trailers_stand_in_the_last_paragraph() {
        let one = commit("subject\n\nSource: text\n\nSource: abc \nOther: x: y\n");
        assert_eq!(one.trailer("source"), Some("abc"));
        assert_eq!(one.trailer("Other"), Some("x: y"));
        for none in ["Source: abc", "s\n\nSource: abc\n\nno trailer", "", "s\n\n"] {
            assert_eq!(commit(none).trailer("Source"), None, "{none:?}");
        }
    }

    #[test]
    fn an_account_counts_more_than_a_name() {
        let person = |login: Option<&str>, name: &str| Person {
            login: login.map(str::to_owned),
            name: name.to_owned(),
            email: "a@b".to_owned(),
        };
        assert!(person(Some("Bot"), "x").is(&person(Some("bot"), "y")));
        assert!(!person(Some("bot"), "x").is(&person(Some("ann"), "x")));
        assert!(person(None, "x").is(&person(Some("bot"), "x")));
        assert!(!person(None, "x").is(&person(None, "y")));
    }
}
