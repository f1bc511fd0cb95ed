use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use github::{GithubError, Repo};

use crate::script::{SHA, Script, message, reference, sha, step, with_header};

const HEAD: &str = "GET /repos/acme/x/git/ref/heads/dev";

#[tokio::test]
async fn long_limits_are_reported_instead_of_waited_for() {
    for (status, headers, wait) in [
        (403, "Retry-After: 3600\r\n", 3600),
        (429, "Retry-After: 3600\r\n", 3600),
        (403, "X-RateLimit-Remaining: 0\r\n", 3600),
        (429, "X-RateLimit-Remaining: 0\r\n", 3600),
        // The header that is nearer to the matter counts.
        (
            403,
            "X-RateLimit-Remaining: 0\r\nRetry-After: 7200\r\n",
            7200,
        ),
    ] {
        let script = Script::new(vec![with_header(HEAD, status, headers, message("Slow"))]).await;
        let error = script.repo.branch_head("dev").await.unwrap_err();
        script.check();
        let GithubError::RateLimited { wait: found, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(found, Some(Duration::from_secs(wait)));
    }
}

#[tokio::test]
async fn a_secondary_limit_that_says_nothing_is_waited_for_within_the_cap() {
    let words = || message("You have exceeded a secondary rate limit.");
    for status in [403, 429] {
        let steps = vec![
            step(HEAD, status, words()),
            step(HEAD, status, words()),
            step(HEAD, 200, reference(SHA)),
        ];
        let script = Script::new(steps).await;
        let start = Instant::now();
        assert_eq!(script.repo.branch_head("dev").await.unwrap(), Some(sha()));
        script.check();
        // Twice the longest wait.
        assert!(start.elapsed() >= Duration::from_millis(40));

        let script = Script::new((0..4).map(|_| step(HEAD, status, words())).collect()).await;
        let error = script.repo.branch_head("dev").await.unwrap_err();
        script.check();
        assert!(matches!(error, GithubError::RateLimited { .. }), "{error}");
        assert!(error.hint().unwrap().contains("later"));
    }
    // Not allowed is not limited.
    let script = Script::new(vec![step(HEAD, 403, message("Not accessible"))]).await;
    let error = script.repo.branch_head("dev").await.unwrap_err();
    script.check();
    assert!(matches!(error, GithubError::Forbidden { .. }), "{error}");
}

#[tokio::test]
async fn a_quota_that_is_new_in_a_moment_is_waited_for() {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let headers = format!("X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: {now}\r\n");
    let steps = vec![
        with_header(
            HEAD,
            403,
            headers.leak(),
            message("API rate limit exceeded"),
        ),
        step(HEAD, 200, reference(SHA)),
    ];
    let mut script = Script::new(steps).await;
    script.options.retry.longest_wait = Duration::from_secs(10);
    let repo = Repo::new(script.options.clone()).unwrap();
    assert_eq!(repo.branch_head("dev").await.unwrap(), Some(sha()));
    script.check();

    // In ten minutes is too late.
    let headers = format!(
        "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: {}\r\n",
        now + 600
    );
    let script = Script::new(vec![with_header(HEAD, 403, headers.leak(), "")]).await;
    let error = script.repo.branch_head("dev").await.unwrap_err();
    script.check();
    let GithubError::RateLimited {
        wait: Some(wait), ..
    } = error
    else {
        panic!("{error:?}");
    };
    assert!((590..=601).contains(&wait.as_secs()), "{wait:?}");
}
