use std::future::Future;

use github::{CommitInfo, CommitRequest, GithubError, NewPullRequest, PullRequest, Repo};

/// What proposing pins needs of the place where the repository lives.
pub trait Forge: Sync {
    /// The bytes of a file on a branch; `None` when there is no such file.
    fn read_file(
        &self,
        branch: &str,
        path: &str,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, GithubError>> + Send;

    /// Makes one commit on a new branch.
    fn commit_files(
        &self,
        request: &CommitRequest,
    ) -> impl Future<Output = Result<CommitInfo, GithubError>> + Send;

    /// The open pull requests from one branch to another.
    fn find_open(
        &self,
        head: &str,
        base: &str,
    ) -> impl Future<Output = Result<Vec<PullRequest>, GithubError>> + Send;

    /// Opens a pull request.
    fn open(
        &self,
        request: &NewPullRequest,
    ) -> impl Future<Output = Result<PullRequest, GithubError>> + Send;
}

impl Forge for Repo {
    async fn read_file(&self, branch: &str, path: &str) -> Result<Option<Vec<u8>>, GithubError> {
        Self::read_file(self, branch, path).await
    }

    async fn commit_files(&self, request: &CommitRequest) -> Result<CommitInfo, GithubError> {
        Self::commit_files(self, request).await
    }

    async fn find_open(&self, head: &str, base: &str) -> Result<Vec<PullRequest>, GithubError> {
        self.find_open_pull_requests(Some(head), Some(base)).await
    }

    async fn open(&self, request: &NewPullRequest) -> Result<PullRequest, GithubError> {
        self.create_pull_request(request).await
    }
}
