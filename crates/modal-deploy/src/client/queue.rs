//! Handing an input in, and asking for its output: at the control plane, or, for functions with a
//! routing region, at the input plane of that region.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::connection::{Client, Operation, Plane};
use super::invocation::Call;
use crate::ModalError;
use crate::proto::{
    AttemptAwaitRequest, AttemptRetryRequest, AttemptStartRequest, FunctionCallInvocationType,
    FunctionCallType, FunctionGetOutputsItem, FunctionGetOutputsRequest, FunctionGetResponse,
    FunctionInput, FunctionMapRequest, FunctionPutInputsItem, FunctionPutInputsRequest,
    FunctionRetryInputsItem, FunctionRetryInputsRequest, FunctionRetryPolicy,
};

/// The longest that the server is asked to hold one poll.
const LONGEST_POLL: Duration = Duration::from_secs(55);
/// How much longer than that its answer may take.
const POLL_GRACE: Duration = Duration::from_secs(5);

/// A call that Modal has accepted.
pub(crate) struct Invocation {
    pub(crate) queue: Queue,
    function_id: String,
    item: FunctionPutInputsItem,
    /// The retries that the function declares, where it is the client that makes them.
    pub(crate) user_retries: Option<FunctionRetryPolicy>,
}

/// Where an input waits.
pub(crate) enum Queue {
    /// At the control plane.
    Call {
        call_id: String,
        call_jwt: String,
        input_jwt: String,
    },
    /// At an input plane.
    Attempt { plane: Plane, token: String },
}

impl Queue {
    /// By what the call can be cancelled.
    pub(crate) fn call_id(&self) -> Option<&str> {
        match self {
            Self::Call { call_id, .. } => Some(call_id),
            Self::Attempt { .. } => None,
        }
    }

    /// Whether inputs that Modal lost can be handed in again.
    pub(crate) fn takes_retries(&self) -> bool {
        match self {
            Self::Call { call_jwt, .. } => !call_jwt.is_empty(),
            Self::Attempt { .. } => true,
        }
    }
}

impl Client {
    /// Hands the input in.
    pub(crate) async fn enqueue(
        &self,
        call: &Call<'_>,
        function: FunctionGetResponse,
        input: FunctionInput,
    ) -> Result<Invocation, ModalError> {
        let metadata = function.handle_metadata.unwrap_or_default();
        let function_id = function.function_id;
        let item = FunctionPutInputsItem {
            idx: 0,
            input: Some(input),
        };
        let (queue, user_retries) = match metadata.input_plane_url.as_deref() {
            None | Some("") => self.start_call(call, &function_id, &item).await?,
            Some(url) => {
                let region = metadata.input_plane_region.unwrap_or_default();
                let plane = self.input_plane(url, &region)?;
                self.start_attempt(call, plane, &function_id, &item).await?
            }
        };
        Ok(Invocation {
            queue,
            function_id,
            item,
            user_retries,
        })
    }

    async fn start_call(
        &self,
        call: &Call<'_>,
        function_id: &str,
        item: &FunctionPutInputsItem,
    ) -> Result<(Queue, Option<FunctionRetryPolicy>), ModalError> {
        let operation = self.operation("FunctionMap", calling(call));
        let request = FunctionMapRequest {
            function_id: function_id.to_owned(),
            function_call_type: FunctionCallType::Unary.into(),
            function_call_invocation_type: FunctionCallInvocationType::Sync.into(),
            pipelined_inputs: vec![item.clone()],
            ..Default::default()
        };
        let map = self
            .unary(operation, request, |mut stub, request| async move {
                stub.function_map(request).await
            })
            .await?;
        let mut accepted = map.pipelined_inputs.into_iter().next();
        if accepted.is_none() {
            let operation = self.operation("FunctionPutInputs", calling(call));
            let request = FunctionPutInputsRequest {
                function_id: function_id.to_owned(),
                function_call_id: map.function_call_id.clone(),
                inputs: vec![item.clone()],
            };
            accepted = self
                .unary(operation, request, |mut stub, request| async move {
                    stub.function_put_inputs(request).await
                })
                .await?
                .inputs
                .into_iter()
                .next();
        }
        let accepted =
            accepted.ok_or_else(|| call.not_callable("its queue takes no more input"))?;
        let queue = Queue::Call {
            call_id: map.function_call_id,
            call_jwt: map.function_call_jwt,
            input_jwt: accepted.input_jwt,
        };
        let user_retries = map.retry_policy.filter(|_| map.sync_client_retries_enabled);
        Ok((queue, user_retries))
    }

    async fn start_attempt(
        &self,
        call: &Call<'_>,
        plane: Plane,
        function_id: &str,
        item: &FunctionPutInputsItem,
    ) -> Result<(Queue, Option<FunctionRetryPolicy>), ModalError> {
        let operation = self.operation("AttemptStart", calling(call)).at(&plane);
        let request = AttemptStartRequest {
            function_id: function_id.to_owned(),
            input: Some(item.clone()),
            ..Default::default()
        };
        let started = self
            .unary(operation, request, |mut stub, request| async move {
                stub.attempt_start(request).await
            })
            .await?;
        let token = started.attempt_token;
        Ok((Queue::Attempt { plane, token }, started.retry_policy))
    }

    /// The output of the input, if there is one before the poll ends.
    pub(crate) async fn output(
        &self,
        call: &Call<'_>,
        queue: &Queue,
        deadline: Instant,
    ) -> Result<Option<FunctionGetOutputsItem>, ModalError> {
        let hold = deadline
            .saturating_duration_since(Instant::now())
            .min(LONGEST_POLL);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let requested_at = now.unwrap_or_default().as_secs_f64();
        let operation = |rpc| Operation {
            deadline: hold + POLL_GRACE,
            ..self.operation(rpc, waiting(call))
        };
        match queue {
            Queue::Call {
                call_id, input_jwt, ..
            } => {
                let request = FunctionGetOutputsRequest {
                    function_call_id: call_id.clone(),
                    max_values: 1,
                    timeout: hold.as_secs_f32(),
                    last_entry_id: "0-0".to_owned(),
                    clear_on_success: true,
                    requested_at,
                    input_jwts: Some(input_jwt.clone())
                        .filter(|jwt| !jwt.is_empty())
                        .into_iter()
                        .collect(),
                    ..Default::default()
                };
                let operation = operation("FunctionGetOutputs");
                let answer = self
                    .unary(operation, request, |mut stub, request| async move {
                        stub.function_get_outputs(request).await
                    })
                    .await?;
                Ok(answer.outputs.into_iter().next())
            }
            Queue::Attempt { plane, token } => {
                let request = AttemptAwaitRequest {
                    attempt_token: token.clone(),
                    requested_at,
                    timeout_secs: hold.as_secs_f32(),
                };
                let operation = operation("AttemptAwait").at(plane);
                let answer = self
                    .unary(operation, request, |mut stub, request| async move {
                        stub.attempt_await(request).await
                    })
                    .await?;
                Ok(answer.output)
            }
        }
    }

    /// Hands the input in again, for the `count`th time.
    pub(crate) async fn retry(
        &self,
        call: &Call<'_>,
        invocation: &mut Invocation,
        count: u32,
    ) -> Result<(), ModalError> {
        match &mut invocation.queue {
            Queue::Call {
                call_jwt,
                input_jwt,
                ..
            } => {
                let operation = self.operation("FunctionRetryInputs", calling(call));
                let request = FunctionRetryInputsRequest {
                    function_call_jwt: call_jwt.clone(),
                    inputs: vec![FunctionRetryInputsItem {
                        input_jwt: input_jwt.clone(),
                        input: invocation.item.input.clone(),
                        retry_count: count,
                    }],
                };
                let answer = self
                    .unary(operation, request, |mut stub, request| async move {
                        stub.function_retry_inputs(request).await
                    })
                    .await?;
                if let Some(next) = answer.input_jwts.into_iter().next() {
                    *input_jwt = next;
                }
            }
            Queue::Attempt { plane, token } => {
                let operation = self.operation("AttemptRetry", calling(call)).at(plane);
                let request = AttemptRetryRequest {
                    function_id: invocation.function_id.clone(),
                    input: Some(invocation.item.clone()),
                    attempt_token: token.clone(),
                    ..Default::default()
                };
                let answer = self
                    .unary(operation, request, |mut stub, request| async move {
                        stub.attempt_retry(request).await
                    })
                    .await?;
                *token = answer.attempt_token;
            }
        }
        Ok(())
    }
}

fn calling(call: &Call<'_>) -> String {
    format!("call `{}` of app `{}`", call.function, call.app)
}

fn waiting(call: &Call<'_>) -> String {
    format!(
        "wait for the result of `{}` of app `{}`",
        call.function, call.app
    )
}
