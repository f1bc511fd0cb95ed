//! A control plane that does what a test tells it to.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use modal_deploy::proto::function_input::ArgsOneof;
use modal_deploy::proto::generic_result::{DataOneof, GenericStatus};
use modal_deploy::proto::modal_client_server::{ModalClient, ModalClientServer};
use modal_deploy::proto::*;
use modal_deploy::{Client, ClientOptions};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use tonic::metadata::MetadataMap;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// The token secret that every test client uses.
pub(crate) const TOKEN_SECRET: &str = "as-token-hunter22";

pub(crate) enum Step {
    Fail(Status),
    Hang,
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
    pub(crate) auth_tokens: bool,
    pub(crate) environments: Vec<String>,
    /// Values by environment and name.
    pub(crate) secrets: BTreeMap<(String, String), BTreeMap<String, String>>,
    pub(crate) listed: Vec<SecretListItem>,
    /// How many secrets are being written now, and the most there ever were.
    pub(crate) writing: (usize, usize),
    /// A folder with one file an app, and in it one line a version.
    pub(crate) live: Option<PathBuf>,
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
            auth_tokens: true,
            environments: vec!["dev".to_owned()],
            secrets: BTreeMap::new(),
            listed: Vec::new(),
            writing: (0, 0),
            live: None,
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
            blob_url: String::new(),
            arguments: Vec::new(),
            pinned: Vec::new(),
            cancelled: Vec::new(),
        }
    }
}

#[derive(Clone)]
pub(crate) struct Plane {
    state: Arc<Mutex<State>>,
    url: String,
}

impl Plane {
    pub(crate) async fn start() -> Self {
        Self::start_after(0).await
    }

    /// Closes the first `dropped` connections without a word.
    pub(crate) async fn start_after(dropped: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let plane = Self {
            state: Arc::default(),
            url: format!("http://{}", listener.local_addr().unwrap()),
        };
        let service = ModalClientServer::new(plane.clone());
        tokio::spawn(async move {
            for _ in 0..dropped {
                drop(listener.accept().await);
            }
            Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpIncoming::from(listener))
                .await
        });
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
            state.seen.push(Seen { rpc, headers });
            state.script.get_mut(rpc).and_then(VecDeque::pop_front)
        };
        match step {
            None => Ok(request.into_inner()),
            Some(Step::Fail(status)) => Err(status),
            Some(Step::Hang) => std::future::pending().await,
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
            input_jwt: "jwt-0".to_owned(),
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

#[tonic::async_trait]
impl ModalClient for Plane {
    async fn auth_token_get(
        &self,
        request: Request<AuthTokenGetRequest>,
    ) -> Result<Response<AuthTokenGetResponse>, Status> {
        self.enter("AuthTokenGet", request).await?;
        if !self.state().auth_tokens {
            return Err(Status::unimplemented("older than that"));
        }
        self.answer(AuthTokenGetResponse {
            token: "jwt-of-the-connection".to_owned(),
        })
    }

    async fn environment_list(
        &self,
        request: Request<()>,
    ) -> Result<Response<EnvironmentListResponse>, Status> {
        self.enter("EnvironmentList", request).await?;
        let names = self.state().environments.clone();
        let items = names.into_iter().map(|name| EnvironmentListItem {
            name,
            image_builder_version: Some("2025.06".to_owned()),
            ..Default::default()
        });
        let items = items.collect();
        self.answer(EnvironmentListResponse { items })
    }

    async fn environment_create(
        &self,
        request: Request<EnvironmentCreateRequest>,
    ) -> Result<Response<()>, Status> {
        let name = self.enter("EnvironmentCreate", request).await?.name;
        let mut state = self.state();
        if state.environments.contains(&name) {
            return Err(Status::already_exists(name));
        }
        state.environments.push(name);
        Ok(Response::new(()))
    }

    async fn secret_list(
        &self,
        request: Request<SecretListRequest>,
    ) -> Result<Response<SecretListResponse>, Status> {
        let page = self.enter("SecretList", request).await?.pagination.unwrap();
        let before = match page.created_before {
            0.0 => f64::INFINITY,
            before => before,
        };
        let items = self.state().listed.clone().into_iter();
        let items = items.filter(|item| item.created_at < before).take(100);
        let items = items.collect();
        self.answer(SecretListResponse {
            items,
            ..Default::default()
        })
    }

    async fn secret_get_or_create(
        &self,
        request: Request<SecretGetOrCreateRequest>,
    ) -> Result<Response<SecretGetOrCreateResponse>, Status> {
        let request = self.enter("SecretGetOrCreate", request).await?;
        assert_eq!(
            request.object_creation_type(),
            ObjectCreationType::CreateOverwriteIfExists
        );
        {
            let mut state = self.state();
            state.writing.0 += 1;
            state.writing.1 = state.writing.1.max(state.writing.0);
        }
        let together = self.state().written_together.clone();
        if let Some(together) = together {
            together.wait().await;
        }
        let mut state = self.state();
        state.writing.0 -= 1;
        let secret_id = format!("st-{}", request.deployment_name);
        let place = (request.environment_name, request.deployment_name);
        state.secrets.insert(place, request.env_dict);
        Ok(Response::new(SecretGetOrCreateResponse {
            secret_id,
            ..Default::default()
        }))
    }

    async fn app_get_by_deployment_name(
        &self,
        request: Request<AppGetByDeploymentNameRequest>,
    ) -> Result<Response<AppGetByDeploymentNameResponse>, Status> {
        let name = self.enter("AppGetByDeploymentName", request).await?.name;
        let live = self.state().live.clone().unwrap_or_default();
        let versions = std::fs::read_to_string(live.join(&name)).unwrap_or_default();
        let version = versions.lines().count();
        if version == 0 {
            return self.answer(AppGetByDeploymentNameResponse::default());
        }
        self.answer(AppGetByDeploymentNameResponse {
            app_id: format!("ap-{name}"),
            lifecycle: Some(AppLifecycle {
                app_state: AppState::Deployed.into(),
                version: version.try_into().unwrap(),
                deployed_at: 1.0,
                ..Default::default()
            }),
            ..Default::default()
        })
    }

    async fn function_get(
        &self,
        request: Request<FunctionGetRequest>,
    ) -> Result<Response<FunctionGetResponse>, Status> {
        let request = self.enter("FunctionGet", request).await?;
        self.state().pinned.push(request.app_version);
        let function = self.state().function.clone();
        self.answer(function)
    }

    async fn function_map(
        &self,
        request: Request<FunctionMapRequest>,
    ) -> Result<Response<FunctionMapResponse>, Status> {
        let request = self.enter("FunctionMap", request).await?;
        assert_eq!(request.function_call_type(), FunctionCallType::Unary);
        assert_eq!(
            request.function_call_invocation_type(),
            FunctionCallInvocationType::Sync
        );
        let pipelined = self.state().pipelined;
        let pipelined_inputs = match pipelined {
            true => self.accepted(&request.pipelined_inputs),
            false => Vec::new(),
        };
        let retry_policy = self.state().user_retries;
        self.answer(FunctionMapResponse {
            function_call_id: "fc-1".to_owned(),
            function_call_jwt: "call-jwt".to_owned(),
            pipelined_inputs,
            sync_client_retries_enabled: retry_policy.is_some(),
            retry_policy,
            ..Default::default()
        })
    }

    async fn function_put_inputs(
        &self,
        request: Request<FunctionPutInputsRequest>,
    ) -> Result<Response<FunctionPutInputsResponse>, Status> {
        let request = self.enter("FunctionPutInputs", request).await?;
        assert_eq!(request.function_call_id, "fc-1");
        let inputs = self.accepted(&request.inputs);
        self.answer(FunctionPutInputsResponse { inputs })
    }

    async fn function_get_outputs(
        &self,
        request: Request<FunctionGetOutputsRequest>,
    ) -> Result<Response<FunctionGetOutputsResponse>, Status> {
        let request = self.enter("FunctionGetOutputs", request).await?;
        assert!(request.timeout <= 55.0 && request.last_entry_id == "0-0");
        let retries = self.count("FunctionRetryInputs");
        assert_eq!(request.input_jwts, [format!("jwt-{retries}")]);
        let together = self.state().polled_together.clone();
        if let Some(together) = together {
            together.wait().await;
        }
        let reply = self.state().reply.clone();
        let next = match reply {
            Some(reply) => Some(success(&reply)),
            None => self.state().outputs.pop_front(),
        };
        let outputs = match next {
            Some(Some((format, result))) => vec![FunctionGetOutputsItem {
                result: Some(result),
                data_format: format.into(),
                ..Default::default()
            }],
            Some(None) => Vec::new(),
            None => std::future::pending().await,
        };
        self.answer(FunctionGetOutputsResponse {
            outputs,
            ..Default::default()
        })
    }

    async fn function_retry_inputs(
        &self,
        request: Request<FunctionRetryInputsRequest>,
    ) -> Result<Response<FunctionRetryInputsResponse>, Status> {
        let request = self.enter("FunctionRetryInputs", request).await?;
        let retries = self.count("FunctionRetryInputs");
        assert_eq!(request.function_call_jwt, "call-jwt");
        assert_eq!(request.inputs[0].input_jwt, format!("jwt-{}", retries - 1));
        self.answer(FunctionRetryInputsResponse {
            input_jwts: vec![format!("jwt-{retries}")],
        })
    }

    async fn function_call_cancel(
        &self,
        request: Request<FunctionCallCancelRequest>,
    ) -> Result<Response<()>, Status> {
        let request = self.enter("FunctionCallCancel", request).await?;
        self.state().cancelled.push(request.function_call_id);
        self.answer(())
    }

    async fn blob_get(
        &self,
        request: Request<BlobGetRequest>,
    ) -> Result<Response<BlobGetResponse>, Status> {
        self.enter("BlobGet", request).await?;
        let download_url = self.state().blob_url.clone();
        self.answer(BlobGetResponse { download_url })
    }
}
