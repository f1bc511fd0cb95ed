use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::connection::Client;
use super::invocation::Call;
use super::value::decode;
use crate::ModalError;
use crate::error::CallFailure;
use crate::proto::generic_result::{DataOneof, GenericStatus};
use crate::proto::{
    DataFormat, FunctionGetOutputsItem, FunctionGetOutputsRequest, FunctionInput,
    FunctionRetryInputsItem, FunctionRetryInputsRequest, FunctionRetryPolicy, GenericResult,
};

/// The longest that the server is asked to hold one poll.
const LONGEST_POLL: Duration = Duration::from_secs(55);
/// How much longer than that its answer may take.
const POLL_GRACE: Duration = Duration::from_secs(5);
/// A server that answers "not yet" at once is not asked more often than this.
const SHORTEST_POLL: Duration = Duration::from_millis(100);
const INTERNAL_RETRIES: u32 = 8;
const LONGEST_USER_DELAY: Duration = Duration::from_secs(60);

/// A call that Modal has accepted.
pub(crate) struct Invocation {
    pub(crate) call_id: String,
    pub(crate) call_jwt: String,
    pub(crate) input_jwt: String,
    pub(crate) input: FunctionInput,
    /// The retries that the function declares, where it is the client that makes them.
    pub(crate) user_retries: Option<FunctionRetryPolicy>,
}

impl Client {
    /// Waits for the output of a call, retrying as Modal's own clients do.
    pub(crate) async fn poll(
        &self,
        call: &Call<'_>,
        invocation: &Invocation,
        deadline: Instant,
    ) -> Result<ciborium::Value, ModalError> {
        let mut jwt = invocation.input_jwt.clone();
        let (mut internal, mut user) = (0, 0);
        loop {
            let asked = Instant::now();
            let Some(item) = self.output(call, invocation, &jwt, deadline).await? else {
                tokio::time::sleep_until(asked + SHORTEST_POLL).await;
                continue;
            };
            let result = item.result.unwrap_or_default();
            match result.status() {
                GenericStatus::Success => {
                    return self.success(call, result, item.data_format).await;
                }
                GenericStatus::InternalFailure
                    if internal < INTERNAL_RETRIES && !invocation.call_jwt.is_empty() =>
                {
                    internal += 1;
                    tokio::time::sleep(SHORTEST_POLL).await;
                }
                GenericStatus::Terminated | GenericStatus::InternalFailure => {
                    return Err(failed(call, result));
                }
                _ => match user_delay(invocation.user_retries.as_ref(), user) {
                    Some(delay) => {
                        user += 1;
                        tokio::time::sleep(delay).await;
                    }
                    None => return Err(failed(call, result)),
                },
            }
            tracing::debug!(internal, user, "retrying call `{}`", invocation.call_id);
            jwt = self
                .retry(call, invocation, &jwt, internal + user)
                .await?
                .unwrap_or(jwt);
        }
    }

    async fn output(
        &self,
        call: &Call<'_>,
        invocation: &Invocation,
        jwt: &str,
        deadline: Instant,
    ) -> Result<Option<FunctionGetOutputsItem>, ModalError> {
        let hold = deadline
            .saturating_duration_since(Instant::now())
            .min(LONGEST_POLL);
        let mut operation = self.operation("FunctionGetOutputs", waiting(call));
        operation.deadline = hold + POLL_GRACE;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let request = FunctionGetOutputsRequest {
            function_call_id: invocation.call_id.clone(),
            max_values: 1,
            timeout: hold.as_secs_f32(),
            last_entry_id: "0-0".to_owned(),
            clear_on_success: true,
            requested_at: now.unwrap_or_default().as_secs_f64(),
            input_jwts: Some(jwt.to_owned())
                .filter(|jwt| !jwt.is_empty())
                .into_iter()
                .collect(),
            ..Default::default()
        };
        let answer = self
            .unary(operation, request, |mut stub, request| async move {
                stub.function_get_outputs(request).await
            })
            .await?;
        Ok(answer.outputs.into_iter().next())
    }

    async fn retry(
        &self,
        call: &Call<'_>,
        invocation: &Invocation,
        jwt: &str,
        count: u32,
    ) -> Result<Option<String>, ModalError> {
        let operation = self.operation("FunctionRetryInputs", waiting(call));
        let request = FunctionRetryInputsRequest {
            function_call_jwt: invocation.call_jwt.clone(),
            inputs: vec![FunctionRetryInputsItem {
                input_jwt: jwt.to_owned(),
                input: Some(invocation.input.clone()),
                retry_count: count,
            }],
        };
        let answer = self
            .unary(operation, request, |mut stub, request| async move {
                stub.function_retry_inputs(request).await
            })
            .await?;
        Ok(answer.input_jwts.into_iter().next())
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

fn waiting(call: &Call<'_>) -> String {
    format!(
        "wait for the result of `{}` of app `{}`",
        call.function, call.app
    )
}

fn failed(call: &Call<'_>, result: GenericResult) -> ModalError {
    let status = result.status().as_str_name();
    ModalError::CallFailed {
        app: call.app.to_owned(),
        function: call.function.to_owned(),
        failure: Box::new(CallFailure {
            status: status.trim_start_matches("GENERIC_STATUS_").to_owned(),
            exception: result.exception,
            traceback: result.traceback,
            exit_code: Some(result.exitcode).filter(|code| *code != 0),
        }),
    }
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
