use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{MethodRouter, get, patch, post, put};
use secrecy::ExposeSecret;

use super::answer::ApiError;
use super::identity;
use super::server::Shared;
use super::{
    comments, commits, compare, contents, dispatches, faults, graphql, issues, labels, merge,
    pulls, refs, reviewers, statuses, trees,
};

/// GitHub takes blobs of 40 MiB, which are a third longer in base64.
const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// The whole API.
pub(super) fn app(state: Shared) -> Router {
    let rest = rest();
    Router::new()
        // Where a GitHub Enterprise Server has them.
        .nest("/api/v3", rest.clone())
        .route("/api/graphql", post(graphql::answer))
        .route("/graphql", post(graphql::answer))
        .merge(rest)
        .fallback(async || ApiError::not_found())
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&state),
            authorize,
        ))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&state),
            faults::strike,
        ))
        .with_state(state)
}

fn rest() -> Router<Shared> {
    let routes: [(&str, MethodRouter<Shared>); 25] = [
        ("", get(contents::repository)),
        ("/contents", get(contents::root)),
        ("/contents/", get(contents::root)),
        ("/contents/{*path}", get(contents::path)),
        ("/compare/{*basehead}", get(compare::compare)),
        ("/commits/{*name}", get(commits::read_named)),
        ("/statuses/{sha}", post(statuses::create)),
        ("/git/ref/{*name}", get(refs::read)),
        ("/git/matching-refs/{*name}", get(refs::list)),
        ("/git/refs", post(refs::create)),
        (
            "/git/refs/{*name}",
            patch(refs::update).delete(refs::delete),
        ),
        ("/git/blobs", post(trees::create_blob)),
        ("/git/blobs/{sha}", get(trees::read_blob)),
        ("/git/trees", post(trees::create_tree)),
        ("/git/trees/{*sha}", get(trees::read_tree)),
        ("/git/commits", post(commits::create)),
        ("/git/commits/{sha}", get(commits::read)),
        ("/pulls", get(pulls::list).post(pulls::create)),
        ("/pulls/{number}", get(pulls::read).patch(pulls::update)),
        ("/pulls/{number}/merge", put(merge::merge)),
        (
            "/pulls/{number}/requested_reviewers",
            post(reviewers::request),
        ),
        ("/issues", get(issues::list).post(issues::create)),
        ("/issues/{number}", patch(issues::update)),
        (
            "/issues/{number}/comments",
            get(comments::list).post(comments::create),
        ),
        ("/issues/{number}/labels", post(labels::add)),
    ];
    let mut router = Router::new().route(
        "/repos/{owner}/{repo}/actions/workflows/{id}/dispatches",
        post(dispatches::create),
    );
    for (below, route) in routes {
        router = router.route(&format!("/repos/{{owner}}/{{repo}}{below}"), route);
    }
    router.method_not_allowed_fallback(async || ApiError::not_found())
}

async fn authorize(
    State(state): State<Shared>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if let Some(token) = state.token() {
        let unauthorized = |words| ApiError::new(StatusCode::UNAUTHORIZED, words);
        if !request.headers().contains_key("authorization") {
            return Err(unauthorized("Requires authentication"));
        }
        if identity::token(request.headers()) != Some(token.expose_secret()) {
            return Err(unauthorized("Bad credentials"));
        }
    }
    Ok(next.run(request).await)
}
