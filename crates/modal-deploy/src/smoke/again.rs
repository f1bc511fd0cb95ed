//! Which failures of a call are the machinery's, and how long to wait before the next attempt.

use std::time::Duration;

use tonic::Code;

use crate::ModalError;

const ATTEMPTS: u32 = 10;
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// Whether a call that failed so may succeed when it is made again.
pub(super) fn is_transient(error: &ModalError) -> bool {
    match error {
        ModalError::Rpc { code, .. } => matches!(
            code.0,
            Code::Unavailable
                | Code::DeadlineExceeded
                | Code::Internal
                | Code::Unknown
                | Code::Cancelled
        ),
        ModalError::CallFailed { failure, .. } => matches!(
            failure.status.as_str(),
            "INTERNAL_FAILURE" | "MEMORY_MANAGER_EVICTION" | "IDLE_TIMEOUT" | "TERMINATED"
        ),
        _ => false,
    }
}

/// The wait after so many attempts; `None`: these were enough.
pub(super) fn pause(attempts: u32) -> Option<Duration> {
    let doubled = 2_u32.checked_pow(attempts.saturating_sub(1));
    let wait = doubled.map_or(LONGEST, |factor| FIRST.saturating_mul(factor));
    (attempts < ATTEMPTS).then_some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CallFailure, GrpcCode};

    #[test]
    fn the_machinery_gets_another_chance_and_the_function_none() {
        let rpc = |code| ModalError::Rpc {
            what: "call".into(),
            rpc: "FunctionMap",
            server: "http://x".into(),
            code: GrpcCode(code),
            message: String::new(),
        };
        for (code, again) in [
            (Code::Unavailable, true),
            (Code::DeadlineExceeded, true),
            (Code::NotFound, false),
            (Code::Unauthenticated, false),
            (Code::ResourceExhausted, false),
        ] {
            assert_eq!(is_transient(&rpc(code)), again, "{code:?}");
        }
        let failed = |status: &str| ModalError::CallFailed {
            app: "a".into(),
            function: "smoke".into(),
            failure: Box::new(CallFailure {
                status: status.into(),
                ..CallFailure::default()
            }),
        };
        for (status, again) in [
            ("INTERNAL_FAILURE", true),
            ("MEMORY_MANAGER_EVICTION", true),
            ("IDLE_TIMEOUT", true),
            ("TERMINATED", true),
            ("INIT_FAILURE", false),
            ("FAILURE", false),
            ("TIMEOUT", false),
            ("KERNEL_OOM_KILL", false),
        ] {
            assert_eq!(is_transient(&failed(status)), again, "{status}");
        }
    }

    #[test]
    fn pauses_grow_and_end() {
        let waits: Vec<_> = (1..=10)
            .map(|attempts| pause(attempts).map(|wait| wait.as_millis()))
            .collect();
        assert_eq!(waits[..4], [Some(500), Some(1000), Some(2000), Some(4000)]);
        assert_eq!(waits[8..], [Some(30_000), None]);
    }
}
