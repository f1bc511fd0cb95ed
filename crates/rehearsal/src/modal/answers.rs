//! Answers that take more than one part of the state.

use std::collections::BTreeMap;

use bollard::auth::DockerCredentials;
use modal_deploy::proto::app_get_info_response::FunctionInfoSummary;
use modal_deploy::proto::function_input::ArgsOneof;
use modal_deploy::proto::{
    AppCreateRequest, AppGetByDeploymentNameRequest, AppGetByDeploymentNameResponse,
    AppGetInfoResponse, AppGetOrCreateRequest, AppGetOrCreateResponse, AppState, DataFormat,
    FunctionGetRequest, FunctionGetResponse, FunctionMapRequest, FunctionMapResponse,
    ObjectCreationType,
};
use secrecy::ExposeSecret;
use tonic::Status;

use super::calls::{Due, Target};
use super::container::Job;
use super::functions::{self, Pinned};
use super::images::Recipe;
use super::service::Service;
use super::state::State;

pub(super) fn app_by_name(
    state: &State,
    request: &AppGetByDeploymentNameRequest,
    user: &str,
) -> Result<AppGetByDeploymentNameResponse, Status> {
    let environment = state.environments.resolve(&request.environment_name)?;
    let previous = state.apps.stopped(&environment, &request.name);
    let app = state.apps.deployed(&environment, &request.name);
    Ok(AppGetByDeploymentNameResponse {
        app_id: app.unwrap_or_default().to_owned(),
        previous_app_id: previous.unwrap_or_default().to_owned(),
        environment_name: state.environments.name(&environment),
        lifecycle: match app {
            Some(app) => Some(state.apps.lifecycle(app, user)?),
            None => None,
        },
    })
}

pub(super) fn app_get_or_create(
    state: &mut State,
    request: AppGetOrCreateRequest,
    user: &str,
) -> Result<AppGetOrCreateResponse, Status> {
    let now = state.now();
    let environment = state.environments.resolve(&request.environment_name)?;
    let found = state.apps.deployed(&environment, &request.app_name);
    let create = request.object_creation_type() == ObjectCreationType::CreateIfMissing;
    let app_id = match found {
        Some(app_id) => app_id.to_owned(),
        None if create => {
            let create = AppCreateRequest {
                description: request.app_name,
                app_state: AppState::Deployed.into(),
                ..AppCreateRequest::default()
            };
            state.apps.create(create, environment, now)
        }
        None => return Err(not_deployed(&request.app_name, &request.environment_name)),
    };
    let named = |id: &_| state.environments.name(id);
    let handle_metadata = Some(state.apps.metadata(&app_id, user, named)?);
    Ok(AppGetOrCreateResponse {
        app_id,
        handle_metadata,
    })
}

pub(super) fn app_info(
    state: &State,
    app_id: &str,
    user: &str,
) -> Result<AppGetInfoResponse, Status> {
    let info = state
        .apps
        .metadata(app_id, user, |id| state.environments.name(id))?;
    let function_info_summaries: BTreeMap<_, _> = info
        .functions
        .keys()
        .map(|tag| (tag.clone(), FunctionInfoSummary::default()))
        .collect();
    Ok(AppGetInfoResponse {
        info: Some(info),
        function_info_summaries,
    })
}

pub(super) fn function(
    state: &mut State,
    request: &FunctionGetRequest,
) -> Result<FunctionGetResponse, Status> {
    let environment = state.environments.resolve(&request.environment_name)?;
    let app_id = state
        .apps
        .deployed(&environment, &request.app_name)
        .ok_or_else(|| not_deployed(&request.app_name, &request.environment_name))?;
    let version = state.apps.version(app_id, request.app_version)?;
    let missing = || {
        Status::not_found(format!(
            "app '{}' has no function '{}'",
            request.app_name, request.object_tag
        ))
    };
    let live = version
        .functions
        .get(&request.object_tag)
        .ok_or_else(missing)?
        .clone();
    let definition = version.definitions.get(&live).ok_or_else(missing)?.clone();
    let function_id = match request.app_version {
        0 => live,
        _ => {
            let pinned = Pinned {
                version: version.number,
                definition: definition.clone(),
            };
            state.functions.pin(&live, pinned)?
        }
    };
    Ok(FunctionGetResponse {
        handle_metadata: Some(state.functions.handle(&function_id, &definition)?),
        function: Some(state.functions.data(&definition)?),
        function_id,
        server_warnings: Vec::new(),
    })
}

fn not_deployed(app: &str, environment: &str) -> Status {
    Status::not_found(format!(
        "app '{app}' is not deployed in environment '{environment}'"
    ))
}

pub(super) fn map(
    service: &Service,
    request: FunctionMapRequest,
) -> Result<FunctionMapResponse, Status> {
    let (target, retry_policy) = {
        let state = service.state();
        let answering = service.answering(&state, &request.function_id)?;
        let function = state.functions.definition(answering.definition)?;
        if let Some(kind) = functions::refusal(function) {
            return Err(Status::unimplemented(format!(
                "'{}' cannot be called here: this control plane answers plain functions, not {kind}",
                function.function_name
            )));
        }
        let (app_id, _) = state.functions.owner(&request.function_id)?;
        let target = Target {
            app_id: app_id.to_owned(),
            app_name: function.app_name.clone(),
            function_id: request.function_id,
        };
        (target, function.retry_policy)
    };
    let function_call_id = service.calls.open(target);
    let (pipelined_inputs, due) = service
        .calls
        .put(&function_call_id, request.pipelined_inputs)?;
    run(service, due);
    Ok(FunctionMapResponse {
        function_call_jwt: function_call_id.clone(),
        function_call_id,
        pipelined_inputs,
        sync_client_retries_enabled: retry_policy.is_some_and(|policy| policy.retries > 0),
        retry_policy,
        max_inputs_outstanding: 1000,
    })
}

/// Starts the inputs of a call.
pub(super) fn run(service: &Service, due: Vec<Due>) {
    for due in due {
        let job = job(service, &due);
        service.calls.run(due, job);
    }
}

fn job(service: &Service, due: &Due) -> Result<Job, Status> {
    let mut state = service.state();
    let now = state.now();
    let function_id = &due.target.function_id;
    let answering = service.answering(&state, function_id)?;
    let function = state.functions.definition(answering.definition)?.clone();
    let secrets = answering.secrets(&function.secret_ids)?;
    let args = match &due.input.args_oneof {
        Some(ArgsOneof::Args(args)) => args.clone(),
        Some(ArgsOneof::ArgsBlobId(_)) => {
            return Err(Status::unimplemented("inputs in blobs are not taken here"));
        }
        None => Vec::new(),
    };
    let data_format = match due.input.data_format() {
        DataFormat::Unspecified => DataFormat::Pickle,
        known @ (DataFormat::Pickle | DataFormat::Cbor) => known,
        _ => {
            return Err(Status::invalid_argument(
                "the input is neither pickle nor CBOR",
            ));
        }
    };
    let recipe = match state.images.recipe(&function.image_id) {
        Some(Ok(recipe)) => recipe,
        Some(Err(problem)) => return Err(Status::failed_precondition(problem)),
        None => return Err(Status::failed_precondition("the function has no image")),
    };
    let environment = state.apps.environment(&due.target.app_id)?;
    Ok(Job {
        owner: service.owner.to_string(),
        environment: state.environments.name(&environment),
        function_id: function_id.clone(),
        call_id: due.call_id.clone(),
        input_id: due.input_id.clone(),
        task_id: due.task_id.clone(),
        credentials: credentials(&mut state, &recipe, now)?,
        secrets,
        files: state.mounts.files(&function.mount_ids),
        packages: service.options.client_packages.clone().unwrap_or_default(),
        recipe,
        function,
        args,
        data_format,
        reply: service.options.reply.clone(),
    })
}

/// The name and password in the secret that an image names for its registry.
pub(super) fn credentials(
    state: &mut State,
    recipe: &Recipe,
    now: f64,
) -> Result<Option<DockerCredentials>, Status> {
    let Some(secret) = &recipe.registry_secret else {
        return Ok(None);
    };
    let values = state.secrets.use_values(secret, now)?;
    let value = |key: &str| {
        values
            .get(key)
            .map(|value| value.expose_secret().to_owned())
            .ok_or_else(|| {
                Status::failed_precondition(format!("the secret of the registry lacks {key}"))
            })
    };
    Ok(Some(DockerCredentials {
        username: Some(value("REGISTRY_USERNAME")?),
        password: Some(value("REGISTRY_PASSWORD")?),
        ..DockerCredentials::default()
    }))
}
