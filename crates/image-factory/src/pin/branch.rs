use github::{Ahead, Commit, CommitSha, GithubError};

use super::forge::Forge;
use super::marker::{CONTENT, Marker, SOURCE};
use super::options::ProposeOptions;
use super::propose::Scene;
use super::strangers::Maker;
use super::text::COMMIT;
use crate::FactoryError;

/// What became of the branch.
pub(super) enum Written {
    /// It points at the new commit.
    New,
    /// So it does, and somebody's commits, up to `head`, are not on it any more.
    Over { by: String, head: CommitSha },
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
    if !is_ours(forge, options, maker, &ahead, &head).await? {
        return Err(FactoryError::PinBranch {
            branch: branch.clone(),
            base: options.base.clone(),
        });
    }
    let stranger = maker.stranger(forge, &ahead).await?;
    if !options.takeover
        && let Some(by) = stranger
    {
        return Err(FactoryError::PinsBlocked {
            place: format!("branch `{branch}`"),
            by,
        });
    }
    let signed = |commit: &&Commit| Marker::signs(commit, &options.base);
    if let Some(tip) = ahead.commits.iter().rfind(signed) {
        let same = tip.trailer(CONTENT) == Some(marker.content.as_str())
            && tip.trailer(SOURCE) == Some(marker.source.as_str())
            && tip.parents == [scene.base_head.clone()]
            && tip.sha == head;
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
        Ok(()) => Ok(match stranger {
            Some(by) => Written::Over { by, head },
            None => Written::New,
        }),
        Err(GithubError::Moved { .. }) => Ok(Written::Again),
        Err(error) => Err(error.into()),
    }
}

/// Whether a branch is the bot's for this base: one of its commits says so, whoever has committed to
/// it since. A branch that the base branch contains may be anybody's that is merely behind, unless the
/// very commit at its head is of the bot's making.
async fn is_ours<F: Forge>(
    forge: &F,
    options: &ProposeOptions,
    maker: &Maker,
    ahead: &Ahead,
    head: &CommitSha,
) -> Result<bool, FactoryError> {
    if !ahead.commits.is_empty() {
        let mut commits = ahead.commits.iter();
        return Ok(commits.any(|commit| Marker::signs(commit, &options.base)));
    }
    let tip = forge.commit(head.as_str()).await?;
    Ok(Marker::signs(&tip, &options.base)
        && maker.made(&tip)
        && tip.message.starts_with(&format!("{COMMIT}\n")))
}
