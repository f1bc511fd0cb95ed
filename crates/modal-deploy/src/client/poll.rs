use std::time::Duration;

use tokio::time::Instant;

use super::connection::Client;
use super::invocation::Call;
use super::queue::Invocation;
use super::value::decode;
use crate::ModalError;
use crate::error::CallFailure;
use crate::proto::generic_result::{DataOneof, GenericStatus};
use crate::proto::{DataFormat, FunctionRetryPolicy, GenericResult};

/// A server that answers "not yet" at once is not asked more often than this.
const SHORTEST_POLL: Duration = Duration::from_millis(100);
const INTERNAL_RETRIES: u32 = 8;
const LONGEST_USER_DELAY: Duration = Duration::from_secs(60);

impl Client {
    /// Waits for the output of a call, retrying as Modal's own clients do.
    pub(crate) async fn poll(
        &self,
        call: &Call<'_>,
        invocation: &mut Invocation,
        deadline: Instant,
    ) -> Result<ciborium::Value, ModalError> {
        let (mut internal, mut user) = (0, 0);
        loop {
            let asked = Instant::now();
            let Some(item) = self.output(call, &invocation.queue, deadline).await? else {
                tokio::time::sleep_until(asked + SHORTEST_POLL).await;
                continue;
            };
            let result = item.result.unwrap_or_default();
            match result.status() {
                GenericStatus::Success => {
                    return self.success(call, result, item.data_format).await;
                }
                GenericStatus::InternalFailure
                    if internal < INTERNAL_RETRIES && invocation.queue.takes_retries() =>
                {
                    internal += 1;
                    tokio::time::sleep(SHORTEST_POLL).await;
                }
                GenericStatus::Terminated | GenericStatus::InternalFailure => {
                    return Err(failed(call, invocation, result));
                }
                _ => match user_delay(invocation.user_retries.as_ref(), user) {
                    Some(delay) => {
                        user += 1;
                        tokio::time::sleep(delay).await;
                    }
                    None => return Err(failed(call, invocation, result)),
                },
            }
            tracing::debug!(app = call.app, internal, user, "trying the input again");
            self.retry(call, invocation, internal + user).await?;
        }
    }

    async fn success(
        &self,
        call: &Call<'_>,
        result: GenericResult,
        format: i32,
    ) -> Result<ciborium::Value, ModalError> {
        let unreadable = |problem: String| ModalError::Blob {
            app: call.app.to_owned(),
            function: call.function.to_owned(),
            problem,
        };
        match DataFormat::try_from(format) {
            Ok(DataFormat::Cbor) => {}
            Ok(DataFormat::GeneratorDone) => {
                return Err(call.not_callable("it is a generator; call a plain function"));
            }
            // Unpickling runs code, so it is never done.
            _ => {
                return Err(call.not_callable(
                    "its result is not CBOR; let it return plain values (dict, list, str, bytes)",
                ));
            }
        }
        let bytes = match result.data_oneof {
            Some(DataOneof::Data(bytes)) => bytes,
            Some(DataOneof::DataBlobId(id)) => self.blob(&id, unreadable).await?,
            None => Vec::new(),
        };
        decode(&bytes).map_err(|problem| unreadable(format!("it is no CBOR: {problem}")))
    }
}

fn failed(call: &Call<'_>, invocation: &Invocation, result: GenericResult) -> ModalError {
    let status = result.status().as_str_name();
    call.failed(CallFailure {
        status: status.trim_start_matches("GENERIC_STATUS_").to_owned(),
        exception: result.exception,
        traceback: result.traceback,
        exit_code: Some(result.exitcode).filter(|code| *code != 0),
        call_id: invocation.queue.call_id().map(str::to_owned),
    })
}

/// The wait before user retry number `done + 1`, if there is one.
fn user_delay(policy: Option<&FunctionRetryPolicy>, done: u32) -> Option<Duration> {
    let policy = policy.filter(|policy| done < policy.retries)?;
    let growth = f64::from(policy.backoff_coefficient.max(1.0)).powf(f64::from(done));
    let delay = f64::from(policy.initial_delay_ms) / 1000.0 * growth;
    let delay = Duration::try_from_secs_f64(delay).unwrap_or(LONGEST_USER_DELAY);
    let longest = match policy.max_delay_ms {
        0 => LONGEST_USER_DELAY,
        limit => Duration::from_millis(limit.into()).min(LONGEST_USER_DELAY),
    };
    Some(delay.clamp(SHORTEST_POLL.min(longest), longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_retries_follow_the_policy_of_the_function() {
        let policy = FunctionRetryPolicy {
            backoff_coefficient: 2.0,
            initial_delay_ms: 1000,
            max_delay_ms: 3000,
            retries: 3,
        };
        let delays: Vec<_> = (0..4)
            .map(|done| user_delay(Some(&policy), done).map(|delay| delay.as_millis()))
            .collect();
        assert_eq!(delays, [Some(1000), Some(2000), Some(3000), None]);
        assert_eq!(user_delay(None, 0), None);
    }
}
