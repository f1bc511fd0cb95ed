use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use modal_deploy::proto::generic_result::GenericStatus;
use modal_deploy::proto::{
    FunctionCallCancelRequest, FunctionGetOutputsItem, FunctionGetOutputsRequest,
    FunctionGetOutputsResponse, FunctionInput, FunctionPutInputsItem,
    FunctionPutInputsResponseItem, FunctionRetryInputsRequest, TaskStats,
};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Status;

use super::container::{self, Job, Outcome};
use super::state::{new_id, seconds};

/// Calls that are remembered after they have ended.
const REMEMBERED: usize = 1000;
/// No request is held longer than this, whatever it asks for.
const LONGEST_WAIT: f32 = 60.0;

/// What is called, for every input alike.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) function_id: String,
    pub(super) app_id: String,
    pub(super) app_name: String,
}

struct Call {
    target: Target,
    inputs: BTreeMap<String, Input>,
    /// Every answer in the order of arrival; `None` where the client has asked for another try.
    outputs: Vec<Option<FunctionGetOutputsItem>>,
    arrived: Arc<Notify>,
    cancel: CancellationToken,
}

struct Input {
    idx: i32,
    task_id: String,
    created_at: f64,
    retries: u32,
    done: bool,
    cancel: CancellationToken,
}

#[derive(Default)]
struct Book {
    calls: BTreeMap<String, Call>,
    order: VecDeque<String>,
}

/// The calls under way and those that ended lately.
#[derive(Clone)]
pub(super) struct Calls {
    book: Arc<Mutex<Book>>,
    room: Arc<Semaphore>,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

/// One input that must now be run.
pub(super) struct Due {
    pub(super) call_id: String,
    pub(super) input_id: String,
    pub(super) task_id: String,
    pub(super) target: Target,
    pub(super) input: FunctionInput,
    cancel: CancellationToken,
}

impl Calls {
    /// At most `parallel` containers run at once; the others wait.
    pub(super) fn new(parallel: usize) -> Self {
        Self {
            book: Arc::default(),
            room: Arc::new(Semaphore::new(parallel.max(1))),
            tasks: TaskTracker::new(),
            cancel: CancellationToken::new(),
        }
    }

    pub(super) fn open(&self, target: Target) -> String {
        let id = new_id("fc");
        let mut book = self.book();
        book.calls.insert(
            id.clone(),
            Call {
                target,
                inputs: BTreeMap::new(),
                outputs: Vec::new(),
                arrived: Arc::new(Notify::new()),
                cancel: self.cancel.child_token(),
            },
        );
        book.order.push_back(id.clone());
        if book.order.len() > REMEMBERED
            && let Some(oldest) = book.order.pop_front()
            && let Some(call) = book.calls.remove(&oldest)
        {
            call.cancel.cancel();
        }
        id
    }

    /// Notes inputs of a call; the answer to the client, and what must be run.
    pub(super) fn put(
        &self,
        call_id: &str,
        items: Vec<FunctionPutInputsItem>,
    ) -> Result<(Vec<FunctionPutInputsResponseItem>, Vec<Due>), Status> {
        let mut book = self.book();
        let call = book.call(call_id)?;
        let mut answers = Vec::new();
        let mut due = Vec::new();
        for item in items {
            let input_id = new_id("in");
            let input = Input {
                idx: item.idx,
                task_id: new_id("ta"),
                created_at: seconds(),
                retries: 0,
                done: false,
                cancel: call.cancel.child_token(),
            };
            due.push(call.due(call_id, &input_id, &input, item.input.unwrap_or_default()));
            call.inputs.insert(input_id.clone(), input);
            answers.push(FunctionPutInputsResponseItem {
                idx: item.idx,
                input_jwt: format!("{call_id}:{input_id}"),
                input_id,
            });
        }
        Ok((answers, due))
    }

    /// Runs inputs again that a client was not content with.
    pub(super) fn retry(
        &self,
        request: FunctionRetryInputsRequest,
    ) -> Result<(Vec<String>, Vec<Due>), Status> {
        let mut book = self.book();
        let mut jwts = Vec::new();
        let mut due = Vec::new();
        for item in request.inputs {
            let (call_id, input_id) = item.input_jwt.split_once(':').ok_or_else(|| {
                Status::invalid_argument("the input's token is not of this place")
            })?;
            let call = book.call(call_id)?;
            let Some(mut input) = call.inputs.remove(input_id) else {
                return Err(Status::not_found(format!("input '{input_id}' not found")));
            };
            input.task_id = new_id("ta");
            input.retries = item.retry_count;
            input.done = false;
            for output in &mut call.outputs {
                output.take_if(|output| output.input_id == input_id);
            }
            due.push(call.due(call_id, input_id, &input, item.input.unwrap_or_default()));
            call.inputs.insert(input_id.to_owned(), input);
            jwts.push(item.input_jwt.clone());
        }
        Ok((jwts, due))
    }

    /// Runs one input in the background, and keeps its answer.
    pub(super) fn run(&self, due: Due, job: Result<Job, Status>) {
        let calls = self.clone();
        self.tasks.spawn(async move {
            let outcome = match job {
                Ok(job) => calls.in_turn(&job, &due.cancel).await,
                Err(status) => Outcome::failed(GenericStatus::InitFailure, status.message()),
            };
            calls.keep(&due, outcome);
        });
    }

    async fn in_turn(&self, job: &Job, cancel: &CancellationToken) -> Outcome {
        let place = tokio::select! {
            place = self.room.acquire() => place,
            () = cancel.cancelled() => return Outcome::terminated(),
        };
        match place {
            Ok(_place) => container::run(job, cancel).await,
            Err(_) => Outcome::terminated(),
        }
    }

    fn keep(&self, due: &Due, outcome: Outcome) {
        let mut book = self.book();
        let Ok(call) = book.call(&due.call_id) else {
            return;
        };
        let Some(input) = call.inputs.get_mut(&due.input_id) else {
            return;
        };
        input.done = true;
        call.outputs.push(Some(FunctionGetOutputsItem {
            result: Some(outcome.result),
            idx: input.idx,
            input_id: due.input_id.clone(),
            data_format: outcome.data_format.into(),
            task_id: due.task_id.clone(),
            input_started_at: outcome.started_at,
            output_created_at: seconds(),
            retry_count: input.retries,
        }));
        call.arrived.notify_waiters();
    }

    /// Waits until there is an answer behind `last_entry_id`, at most as long as asked.
    pub(super) async fn outputs(
        &self,
        request: &FunctionGetOutputsRequest,
    ) -> Result<FunctionGetOutputsResponse, Status> {
        let wait = Duration::from_secs_f32(request.timeout.clamp(0.0, LONGEST_WAIT));
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            let arrived = self.book().call(&request.function_call_id)?.arrived.clone();
            let arrived = arrived.notified();
            tokio::pin!(arrived);
            // Listening begins before looking, so that no answer falls in between.
            arrived.as_mut().enable();
            let found = self.book().call(&request.function_call_id)?.after(request);
            if !found.outputs.is_empty() {
                return Ok(found);
            }
            tokio::select! {
                () = arrived => {}
                () = tokio::time::sleep_until(deadline) => return Ok(found),
                () = self.cancel.cancelled() => {
                    return Err(Status::unavailable("the control plane is stopping"));
                }
            }
        }
    }

    pub(super) fn cancel(&self, request: &FunctionCallCancelRequest) -> Result<(), Status> {
        self.book()
            .call(&request.function_call_id)
            .map(|call| call.cancel.cancel())
    }

    pub(super) fn inputs(&self, call_id: &str) -> Result<i32, Status> {
        let mut book = self.book();
        let call = book.call(call_id)?;
        Ok(i32::try_from(call.inputs.len()).unwrap_or(i32::MAX))
    }

    /// What runs now for one app, or for all.
    pub(super) fn running(&self, app_id: &str) -> Vec<TaskStats> {
        let book = self.book();
        let calls = book
            .calls
            .values()
            .filter(|call| app_id.is_empty() || call.target.app_id == app_id);
        calls
            .flat_map(|call| {
                let inputs = call.inputs.values().filter(|input| !input.done);
                inputs.map(|input| TaskStats {
                    task_id: input.task_id.clone(),
                    app_id: call.target.app_id.clone(),
                    app_description: call.target.app_name.clone(),
                    started_at: input.created_at,
                    enqueued_at: input.created_at,
                })
            })
            .collect()
    }

    pub(super) fn stop_task(&self, task_id: &str) {
        for call in self.book().calls.values() {
            for input in call.inputs.values() {
                if input.task_id == task_id {
                    input.cancel.cancel();
                }
            }
        }
    }

    /// How many inputs of a function have no answer yet.
    pub(super) fn backlog(&self, function_id: &str) -> usize {
        let book = self.book();
        let calls = book
            .calls
            .values()
            .filter(|call| call.target.function_id == function_id);
        calls
            .flat_map(|call| call.inputs.values())
            .filter(|input| !input.done)
            .count()
    }

    /// Whether anything was ever called.
    pub(super) fn any(&self) -> bool {
        !self.book().order.is_empty()
    }

    /// Ends every call at once, without waiting.
    pub(super) fn cancel_all(&self) {
        self.cancel.cancel();
    }

    /// Ends every call; when this returns, no container is left.
    pub(super) async fn stop(&self) {
        self.cancel_all();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn call(&mut self, call_id: &str) -> Result<&mut Call, Status> {
        self.calls
            .get_mut(call_id)
            .ok_or_else(|| Status::not_found(format!("function call '{call_id}' not found")))
    }
}

impl Call {
    fn due(&self, call_id: &str, input_id: &str, input: &Input, content: FunctionInput) -> Due {
        Due {
            call_id: call_id.to_owned(),
            input_id: input_id.to_owned(),
            task_id: input.task_id.clone(),
            target: self.target.clone(),
            input: content,
            cancel: input.cancel.clone(),
        }
    }

    fn after(&self, request: &FunctionGetOutputsRequest) -> FunctionGetOutputsResponse {
        let last = request
            .last_entry_id
            .split_once('-')
            .and_then(|(entry, _)| entry.parse().ok())
            .unwrap_or(0_usize);
        let limit = usize::try_from(request.max_values)
            .ok()
            .filter(|limit| *limit > 0)
            .unwrap_or(usize::MAX);
        let first = request.start_idx.unwrap_or(i32::MIN);
        let end = request.end_idx.unwrap_or(i32::MAX);
        let mut entry = last;
        let mut outputs = Vec::new();
        for (place, output) in self.outputs.iter().enumerate().skip(last) {
            if outputs.len() >= limit {
                break;
            }
            entry = place + 1;
            if let Some(output) = output
                && (first..=end).contains(&output.idx)
            {
                outputs.push(output.clone());
            }
        }
        let open = self.inputs.values().filter(|input| !input.done).count();
        FunctionGetOutputsResponse {
            idxs: outputs.iter().map(|output| output.idx).collect(),
            outputs,
            last_entry_id: format!("{entry}-0"),
            num_unfinished_inputs: i32::try_from(open).unwrap_or(i32::MAX),
        }
    }
}
