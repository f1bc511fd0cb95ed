use std::time::Duration;

use registry_model::Environment;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::connection::Client;
use super::queue::Invocation;
use super::value::encode_arguments;
use crate::ModalError;
use crate::error::CallFailure;
use crate::proto::{DataFormat, FunctionCallCancelRequest, FunctionGetResponse, FunctionInput};

/// Larger arguments would have to be uploaded first, which nothing here needs.
const LARGEST_INPUT: usize = 2 * 1024 * 1024;
const CANCEL_DEADLINE: Duration = Duration::from_secs(5);

/// A call to a deployed function.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// Where the app is deployed.
    pub environment: &'a Environment,
    /// The name it is deployed under.
    pub app: &'a str,
    /// The function in it.
    pub function: &'a str,
    /// The version that must answer; `None`: whichever does. After a deploy, old containers go
    /// on answering for a while.
    pub version: Option<u32>,
    /// The one positional argument.
    pub payload: serde_json::Value,
    /// How long everything may take, cold start included.
    pub timeout: Duration,
}

/// What a function returned.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reply {
    /// The value, as CBOR has it.
    pub value: ciborium::Value,
    /// Modal's id of the call, `fc-…`; empty where an input plane took it, which gives none.
    pub call_id: String,
    /// The version that the call was pinned to, so that no other answered; `None` where it was not.
    /// The server itself never tells who answered.
    pub version: Option<u32>,
}

impl Call<'_> {
    pub(crate) fn not_callable(&self, problem: impl Into<String>) -> ModalError {
        ModalError::NotCallable {
            app: self.app.to_owned(),
            function: self.function.to_owned(),
            problem: problem.into(),
        }
    }

    pub(crate) fn interrupted(&self) -> ModalError {
        ModalError::Cancelled {
            what: format!("call `{}` of app `{}`", self.function, self.app),
        }
    }

    pub(crate) fn failed(&self, failure: CallFailure) -> ModalError {
        ModalError::CallFailed {
            app: self.app.to_owned(),
            function: self.function.to_owned(),
            failure: Box::new(failure),
        }
    }

    pub(crate) fn timed_out(&self) -> ModalError {
        ModalError::CallTimedOut {
            app: self.app.to_owned(),
            function: self.function.to_owned(),
            after: self.timeout,
        }
    }
}

impl Client {
    /// Calls a deployed function and waits for what it returns.
    ///
    /// A call that times out, is cancelled or whose future is dropped is cancelled at Modal too;
    /// but calls of functions with a routing region have no name there by which to cancel them,
    /// and end with the function's own time limit.
    ///
    /// Where the server cannot pin a version, the call is made without (`Reply::version` is then
    /// `None`) and a warning is logged.
    ///
    /// # Errors
    /// [`ModalError::NotCallable`] for functions that this client cannot call,
    /// [`ModalError::CallFailed`] with exception and traceback when the function failed,
    /// [`ModalError::CallTimedOut`], [`ModalError::Cancelled`], [`ModalError::Blob`],
    /// [`ModalError::Rpc`].
    pub async fn call(
        &self,
        call: &Call<'_>,
        cancel: &CancellationToken,
    ) -> Result<Reply, ModalError> {
        let deadline = Instant::now() + call.timeout;
        let limits = async {
            tokio::select! {
                () = cancel.cancelled() => call.interrupted(),
                () = tokio::time::sleep_until(deadline) => call.timed_out(),
            }
        };
        tokio::pin!(limits);
        let start = self.start(call);
        let (mut invocation, version) = tokio::select! {
            biased;
            error = &mut limits => return Err(error),
            started = start => started?,
        };
        let mut guard = CallGuard {
            client: self.clone(),
            call_id: invocation.queue.call_id().map(str::to_owned),
        };
        let outcome = tokio::select! {
            biased;
            error = &mut limits => Err(error),
            outcome = self.poll(call, &mut invocation, deadline) => outcome,
        };
        match outcome {
            Ok(value) => Ok(Reply {
                value,
                call_id: guard.call_id.take().unwrap_or_default(),
                version,
            }),
            Err(error) => {
                if matches!(
                    error,
                    ModalError::CallFailed { .. }
                        | ModalError::Blob { .. }
                        | ModalError::NotCallable { .. }
                ) {
                    guard.call_id = None;
                }
                guard.cancel().await;
                Err(error)
            }
        }
    }

    async fn start(&self, call: &Call<'_>) -> Result<(Invocation, Option<u32>), ModalError> {
        let args = encode_arguments(&call.payload).map_err(|problem| call.not_callable(problem))?;
        if args.len() > LARGEST_INPUT {
            return Err(call.not_callable(format!(
                "the argument takes {} bytes, more than the {LARGEST_INPUT} that fit into a call",
                args.len()
            )));
        }
        let (function, version) = self.pinned(call).await?;
        check_callable(call, &function)?;
        let input = FunctionInput {
            args_oneof: Some(crate::proto::function_input::ArgsOneof::Args(args)),
            final_input: false,
            data_format: DataFormat::Cbor.into(),
            method_name: None,
        };
        let invocation = self.enqueue(call, function, input).await?;
        Ok((invocation, version))
    }

    /// The function at the version that is asked for, or without one where plans or servers do
    /// not allow to name it.
    async fn pinned(
        &self,
        call: &Call<'_>,
    ) -> Result<(FunctionGetResponse, Option<u32>), ModalError> {
        let get = |version| self.function(call.environment, call.app, call.function, version);
        match get(call.version).await {
            Err(error) if call.version.is_some() && is_refused_pin(&error) => {
                tracing::warn!(
                    app = call.app,
                    "Modal does not let us pin the version of the call, so an older container \
                     may answer: {error}"
                );
                Ok((get(None).await?, None))
            }
            other => Ok((other?, call.version)),
        }
    }

    async fn cancel_call(&self, call_id: String) {
        let mut operation =
            self.operation("FunctionCallCancel", format!("cancel call `{call_id}`"));
        operation.deadline = CANCEL_DEADLINE;
        let request = FunctionCallCancelRequest {
            function_call_id: call_id,
            ..Default::default()
        };
        let cancelled = self.unary(operation, request, |mut stub, request| async move {
            stub.function_call_cancel(request).await
        });
        match tokio::time::timeout(CANCEL_DEADLINE, cancelled).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!("{error}"),
            Err(_) => tracing::debug!("cancel call: no answer within {CANCEL_DEADLINE:?}"),
        }
    }
}

fn is_refused_pin(error: &ModalError) -> bool {
    matches!(
        error.grpc_code(),
        Some(
            Code::InvalidArgument
                | Code::FailedPrecondition
                | Code::PermissionDenied
                | Code::Unimplemented
        )
    )
}

fn check_callable(call: &Call<'_>, function: &FunctionGetResponse) -> Result<(), ModalError> {
    let metadata = function.handle_metadata.clone().unwrap_or_default();
    if !metadata.web_url.is_empty() {
        return Err(call.not_callable("it is a web endpoint, which answers HTTP only"));
    }
    if !metadata
        .supported_input_formats
        .contains(&DataFormat::Cbor.into())
    {
        return Err(call.not_callable(
            "it was deployed by a Modal client without CBOR; redeploy it with 1.2 or later",
        ));
    }
    Ok(())
}

/// Cancels a call at Modal unless it is known to have ended.
struct CallGuard {
    client: Client,
    call_id: Option<String>,
}

impl CallGuard {
    async fn cancel(mut self) {
        if let Some(id) = self.call_id.clone() {
            self.client.cancel_call(id).await;
            self.call_id = None;
        }
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        // The future was dropped: the request is sent by whoever still runs this runtime.
        if let Some(id) = self.call_id.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let client = self.client.clone();
            runtime.spawn(async move { client.cancel_call(id).await });
        }
    }
}
