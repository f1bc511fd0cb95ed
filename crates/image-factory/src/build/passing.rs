use std::sync::LazyLock;

use regex::Regex;

/// A status by which a registry, or a proxy before it, asks to come back later.
static STATUS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(: |http |status:? |status code:? )(408|429|5\d\d)( |$|:)").ok());

/// What stands in messages about refusals: asking again would be vain, and may lock an account.
const REFUSALS: [&str; 6] = [
    "unauthorized",
    "authentication required",
    "no basic auth",
    "denied",
    "forbidden",
    "did not complete successfully",
];

/// What stands in messages about the bad moments of a network or a registry.
const PASSING: [&str; 17] = [
    "toomanyrequests",
    "too many requests",
    "connection reset",
    "connection refused",
    "connection timed out",
    "connection lost",
    "closed network connection",
    "broken pipe",
    "unexpected eof",
    "i/o timeout",
    "handshake timeout",
    // An HTML page where JSON is due.
    "invalid character '<'",
    // A registry that restarts forgets the uploads that it had begun; one that is cut off has
    // stored less than was sent.
    "blob upload unknown",
    "blob upload invalid",
    "digest invalid",
    "provided digest did not match",
    "blob unknown",
];

/// Whether what a builder says of a failure may be gone at the next try. BuildKit itself tries
/// pushes again after a 5xx and lost connections, three times within seven seconds, and never
/// after a 429 (moby/buildkit, `util/resolver/retryhandler/retry.go`).
pub(super) fn is_passing(message: &str) -> bool {
    let message = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    !says(&REFUSALS)
        && (says(&PASSING)
            || message.trim_end().ends_with(": eof")
            || STATUS
                .as_ref()
                .is_some_and(|status| status.is_match(&message)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_moments_are_told_from_refusals() {
        for passing in [
            "failed to push a/b:t: unexpected status from PUT request to http://a:5000/v2/b/blobs/uploads/x: 429 Too Many Requests",
            "failed to push a/b:t: failed commit on ref \"layer-sha256:1\": unexpected status: 503 Service Unavailable",
            "received unexpected HTTP status: 502 Bad Gateway",
            "error parsing HTTP 429 response body: invalid character '<' looking for beginning of value: \"<html>\"",
            "toomanyrequests: slow down",
            "Put \"http://127.0.0.1:5000/v2/a\": dial tcp 127.0.0.1:5000: connect: connection refused",
            "failed to do request: Head \"https://a/v2/\": EOF",
            "write tcp 127.0.0.1:1->127.0.0.1:2: write: connection reset by peer",
        ] {
            assert!(is_passing(passing), "{passing}");
        }
        for lasting in [
            "process \"/bin/sh -c curl\" did not complete successfully: exit code: 7: connection refused",
            "denied: 503 installation not allowed to Create organization package",
            "unexpected status from POST request to https://ghcr.io/v2/a-512/b/blobs/uploads/: 403 Forbidden",
            "unauthorized: authentication required",
            "docker.io/library/none:1: not found",
            "unexpected status from HEAD request to http://a:500/v2/b 502x/manifests/t: 404 Not Found",
        ] {
            assert!(!is_passing(lasting), "{lasting}");
        }
    }
}
