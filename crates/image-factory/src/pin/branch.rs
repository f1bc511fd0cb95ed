use github::{CommitSha, GithubError};

use super::forge::Forge;
use super::marker::{CONTENT, Marker, SOURCE};
use super::options::ProposeOptions;
use super::propose::Scene;
use super::strangers::Maker;
use crate::FactoryError;

/// What became of the branch.
pub(super) enum Written {
    /// It points at the new commit.
    New,
    /// It points at the same change on the same base, which an earlier attempt of the run made.
    Before(CommitSha),
    /// Somebody else writes to it.
    Again,
}

/// Lets the branch point at `commit`, unless that would lose somebody's work.
pub(super) async fn write_branch<F: Forge>(
    forge: &F,
    options: &ProposeOptions,
    scene: &mut Scene<'_, F>,
    maker: &Maker,
    marker: &Marker,
    commit: &CommitSha,
) -> Result<Written, FactoryError> {
    let branch = &options.branch;
    let Some(head) = forge.branch_head(branch).await? else {
        return match forge.create_branch(branch, commit).await {
            Ok(()) => Ok(Written::New),
            Err(GithubError::AlreadyExists { .. }) => Ok(Written::Again),
            Err(error) => Err(error.into()),
        };
    };
    let ahead = forge.ahead(scene.base_head.as_str(), head.as_str()).await?;
    if !options.takeover
        && let Some(by) = maker.stranger_in(&ahead)
    {
        return Err(FactoryError::PinsBlocked {
            place: format!("branch `{branch}`"),
            by,
        });
    }
    if let Some(tip) = ahead.commits.last() {
        let same = tip.trailer(CONTENT) == Some(marker.content.as_str())
            && tip.trailer(SOURCE) == Some(marker.source.as_str())
            && tip.parents == [scene.base_head.clone()];
        if same {
            return Ok(Written::Before(head));
        }
        // Its request may say so only in a moment.
        let source = tip.trailer(SOURCE).and_then(|sha| sha.parse().ok());
        if let Some(source) = source
            && scene.ages.of(&source).await? > scene.age
        {
            return Ok(Written::Again);
        }
    }
    match forge.replace_branch(branch, &head, commit).await {
        Ok(()) => Ok(Written::New),
        Err(GithubError::Moved { .. }) => Ok(Written::Again),
        Err(error) => Err(error.into()),
    }
}
