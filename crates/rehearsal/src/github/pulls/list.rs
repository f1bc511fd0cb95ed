use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use serde_json::Value;

use super::store::{Pull, parse_number};
use crate::github::answer::{ApiResult, ok};
use crate::github::pages::Page;
use crate::github::server::Shared;

/// `GET /repos/{owner}/{repo}/pulls`
pub(in crate::github) async fn list(
    State(state): State<Shared>,
    Path((owner, repo)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let text = |key: &str| query.get(key).map(String::as_str);
    let wanted = |pull: &&Pull| {
        let state = match text("state").unwrap_or("open") {
            "closed" => !pull.is_open(),
            "all" => true,
            _ => pull.is_open(),
        };
        // A head without an owner is no filter to GitHub.
        let head = text("head")
            .and_then(|head| head.split_once(':'))
            .is_none_or(|(owner, branch)| {
                owner.eq_ignore_ascii_case(repository.name.owner()) && branch == pull.head
            });
        state && head && text("base").is_none_or(|base| base == pull.base)
    };
    let page = Page::of(&query, 30, 100);
    let (total, on_page) = {
        let kept = repository.state.lock().await;
        let mut found: Vec<&Pull> = kept.pulls.iter().filter(wanted).collect();
        let by_update = text("sort") == Some("updated");
        found.sort_by_key(|pull| (by_update.then_some(pull.updated), pull.number));
        if text("direction") != Some("asc") {
            found.reverse();
        }
        let total = found.len();
        (total, page.cut(found).cloned().collect::<Vec<_>>())
    };
    let mut listed: Vec<Value> = Vec::with_capacity(on_page.len());
    for mut pull in on_page {
        pull.refresh(&repository).await?;
        listed.push(pull.json(&repository, state.base()));
    }
    let url = repository.url(state.base(), "/pulls");
    Ok(page.answer(listed, total, &url, &query))
}

/// `GET /repos/{owner}/{repo}/pulls/{number}`
pub(in crate::github) async fn read(
    State(state): State<Shared>,
    Path((owner, repo, number)): Path<(String, String, String)>,
) -> ApiResult {
    let repository = state.repository(&owner, &repo)?;
    let (pull, met) = {
        let mut kept = repository.state.lock().await;
        let pull = kept.pulls.get_mut(parse_number(&number)?)?;
        pull.refresh(&repository).await?;
        let pull = pull.clone();
        let met = kept.missing(&pull).is_none();
        (pull, met)
    };
    ok(&pull.full_json(&repository, state.base(), met).await?)
}
