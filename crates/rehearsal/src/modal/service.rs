use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use modal_deploy::proto::function_get_scheduling_params_response::AutoscalerConfiguration;
use modal_deploy::proto::modal_client_server::ModalClient;
use modal_deploy::proto::token_info_get_response::Identity;
use modal_deploy::proto::*;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};

use super::ModalOptions;
use super::answering::Answering;
use super::apps::Published;
use super::calls::Calls;
use super::environments::IMAGE_BUILDER;
use super::secrets::Place;
use super::state::{State, timestamp};
use super::token;
use super::{answering, answers, builds};

/// Answers the requests of Modal's clients from one state.
#[derive(Clone)]
pub(super) struct Service {
    state: Arc<Mutex<State>>,
    pub(super) calls: Calls,
    pub(super) options: Arc<ModalOptions>,
    /// The label of this control plane's containers.
    pub(super) owner: Arc<str>,
}

type Answer<T> = Result<Response<T>, Status>;

fn answer<T>(value: T) -> Answer<T> {
    Ok(Response::new(value))
}

impl Service {
    pub(super) fn new(options: ModalOptions, owner: &str) -> Self {
        Self {
            state: Arc::default(),
            calls: Calls::new(options.parallel),
            options: Arc::new(options),
            owner: owner.into(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The user in whose name everything happens.
    fn user(&self) -> &str {
        &self.options.workspace
    }

    /// The containers that get the calls of a function now.
    pub(super) fn answering<'a>(
        &self,
        state: &'a State,
        function_id: &str,
    ) -> Result<Answering<'a>, Status> {
        Answering::find(state, function_id, self.options.old_containers)
    }

    fn url(&self, environment: &str, app: &str) -> String {
        format!("rehearsal://{}/{environment}/{app}", self.options.workspace)
    }

    fn app_url(&self, app_id: &str) -> String {
        let state = self.state();
        let named = |id: &_| state.environments.name(id);
        match state.apps.metadata(app_id, self.user(), named) {
            Ok(app) => self.url(&app.environment_name, &app.description),
            Err(_) => self.url("", app_id),
        }
    }
}

#[tonic::async_trait]
impl ModalClient for Service {
    async fn client_hello(&self, _: Request<()>) -> Answer<ClientHelloResponse> {
        answer(ClientHelloResponse {
            image_builder_version: IMAGE_BUILDER.to_owned(),
            ..ClientHelloResponse::default()
        })
    }

    async fn auth_token_get(
        &self,
        request: Request<AuthTokenGetRequest>,
    ) -> Answer<AuthTokenGetResponse> {
        let token = token::short_lived(&token::id(&request));
        answer(AuthTokenGetResponse { token })
    }

    async fn token_info_get(
        &self,
        request: Request<TokenInfoGetRequest>,
    ) -> Answer<TokenInfoGetResponse> {
        answer(TokenInfoGetResponse {
            token_id: token::id(&request),
            workspace_id: format!("ac-{}", self.options.workspace),
            workspace_name: self.options.workspace.clone(),
            identity: Some(Identity::UserIdentity(UserIdentity {
                user_id: format!("us-{}", self.user()),
                username: self.user().to_owned(),
            })),
            created_at: Some(timestamp()),
            ..TokenInfoGetResponse::default()
        })
    }

    async fn workspace_name_lookup(&self, _: Request<()>) -> Answer<WorkspaceNameLookupResponse> {
        answer(WorkspaceNameLookupResponse {
            workspace_name: self.options.workspace.clone(),
            username: self.user().to_owned(),
        })
    }

    async fn environment_list(&self, _: Request<()>) -> Answer<EnvironmentListResponse> {
        let items = self.state().environments.list();
        answer(EnvironmentListResponse { items })
    }

    async fn environment_create(&self, request: Request<EnvironmentCreateRequest>) -> Answer<()> {
        let mut state = self.state();
        let now = state.now();
        state.environments.create(&request.get_ref().name, now)?;
        answer(())
    }

    async fn environment_get_or_create(
        &self,
        request: Request<EnvironmentGetOrCreateRequest>,
    ) -> Answer<EnvironmentGetOrCreateResponse> {
        let mut state = self.state();
        let now = state.now();
        answer(state.environments.get_or_create(request.get_ref(), now)?)
    }

    async fn environment_update(
        &self,
        request: Request<EnvironmentUpdateRequest>,
    ) -> Answer<EnvironmentListItem> {
        answer(self.state().environments.update(request.into_inner())?)
    }

    async fn environment_delete(&self, request: Request<EnvironmentDeleteRequest>) -> Answer<()> {
        let mut state = self.state();
        let id = state.environments.delete(&request.get_ref().name)?;
        state.secrets.delete_all_of(&id);
        state.apps.delete_all_of(&id);
        answer(())
    }

    async fn secret_get_or_create(
        &self,
        request: Request<SecretGetOrCreateRequest>,
    ) -> Answer<SecretGetOrCreateResponse> {
        let mut state = self.state();
        let request = request.into_inner();
        let now = state.now();
        let environment = state.environments.resolve(&request.environment_name)?;
        let name = state.environments.name(&environment);
        let place = Place {
            environment,
            environment_name: &name,
            user: self.user(),
            now,
        };
        answer(state.secrets.get_or_create(request, &place)?)
    }

    async fn secret_list(&self, request: Request<SecretListRequest>) -> Answer<SecretListResponse> {
        let mut state = self.state();
        let request = request.into_inner();
        let now = state.now();
        let environment = state.environments.resolve(&request.environment_name)?;
        let name = state.environments.name(&environment);
        let place = Place {
            environment,
            environment_name: &name,
            user: self.user(),
            now,
        };
        let items = state.secrets.list(&request, &place);
        answer(SecretListResponse {
            items,
            environment_name: name,
        })
    }

    async fn secret_update(&self, request: Request<SecretUpdateRequest>) -> Answer<()> {
        self.state().secrets.update(request.into_inner())?;
        answer(())
    }

    async fn secret_delete(&self, request: Request<SecretDeleteRequest>) -> Answer<()> {
        self.state().secrets.delete(&request.get_ref().secret_id)?;
        answer(())
    }

    async fn secret_get_info(
        &self,
        request: Request<SecretGetInfoRequest>,
    ) -> Answer<SecretGetInfoResponse> {
        let state = self.state();
        let named = |id: &_| state.environments.name(id);
        let id = &request.get_ref().secret_id;
        let metadata = Some(state.secrets.info(id, self.user(), named)?);
        answer(SecretGetInfoResponse { metadata })
    }

    async fn app_create(&self, request: Request<AppCreateRequest>) -> Answer<AppCreateResponse> {
        let mut state = self.state();
        let request = request.into_inner();
        let now = state.now();
        let environment = state.environments.resolve(&request.environment_name)?;
        let url = self.url(&request.environment_name, &request.description);
        let app_id = state.apps.create(request, environment, now);
        answer(AppCreateResponse {
            app_id,
            app_page_url: url.clone(),
            app_logs_url: url,
        })
    }

    async fn app_get_or_create(
        &self,
        request: Request<AppGetOrCreateRequest>,
    ) -> Answer<AppGetOrCreateResponse> {
        answer(answers::app_get_or_create(
            &mut self.state(),
            request.into_inner(),
            self.user(),
        )?)
    }

    async fn app_get_by_deployment_name(
        &self,
        request: Request<AppGetByDeploymentNameRequest>,
    ) -> Answer<AppGetByDeploymentNameResponse> {
        answer(answers::app_by_name(
            &self.state(),
            request.get_ref(),
            self.user(),
        )?)
    }

    async fn app_get_layout(
        &self,
        request: Request<AppGetLayoutRequest>,
    ) -> Answer<AppGetLayoutResponse> {
        let app_layout = Some(self.state().apps.layout(&request.get_ref().app_id)?);
        answer(AppGetLayoutResponse { app_layout })
    }

    async fn app_get_info(
        &self,
        request: Request<AppGetInfoRequest>,
    ) -> Answer<AppGetInfoResponse> {
        answer(answers::app_info(
            &self.state(),
            &request.get_ref().app_id,
            self.user(),
        )?)
    }

    async fn app_get_lifecycle(
        &self,
        request: Request<AppGetLifecycleRequest>,
    ) -> Answer<AppGetLifecycleResponse> {
        let id = &request.get_ref().app_id;
        let lifecycle = Some(self.state().apps.lifecycle(id, self.user())?);
        answer(AppGetLifecycleResponse { lifecycle })
    }

    async fn app_heartbeat(&self, request: Request<AppHeartbeatRequest>) -> Answer<()> {
        self.state().apps.environment(&request.get_ref().app_id)?;
        answer(())
    }

    async fn app_publish(&self, request: Request<AppPublishRequest>) -> Answer<AppPublishResponse> {
        let sender = token::client_version(&request);
        let mut request = request.into_inner();
        if request.client_version.is_empty() {
            request.client_version = sender;
        }
        let app_id = request.app_id.clone();
        let published = {
            let mut state = self.state();
            let now = state.now();
            let published = state.apps.publish(request, self.user(), now)?;
            if matches!(published, Published::At(_)) {
                answering::start(&mut state, &app_id, now)?;
            }
            published
        };
        answer(AppPublishResponse {
            url: self.app_url(&app_id),
            server_warnings: Vec::new(),
            deployed_at: match published {
                Published::At(time) => time,
                Published::Unchanged => 0.0,
            },
        })
    }

    async fn app_client_disconnect(
        &self,
        request: Request<AppClientDisconnectRequest>,
    ) -> Answer<()> {
        let mut state = self.state();
        let now = state.now();
        state.apps.disconnect(&request.get_ref().app_id, now)?;
        answer(())
    }

    async fn app_list(&self, request: Request<AppListRequest>) -> Answer<AppListResponse> {
        let state = self.state();
        let id = state
            .environments
            .resolve(&request.get_ref().environment_name)?;
        let name = state.environments.name(&id);
        let apps = state.apps.list(&id, &name, self.user());
        answer(AppListResponse { apps })
    }

    async fn app_deployment_history(
        &self,
        request: Request<AppDeploymentHistoryRequest>,
    ) -> Answer<AppDeploymentHistoryResponse> {
        let (rows, live) = self.state().apps.history(&request.get_ref().app_id)?;
        answer(AppDeploymentHistoryResponse {
            app_deployment_histories: rows,
            production_app_version: live,
        })
    }

    async fn app_rollback(
        &self,
        request: Request<AppRollbackRequest>,
    ) -> Answer<AppRollbackResponse> {
        let AppRollbackRequest { app_id, version } = request.into_inner();
        let deployed_at = {
            let mut state = self.state();
            let now = state.now();
            let deployed_at = state.apps.rollback(&app_id, version, self.user(), now)?;
            answering::start(&mut state, &app_id, now)?;
            deployed_at
        };
        answer(AppRollbackResponse {
            url: self.app_url(&app_id),
            server_warnings: Vec::new(),
            deployed_at,
        })
    }

    async fn app_rollover(
        &self,
        request: Request<AppRolloverRequest>,
    ) -> Answer<AppRolloverResponse> {
        let AppRolloverRequest { app_id } = request.into_inner();
        let deployed_at = {
            let mut state = self.state();
            let now = state.now();
            let deployed_at = state.apps.rollover(&app_id, self.user(), now)?;
            answering::start(&mut state, &app_id, now)?;
            deployed_at
        };
        answer(AppRolloverResponse {
            url: self.app_url(&app_id),
            server_warnings: Vec::new(),
            deployed_at,
        })
    }

    async fn app_stop(&self, request: Request<AppStopRequest>) -> Answer<()> {
        let mut state = self.state();
        let now = state.now();
        state.apps.stop(&request.get_ref().app_id, now)?;
        answer(())
    }

    async fn mount_get_or_create(
        &self,
        request: Request<MountGetOrCreateRequest>,
    ) -> Answer<MountGetOrCreateResponse> {
        answer(self.state().mounts.get_or_create(request.into_inner())?)
    }

    async fn mount_batched_check_existence(
        &self,
        request: Request<MountBatchedCheckExistenceRequest>,
    ) -> Answer<MountBatchedCheckExistenceResponse> {
        answer(MountBatchedCheckExistenceResponse {
            missing_sha256_hex_hashes: self.state().mounts.missing(request.into_inner()),
            checked_at: Some(timestamp()),
        })
    }

    async fn mount_put_file(
        &self,
        request: Request<MountPutFileRequest>,
    ) -> Answer<MountPutFileResponse> {
        answer(MountPutFileResponse {
            exists: self.state().mounts.put(request.into_inner())?,
            checked_at: Some(timestamp()),
        })
    }

    async fn image_get_or_create(
        &self,
        request: Request<ImageGetOrCreateRequest>,
    ) -> Answer<ImageGetOrCreateResponse> {
        answer(self.state().images.get_or_create(request.into_inner()))
    }

    async fn image_join_streaming(
        &self,
        request: Request<ImageJoinStreamingRequest>,
    ) -> Answer<BoxStream<ImageJoinStreamingResponse>> {
        let image_id = request.into_inner().image_id;
        if self.state().images.recipe(&image_id).is_none() {
            return Err(Status::not_found(format!("image '{image_id}' not found")));
        }
        answer(Box::pin(builds::join(self.clone(), image_id)))
    }

    async fn image_from_id(
        &self,
        request: Request<ImageFromIdRequest>,
    ) -> Answer<ImageFromIdResponse> {
        let image_id = request.into_inner().image_id;
        let metadata = self.state().images.metadata(&image_id);
        if metadata.is_none() {
            return Err(Status::not_found(format!("image '{image_id}' not found")));
        }
        answer(ImageFromIdResponse { image_id, metadata })
    }

    async fn function_precreate(
        &self,
        request: Request<FunctionPrecreateRequest>,
    ) -> Answer<FunctionPrecreateResponse> {
        let mut state = self.state();
        state.apps.environment(&request.get_ref().app_id)?;
        answer(state.functions.precreate(request.into_inner()))
    }

    async fn function_create(
        &self,
        request: Request<FunctionCreateRequest>,
    ) -> Answer<FunctionCreateResponse> {
        let mut state = self.state();
        state.apps.environment(&request.get_ref().app_id)?;
        answer(state.functions.create(request.into_inner())?)
    }

    async fn function_get(
        &self,
        request: Request<FunctionGetRequest>,
    ) -> Answer<FunctionGetResponse> {
        answer(answers::function(&mut self.state(), request.get_ref())?)
    }

    async fn function_get_by_id(
        &self,
        request: Request<FunctionGetByIdRequest>,
    ) -> Answer<FunctionGetByIdResponse> {
        let id = &request.get_ref().function_id;
        let state = self.state();
        let definition = self.answering(&state, id)?.definition;
        answer(FunctionGetByIdResponse {
            function: Some(state.functions.data(definition)?),
            handle_metadata: Some(state.functions.handle(id, definition)?),
        })
    }

    async fn function_get_scheduling_params(
        &self,
        request: Request<FunctionGetSchedulingParamsRequest>,
    ) -> Answer<FunctionGetSchedulingParamsResponse> {
        let state = self.state();
        let answering = self.answering(&state, &request.get_ref().function_id)?;
        let function = state.functions.definition(answering.definition)?;
        answer(FunctionGetSchedulingParamsResponse {
            autoscaler_configuration: Some(AutoscalerConfiguration {
                settings: function.autoscaler_settings.clone(),
            }),
        })
    }

    async fn function_get_current_stats(
        &self,
        request: Request<FunctionGetCurrentStatsRequest>,
    ) -> Answer<FunctionStats> {
        let backlog = self.calls.backlog(&request.get_ref().function_id);
        answer(FunctionStats {
            backlog: u32::try_from(backlog).unwrap_or(u32::MAX),
            ..FunctionStats::default()
        })
    }

    async fn function_map(
        &self,
        request: Request<FunctionMapRequest>,
    ) -> Answer<FunctionMapResponse> {
        answer(answers::map(self, request.into_inner())?)
    }

    async fn function_put_inputs(
        &self,
        request: Request<FunctionPutInputsRequest>,
    ) -> Answer<FunctionPutInputsResponse> {
        let request = request.into_inner();
        let (inputs, due) = self.calls.put(&request.function_call_id, request.inputs)?;
        answers::run(self, due);
        answer(FunctionPutInputsResponse { inputs })
    }

    async fn function_get_outputs(
        &self,
        request: Request<FunctionGetOutputsRequest>,
    ) -> Answer<FunctionGetOutputsResponse> {
        answer(self.calls.outputs(request.get_ref()).await?)
    }

    async fn function_retry_inputs(
        &self,
        request: Request<FunctionRetryInputsRequest>,
    ) -> Answer<FunctionRetryInputsResponse> {
        let (input_jwts, due) = self.calls.retry(request.into_inner())?;
        answers::run(self, due);
        answer(FunctionRetryInputsResponse { input_jwts })
    }

    async fn function_call_cancel(
        &self,
        request: Request<FunctionCallCancelRequest>,
    ) -> Answer<()> {
        self.calls.cancel(request.get_ref())?;
        answer(())
    }

    async fn function_call_from_id(
        &self,
        request: Request<FunctionCallFromIdRequest>,
    ) -> Answer<FunctionCallFromIdResponse> {
        let function_call_id = request.into_inner().function_call_id;
        answer(FunctionCallFromIdResponse {
            num_inputs: self.calls.inputs(&function_call_id)?,
            function_call_id,
        })
    }

    async fn blob_create(&self, request: Request<BlobCreateRequest>) -> Answer<BlobCreateResponse> {
        let bytes = request.get_ref().content_length;
        Err(Status::unimplemented(format!(
            "{bytes} bytes in one piece are not taken here; put large files into the image"
        )))
    }

    async fn task_list(&self, request: Request<TaskListRequest>) -> Answer<TaskListResponse> {
        let tasks = self.calls.running(&request.get_ref().app_id);
        answer(TaskListResponse { tasks })
    }

    async fn container_stop(
        &self,
        request: Request<ContainerStopRequest>,
    ) -> Answer<ContainerStopResponse> {
        self.calls.stop_task(&request.get_ref().task_id);
        answer(ContainerStopResponse {})
    }
}
