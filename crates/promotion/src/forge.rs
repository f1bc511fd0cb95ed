use github::{CommitSha, GithubError, MergeMethod, NewPullRequest, PullRequest, Repo};

/// The three calls that a promotion needs.
pub trait Forge {
    /// The open pull request from branch `head` to branch `base`, if there is one.
    fn find_open(
        &self,
        head: &str,
        base: &str,
    ) -> impl Future<Output = Result<Option<PullRequest>, GithubError>> + Send;

    /// Opens a pull request.
    fn open(
        &self,
        request: &NewPullRequest,
    ) -> impl Future<Output = Result<PullRequest, GithubError>> + Send;

    /// Merges a pull request with a merge commit if its head is still the one given in it, and
    /// returns that commit.
    fn merge(
        &self,
        request: &PullRequest,
    ) -> impl Future<Output = Result<CommitSha, GithubError>> + Send;
}

impl Forge for Repo {
    async fn find_open(&self, head: &str, base: &str) -> Result<Option<PullRequest>, GithubError> {
        let open = self.find_open_pull_requests(Some(head), Some(base)).await?;
        Ok(open.into_iter().next())
    }

    async fn open(&self, request: &NewPullRequest) -> Result<PullRequest, GithubError> {
        self.create_pull_request(request).await
    }

    async fn merge(&self, request: &PullRequest) -> Result<CommitSha, GithubError> {
        // Not squashed: the target must hold the source's own commits, else the two branches
        // drift apart and every later promotion conflicts.
        self.merge_pull_request(request.number, MergeMethod::Merge, &request.head_sha)
            .await
    }
}
