//! Asks git, the registry and Modal for all that a board tells.

mod live;
mod places;
mod proofs;

pub(super) use places::standing;
pub(super) use proofs::read as read_receipts;

use jiff::Timestamp;
use promotion::board::{self, Board, Inputs};
use tokio_util::sync::CancellationToken;

use self::places::Branch;
use super::args::ViewArgs;
use super::context::{filled, non_empty, set};
use crate::config::Config;
use crate::exit::Exit;
use crate::ui::Failure;

/// Characters of a reason.
const LONGEST: usize = 400;

/// What was found out.
pub(super) struct Gathered {
    /// All of it. Its notices say what is missing.
    pub(super) board: Board,
    /// Why something that was wanted could not be asked.
    pub(super) unasked: Vec<Failure>,
}

/// Reads the branches from the clone, and asks the registry and Modal, each once for everything. Its
/// progress is that of `stage`.
///
/// # Errors
/// When a branch cannot be read, a name is unknown, or the caller cancels. That the registry or
/// Modal cannot be asked is no error: the board says so.
pub(super) async fn gather(
    view: &ViewArgs,
    stage: &str,
    cancel: &CancellationToken,
) -> Result<Gathered, Failure> {
    let config = Config::load(&view.repo.repo)?;
    let environments = environments(&filled(&view.env), &config)?;
    tracing::info!(target: "pipeline::progress", stage, "reading branches");
    let branches = places::branches(view, &environments, cancel).await?;
    let online = if view.offline_modal { "" } else { " and Modal" };
    tracing::info!(target: "pipeline::progress", stage, "asking the registry{online}");
    let followed = followed(&branches, &config);
    let pairs = async {
        let mut judged = Vec::new();
        for (pair, is_followed) in branches.windows(2).zip(&followed) {
            judged.push(match is_followed {
                true => proofs::judge_as(&view.repo.repo, &config, &pair[1], pair, cancel).await?,
                false => proofs::Judged::default(),
            });
        }
        Ok(judged)
    };
    let (pasts, judged, pairs, live) = tokio::try_join!(
        places::pasts(&view.repo.repo, &branches, cancel),
        proofs::judge(&view.repo.repo, &config, &branches, cancel),
        pairs,
        live::ask(view, &config, &branches, cancel),
    )?;
    let mut inputs = Inputs {
        made_at: Timestamp::now(),
        title: title(view),
        url: url(view),
        judged: judged.verdicts,
        ..Inputs::default()
    };
    let mut unasked = Vec::new();
    for (notice, failure) in [judged.missing, live.missing].into_iter().flatten() {
        inputs.notices.push(notice);
        unasked.extend(failure);
    }
    inputs.strays = live.strays;
    let mut running = live.running.into_iter();
    let rules: Vec<_> = branches
        .iter()
        .enumerate()
        .map(|(index, branch)| {
            let next = branches.get(index + 1).filter(|_| followed[index]);
            let rules = &next.unwrap_or(branch).config;
            rules.promotion_rules(&branch.standing.environment)
        })
        .collect();
    let (mut pairs, mut rules) = (pairs.into_iter(), rules.into_iter());
    let mut followed = followed.into_iter();
    let places = branches.into_iter().zip(pasts).map(|(branch, past)| {
        let rules = rules.next().unwrap_or_default();
        board::Place {
            running: running.next(),
            standing: branch.standing,
            past,
            rules,
            judged: pairs.next().unwrap_or_default().verdicts,
            is_followed: followed.next().unwrap_or_default(),
        }
    });
    inputs.places = places.collect();
    Ok(Gathered {
        board: board::assemble(&inputs),
        unasked,
    })
}

/// Whether each is followed by the environment that comes after it, and not by a later one because
/// others were asked for.
fn followed(branches: &[Branch], config: &Config) -> Vec<bool> {
    let all = config.environments();
    let place = |branch: &Branch| {
        let name = &branch.standing.environment;
        all.iter().position(|one| one == name)
    };
    let next = |(index, branch)| {
        let next = branches.get(index + 1).and_then(place);
        next.is_some_and(|next| place(branch).is_some_and(|here| here + 1 == next))
    };
    branches.iter().enumerate().map(next).collect()
}

/// The named environments, in the order of promotion.
fn environments(
    named: &[String],
    config: &Config,
) -> Result<Vec<registry_model::Environment>, Failure> {
    let all = config.environments();
    if named.is_empty() || named == ["all"] {
        return Ok(all);
    }
    if let Some(unknown) = named
        .iter()
        .find(|name| all.iter().all(|one| one.as_str() != *name))
    {
        let known: Vec<&str> = all
            .iter()
            .map(registry_model::Environment::as_str)
            .collect();
        let text = format!("look at `{unknown}`: it is no environment");
        let hint = format!("pipeline.yml has {}", known.join(", "));
        return Err(Failure::new(Exit::Input, text).with_hint(Some(hint)));
    }
    let is_named =
        |one: &registry_model::Environment| named.iter().any(|name| name == one.as_str());
    Ok(all.into_iter().filter(is_named).collect())
}

/// What a board is called.
fn title(view: &ViewArgs) -> String {
    if let Some(name) = repository(view) {
        return name.to_string();
    }
    let folder = view.repo.repo.canonicalize().unwrap_or_default();
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    name.chars().filter(|c| !c.is_control()).collect()
}

fn url(view: &ViewArgs) -> Option<String> {
    let server = set("GITHUB_SERVER_URL").unwrap_or_else(|| "https://github.com".to_owned());
    let name = repository(view)?;
    Some(format!("{}/{name}", server.trim_end_matches('/')))
}

fn repository(view: &ViewArgs) -> Option<github::RepoName> {
    non_empty(view.github.clone())?.parse().ok()
}

/// What went wrong and why, on one line.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = format!("failed to {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.chars().take(LONGEST).collect()
}
