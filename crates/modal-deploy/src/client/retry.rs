//! When a remote procedure is tried again, and after how long. No clock, no network.

use std::time::Duration;

use prost::Message;
use tonic::{Code, Status};

use crate::proto::{RpcRetryPolicy, RpcStatus};

const RETRIES: u32 = 3;
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(1);
const SHORTEST_THROTTLE: Duration = Duration::from_millis(100);
const POLICY: &str = "/modal.client.RPCRetryPolicy";

/// How often one remote procedure has been tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attempts {
    /// Retries of our own.
    pub(crate) retries: u32,
    /// Retries that the server asked for; they do not count as attempts.
    pub(crate) throttled: u32,
    /// All the waiting that the server asked for.
    pub(crate) throttle_waited: Duration,
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Wait(Duration),
    GiveUp,
    /// The server asks for more waiting than is allowed.
    Throttled(Duration),
}

impl Attempts {
    pub(crate) fn after(&mut self, status: &Status, throttle_limit: Duration) -> Next {
        if let Some(asked) = asked_to_wait(status) {
            let Some(total) = self
                .throttle_waited
                .checked_add(asked)
                .filter(|total| *total <= throttle_limit)
            else {
                return Next::Throttled(asked);
            };
            self.throttle_waited = total;
            self.throttled += 1;
            return Next::Wait(asked);
        }
        if !is_transient(status.code()) || self.retries >= RETRIES {
            return Next::GiveUp;
        }
        let delay = FIRST_DELAY * 2_u32.pow(self.retries);
        self.retries += 1;
        Next::Wait(delay.min(LONGEST_DELAY))
    }
}

fn is_transient(code: Code) -> bool {
    matches!(
        code,
        Code::DeadlineExceeded
            | Code::Unavailable
            | Code::Cancelled
            | Code::Internal
            | Code::Unknown
    )
}

/// The wait that `grpc-status-details-bin` asks for.
fn asked_to_wait(status: &Status) -> Option<Duration> {
    let details = RpcStatus::decode(status.details()).ok()?.details;
    let policy = details
        .iter()
        .find(|detail| detail.type_url.ends_with(POLICY))?;
    let policy = RpcRetryPolicy::decode(policy.value.as_slice()).ok()?;
    // A value that is no time (negative, NaN, infinite) still says "later".
    let asked = Duration::try_from_secs_f32(policy.retry_after_secs).unwrap_or(SHORTEST_THROTTLE);
    Some(asked.max(SHORTEST_THROTTLE))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn throttled(seconds: f32) -> Status {
        let details = RpcStatus {
            code: Code::ResourceExhausted as i32,
            message: "slow down".to_owned(),
            details: vec![prost_types::Any {
                type_url: format!("type.googleapis.com{POLICY}"),
                value: RpcRetryPolicy {
                    retry_after_secs: seconds,
                }
                .encode_to_vec(),
            }],
        };
        Status::with_details(
            Code::ResourceExhausted,
            "slow down",
            details.encode_to_vec().into(),
        )
    }

    fn waits(status: &Status) -> Vec<Next> {
        let mut attempts = Attempts::default();
        (0..5).map(|_| attempts.after(status, LIMIT)).collect()
    }

    fn ms(ms: u64) -> Next {
        Next::Wait(Duration::from_millis(ms))
    }

    #[test]
    fn transient_codes_get_three_retries_with_doubling_delay() {
        for code in [
            Code::DeadlineExceeded,
            Code::Unavailable,
            Code::Cancelled,
            Code::Internal,
            Code::Unknown,
        ] {
            assert_eq!(
                waits(&Status::new(code, "")),
                [ms(100), ms(200), ms(400), Next::GiveUp, Next::GiveUp],
                "{code:?}"
            );
        }
    }

    #[test]
    fn other_codes_are_final() {
        for code in [
            Code::Unauthenticated,
            Code::PermissionDenied,
            Code::NotFound,
            Code::InvalidArgument,
            Code::FailedPrecondition,
            Code::AlreadyExists,
            Code::Unimplemented,
            Code::ResourceExhausted,
        ] {
            assert_eq!(waits(&Status::new(code, ""))[0], Next::GiveUp, "{code:?}");
        }
    }

    #[test]
    fn the_servers_wish_is_followed_up_to_the_limit_and_counts_apart() {
        let mut attempts = Attempts::default();
        assert_eq!(attempts.after(&throttled(4.0), LIMIT), ms(4000));
        assert_eq!(attempts.after(&throttled(0.0), LIMIT), ms(100));
        assert_eq!(attempts.after(&throttled(5.0), LIMIT), ms(5000));
        assert_eq!((attempts.retries, attempts.throttled), (0, 3));
        assert_eq!(
            attempts.after(&throttled(2.0), LIMIT),
            Next::Throttled(Duration::from_secs(2))
        );
    }

    #[test]
    fn a_wait_that_is_no_time_does_not_break_anything() {
        for seconds in [-1.0, f32::NAN, f32::INFINITY] {
            let mut attempts = Attempts::default();
            assert_eq!(attempts.after(&throttled(seconds), LIMIT), ms(100));
        }
        let garbled = Status::with_details(
            Code::ResourceExhausted,
            "",
            b"\xff\xff not protobuf".to_vec().into(),
        );
        assert_eq!(waits(&garbled)[0], Next::GiveUp);
    }
}
