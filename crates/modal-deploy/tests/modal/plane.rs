//! A control plane that does what a test tells it to.

mod service;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use modal_deploy::proto::function_input::ArgsOneof;
use modal_deploy::proto::generic_result::{DataOneof, GenericStatus};
use modal_deploy::proto::modal_client_server::ModalClientServer;
use modal_deploy::proto::*;
use modal_deploy::{Client, ClientOptions, Control};
use secrecy::SecretString;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, Notify};
use tonic::metadata::MetadataMap;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// The token secret that every test client uses.
pub(crate) const TOKEN_SECRET: &str = "as-token-hunter22";

pub(crate) enum Step {
    Fail(Status),
    Hang,
    /// All connections are closed.
    Drop,
    /// As without a script, once all are there.
    Meet(Arc<Barrier>),
    /// As without a script.
    Pass,
}

/// One request as the server saw it.
pub(crate) struct Seen {
    pub(crate) rpc: &'static str,
    pub(crate) headers: MetadataMap,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub(crate) struct State {
    pub(crate) seen: Vec<Seen>,
    /// What happens instead of an answer, first come first served.
    pub(crate) script: HashMap<&'static str, VecDeque<Step>>,
    pub(crate) warning: Option<&'static str>,
    /// Whether a write makes another secret of one that is there.
    pub(crate) new_ids: bool,
    /// How long every answer takes.
    pub(crate) latency: Duration,
    pub(crate) auth_tokens: bool,
    /// Whether the control plane refuses what comes without an auth token.
    pub(crate) wants_auth_token: bool,
    pub(crate) environments: Vec<String>,
    /// Values by environment and name.
    pub(crate) secrets: BTreeMap<(String, String), BTreeMap<String, String>>,
    /// What is listed instead of `secrets`.
    pub(crate) listed: Vec<SecretListItem>,
    /// Whether the keys of `secrets` are listed, too.
    pub(crate) tells_keys: bool,
    /// How many secrets are being written now, and the most there ever were.
    pub(crate) writing: (usize, usize),
    /// A folder with one file an app, and in it one line a version: its tag and its image.
    pub(crate) live: Option<PathBuf>,
    pub(crate) apps: Vec<app_list_response::AppListItem>,
    /// Whether Modal's own rollback is allowed.
    pub(crate) may_roll_back: bool,
    pub(crate) function: FunctionGetResponse,
    pub(crate) pipelined: bool,
    pub(crate) user_retries: Option<FunctionRetryPolicy>,
    /// The answers to polls; `None`: not yet. When they have run out: never.
    pub(crate) outputs: VecDeque<Option<(DataFormat, GenericResult)>>,
    /// Writes of secrets wait until this many are there.
    pub(crate) written_together: Option<Arc<Barrier>>,
    /// Polls wait until this many are there.
    pub(crate) polled_together: Option<Arc<Barrier>>,
    /// What a poll answers, once all are there.
    pub(crate) reply: Option<serde_json::Value>,
    /// How many inputs were handed in again.
    handed_in_again: usize,
    pub(crate) blob_url: String,
    pub(crate) arguments: Vec<ciborium::Value>,
    pub(crate) pinned: Vec<i32>,
    pub(crate) cancelled: Vec<String>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            seen: Vec::new(),
            script: HashMap::new(),
            warning: None,
            new_ids: false,
            latency: Duration::ZERO,
            auth_tokens: true,
            wants_auth_token: false,
            environments: vec!["dev".to_owned()],
            secrets: BTreeMap::new(),
            listed: Vec::new(),
            tells_keys: true,
            writing: (0, 0),
            live: None,
            apps: Vec::new(),
            may_roll_back: true,
            function: FunctionGetResponse {
                function_id: "fu-1".to_owned(),
                handle_metadata: Some(FunctionHandleMetadata {
                    supported_input_formats: vec![DataFormat::Cbor.into()],
                    ..Default::default()
                }),
                ..Default::default()
            },
            pipelined: true,
            user_retries: None,
            outputs: VecDeque::new(),
            written_together: None,
            polled_together: None,
            reply: None,
            handed_in_again: 0,
            blob_url: String::new(),
            arguments: Vec::new(),
            pinned: Vec::new(),
            cancelled: Vec::new(),
        }
    }
}

impl State {
    fn written(&self) -> usize {
        let written = self
            .seen
            .iter()
            .filter(|seen| seen.rpc == "SecretGetOrCreate");
        written.count()
    }

    fn listed(&self) -> Vec<SecretListItem> {
        if !self.listed.is_empty() {
            return self.listed.clone();
        }
        let item =
            |(number, ((_, name), values)): (usize, (&(String, String), &BTreeMap<_, _>))| {
                let keys: Vec<String> = values.keys().cloned().collect();
                SecretListItem {
                    label: name.clone(),
                    secret_id: match self.new_ids {
                        true => format!("st-{name}-{}", self.written()),
                        false => format!("st-{name}"),
                    },
                    created_at: f64::from(u32::MAX) - number as f64,
                    metadata: self.tells_keys.then(|| SecretMetadata {
                        keys,
                        ..Default::default()
                    }),
                    ..Default::default()
                }
            };
        self.secrets.iter().enumerate().map(item).collect()
    }
}

#[derive(Clone)]
pub(crate) struct Plane {
    state: Arc<Mutex<State>>,
    url: String,
    cut: Arc<Notify>,
}

impl Plane {
    pub(crate) async fn start() -> Self {
        Self::start_after(0).await
    }

    /// Closes the first `dropped` connections without a word.
    pub(crate) async fn start_after(dropped: usize) -> Self {
        let outside = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inside = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let plane = Self {
            state: Arc::default(),
            url: format!("http://{}", outside.local_addr().unwrap()),
            cut: Arc::default(),
        };
        let address = inside.local_addr().unwrap();
        let cut = plane.cut.clone();
        tokio::spawn(async move {
            for _ in 0..dropped {
                drop(outside.accept().await);
            }
            while let Ok((mut client, _)) = outside.accept().await {
                let cut = cut.clone();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(address).await.unwrap();
                    tokio::select! {
                        () = cut.notified() => {}
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                    }
                });
            }
        });
        let service = ModalClientServer::new(plane.clone());
        let server = Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(inside)));
        plane
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn options(&self) -> ClientOptions {
        ClientOptions::new("ak-1", SecretString::from(TOKEN_SECRET)).with_server_url(&self.url)
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.options()).unwrap()
    }

    pub(crate) fn control(&self) -> Control {
        Control::Native(self.client())
    }

    pub(crate) fn script(&self, rpc: &'static str, steps: impl IntoIterator<Item = Step>) {
        self.state().script.insert(rpc, steps.into_iter().collect());
    }

    pub(crate) fn count(&self, rpc: &str) -> usize {
        self.state()
            .seen
            .iter()
            .filter(|seen| seen.rpc == rpc)
            .count()
    }

    /// Polls until `done` holds; a test that waits in vain fails.
    pub(crate) async fn until(&self, what: &str, done: impl Fn(&State) -> bool) {
        for _ in 0..500 {
            if done(&self.state()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("waited in vain: {what}");
    }

    async fn enter<T>(&self, rpc: &'static str, request: Request<T>) -> Result<T, Status> {
        let step = {
            let mut state = self.state();
            let headers = request.metadata().clone();
            let signed_in = rpc == "AuthTokenGet" || headers.contains_key("x-modal-auth-token");
            state.seen.push(Seen { rpc, headers });
            if state.wants_auth_token && !signed_in {
                return Err(Status::unauthenticated("no auth token"));
            }
            state.script.get_mut(rpc).and_then(VecDeque::pop_front)
        };
        let latency = self.state().latency;
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        match step {
            None | Some(Step::Pass) => Ok(request.into_inner()),
            Some(Step::Fail(status)) => Err(status),
            Some(Step::Hang) => std::future::pending().await,
            Some(Step::Meet(all)) => {
                all.wait().await;
                Ok(request.into_inner())
            }
            Some(Step::Drop) => {
                self.cut.notify_waiters();
                std::future::pending().await
            }
        }
    }

    fn answer<T>(&self, message: T) -> Result<Response<T>, Status> {
        let mut response = Response::new(message);
        if let Some(warning) = self.state().warning {
            let value = warning.parse().unwrap();
            response.metadata_mut().insert("x-modal-warning", value);
        }
        Ok(response)
    }

    /// What was deployed as `app`, the newest last.
    pub(crate) fn versions(&self, app: &str) -> Vec<String> {
        let live = self.state().live.clone().unwrap_or_default();
        let lines = std::fs::read_to_string(live.join(app)).unwrap_or_default();
        lines.lines().map(str::to_owned).collect()
    }

    /// Makes a new version of the app with this id that has what `version`, or the live one, had.
    fn repeat(&self, app_id: &str, version: Option<i32>) -> Result<(), Status> {
        let app = app_id.strip_prefix("ap-").unwrap();
        let mut versions = self.versions(app);
        let index = version.map_or(versions.len(), |version| version.try_into().unwrap());
        let Some(line) = versions.get(index.wrapping_sub(1)).cloned() else {
            return Err(Status::invalid_argument("no such version"));
        };
        versions.push(line);
        let live = self.state().live.clone().unwrap();
        std::fs::write(live.join(app), versions.join("\n") + "\n").unwrap();
        Ok(())
    }

    fn hand_in_again(&self) -> usize {
        let mut state = self.state();
        state.handed_in_again += 1;
        state.handed_in_again
    }

    async fn next_output(&self) -> Option<FunctionGetOutputsItem> {
        let together = self.state().polled_together.clone();
        if let Some(together) = together {
            together.wait().await;
        }
        let reply = self.state().reply.clone();
        let next = match reply {
            Some(reply) => Some(success(&reply)),
            None => self.state().outputs.pop_front(),
        };
        let Some(next) = next else {
            return std::future::pending().await;
        };
        next.map(|(format, result)| FunctionGetOutputsItem {
            result: Some(result),
            data_format: format.into(),
            ..Default::default()
        })
    }

    fn accepted(&self, items: &[FunctionPutInputsItem]) -> Vec<FunctionPutInputsResponseItem> {
        for item in items {
            let input = item.input.clone().unwrap();
            assert_eq!(input.data_format(), DataFormat::Cbor);
            let Some(ArgsOneof::Args(args)) = input.args_oneof else {
                panic!("arguments as blob");
            };
            let arguments = ciborium::from_reader(args.as_slice()).unwrap();
            self.state().arguments.push(arguments);
        }
        vec![FunctionPutInputsResponseItem {
            idx: 0,
            input_id: "in-1".to_owned(),
            input_jwt: format!("jwt-{}", self.state().handed_in_again),
        }]
    }
}

pub(crate) fn cbor(json: &serde_json::Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(json, &mut bytes).unwrap();
    bytes
}

pub(crate) fn success(json: &serde_json::Value) -> Option<(DataFormat, GenericResult)> {
    let result = GenericResult {
        status: GenericStatus::Success.into(),
        data_oneof: Some(DataOneof::Data(cbor(json))),
        ..Default::default()
    };
    Some((DataFormat::Cbor, result))
}

pub(crate) fn failure(
    status: GenericStatus,
    exception: &str,
    traceback: &str,
) -> Option<(DataFormat, GenericResult)> {
    let result = GenericResult {
        status: status.into(),
        exception: exception.to_owned(),
        traceback: traceback.to_owned(),
        ..Default::default()
    };
    Some((DataFormat::Unspecified, result))
}
