//! The failures that a test can switch on.

use std::time::{Duration, Instant};

use github::{GithubError, Repo, Retry};
use rehearsal::github::Fault;

use crate::support::*;

#[tokio::test]
async fn a_fault_strikes_as_often_as_it_is_told_to_and_no_more() {
    let world = World::new().await;
    world
        .server
        .inject(Fault::bad_gateway("/git/ref/").times(2));
    world
        .server
        .inject(Fault::too_many_requests("/git/ref/", 0));
    world
        .server
        .inject(Fault::secondary_rate_limit("/pulls", 0).method("POST"));
    // Three failures, and the fourth and last attempt of the client comes through.
    world.head("dev").await;
    world.commit("dev", "change", &[("a", b"1")]).await;
    let unsettled = "Could not resolve to a node with the global id of 'C_1'.";
    world
        .server
        .inject(Fault::new("/pulls", 422, unsettled).method("POST"));
    world.open("change", "dev").await;

    let words = "Validation Failed";
    world
        .server
        .inject(Fault::new("/pulls", 422, words).method("PATCH"));
    let refused = world.repo.close_pull_request(1).await.unwrap_err();
    assert!(refused.to_string().contains(words), "{refused}");
    world.repo.close_pull_request(1).await.unwrap();

    world
        .server
        .inject(Fault::secondary_rate_limit("/pulls", 3600));
    let limited = world.repo.pull_request(1).await.unwrap_err();
    let hour = Some(Duration::from_secs(3600));
    assert!(
        matches!(limited, GithubError::RateLimited { wait, .. } if wait == hour),
        "{limited:?}"
    );
}

#[tokio::test]
async fn a_lost_answer_is_no_second_branch_and_no_second_request() {
    let world = World::new().await;
    for path in ["/git/refs", "/pulls"] {
        let fault = Fault::bad_gateway(path).method("POST").after_the_fact();
        world.server.inject(fault);
    }
    world.commit("dev", "change", &[("a", b"1")]).await;
    assert_eq!(world.open("change", "dev").await.number, 1);
    let open = world
        .repo
        .find_open_pull_requests(None, None)
        .await
        .unwrap();
    assert_eq!(open.len(), 1);
}

#[tokio::test]
async fn answers_can_be_made_late() {
    let world = World::new().await;
    world.server.set_latency(Duration::from_millis(120));
    let start = Instant::now();
    world.head("dev").await;
    assert!(start.elapsed() >= Duration::from_millis(120));
    world.server.set_latency(Duration::ZERO);

    let mut options = client_options(&world.recorder.url, &world.name, None);
    options.retry = Retry {
        attempts: 1,
        ..options.retry
    };
    world.server.inject(Fault::bad_gateway("/git/ref/"));
    let once = Repo::new(options).unwrap().branch_head("dev").await;
    assert!(
        matches!(once, Err(GithubError::Server { status: 502, .. })),
        "{once:?}"
    );
}
