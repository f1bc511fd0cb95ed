//! What it answers where nothing else is asked for.

use modal_deploy::proto::modal_client_server::ModalClient;
use modal_deploy::proto::*;
use tonic::{Request, Response, Status};

use super::Plane;

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

    async fn token_info_get(
        &self,
        request: Request<TokenInfoGetRequest>,
    ) -> Result<Response<TokenInfoGetResponse>, Status> {
        self.enter("TokenInfoGet", request).await?;
        let robot = ServiceUserIdentity {
            service_user_name: "robot".to_owned(),
            ..Default::default()
        };
        self.answer(TokenInfoGetResponse {
            token_id: "ak-1".to_owned(),
            workspace_name: "acme".to_owned(),
            identity: Some(token_info_get_response::Identity::ServiceUserIdentity(
                robot,
            )),
            ..Default::default()
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
        let items = self.state().listed().into_iter();
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
        let how = request.object_creation_type();
        let secret_id = format!("st-{}", request.deployment_name);
        let place = (request.environment_name, request.deployment_name);
        let there = state.secrets.contains_key(&place);
        match how {
            ObjectCreationType::CreateOverwriteIfExists => {
                state.secrets.insert(place, request.env_dict);
            }
            ObjectCreationType::CreateIfMissing => {
                state.secrets.entry(place).or_insert(request.env_dict);
            }
            ObjectCreationType::Unspecified if there => {}
            ObjectCreationType::Unspecified => return Err(Status::not_found(place.1)),
            other => panic!("{other:?}"),
        }
        Ok(Response::new(SecretGetOrCreateResponse {
            secret_id,
            ..Default::default()
        }))
    }

    async fn secret_update(
        &self,
        request: Request<SecretUpdateRequest>,
    ) -> Result<Response<()>, Status> {
        let request = self.enter("SecretUpdate", request).await?;
        let mut state = self.state();
        let id = |name: &str| format!("st-{name}") == request.secret_id;
        let found = state.secrets.iter_mut().find(|((_, name), _)| id(name));
        let (_, values) = found.ok_or_else(|| Status::not_found(&request.secret_id))?;
        for update in request.updates {
            match update.value {
                Some(value) => values.insert(update.key, value),
                None => values.remove(&update.key),
            };
        }
        Ok(Response::new(()))
    }

    async fn app_get_by_deployment_name(
        &self,
        request: Request<AppGetByDeploymentNameRequest>,
    ) -> Result<Response<AppGetByDeploymentNameResponse>, Status> {
        let name = self.enter("AppGetByDeploymentName", request).await?.name;
        let version = self.versions(&name).len();
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

    async fn app_list(
        &self,
        request: Request<AppListRequest>,
    ) -> Result<Response<AppListResponse>, Status> {
        self.enter("AppList", request).await?;
        let apps = self.state().apps.clone();
        self.answer(AppListResponse { apps })
    }

    async fn app_deployment_history(
        &self,
        request: Request<AppDeploymentHistoryRequest>,
    ) -> Result<Response<AppDeploymentHistoryResponse>, Status> {
        let app_id = self.enter("AppDeploymentHistory", request).await?.app_id;
        let versions = self.versions(app_id.strip_prefix("ap-").unwrap());
        let may_roll_back = self.state().may_roll_back;
        let rows = versions
            .iter()
            .enumerate()
            .map(|(index, line)| AppDeploymentHistory {
                app_id: app_id.clone(),
                version: u32::try_from(index).unwrap() + 1,
                tag: line.split(' ').next().unwrap().to_owned(),
                rollback_allowed: may_roll_back,
                ..Default::default()
            });
        self.answer(AppDeploymentHistoryResponse {
            app_deployment_histories: rows.rev().collect(),
            production_app_version: versions.len().try_into().unwrap(),
        })
    }

    async fn app_rollback(
        &self,
        request: Request<AppRollbackRequest>,
    ) -> Result<Response<AppRollbackResponse>, Status> {
        let request = self.enter("AppRollback", request).await?;
        if !self.state().may_roll_back {
            return Err(Status::permission_denied("not on this plan"));
        }
        self.repeat(&request.app_id, Some(request.version))?;
        self.answer(AppRollbackResponse::default())
    }

    async fn app_rollover(
        &self,
        request: Request<AppRolloverRequest>,
    ) -> Result<Response<AppRolloverResponse>, Status> {
        let request = self.enter("AppRollover", request).await?;
        self.repeat(&request.app_id, None)?;
        self.answer(AppRolloverResponse::default())
    }

    async fn function_get(
        &self,
        request: Request<FunctionGetRequest>,
    ) -> Result<Response<FunctionGetResponse>, Status> {
        let request = self.enter("FunctionGet", request).await?;
        self.state().pinned.push(request.app_version);
        let mut function = self.state().function.clone();
        // `<tag> <repository>@sha256:<digest>`
        if let Some(live) = self.versions(&request.app_name).last()
            && let Some((_, digest)) = live.split_once("sha256:")
        {
            let mut ranked = function_data::RankedFunction::default();
            ranked.function.get_or_insert_default().image_id = format!("im-{}", &digest[..4]);
            function.function.get_or_insert_default().ranked_functions = vec![ranked];
        }
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
        let again = self.state().handed_in_again;
        assert_eq!(request.input_jwts, [format!("jwt-{again}")]);
        let outputs = self.next_output().await.into_iter().collect();
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
        let again = self.hand_in_again();
        assert_eq!(request.function_call_jwt, "call-jwt");
        assert_eq!(request.inputs[0].input_jwt, format!("jwt-{}", again - 1));
        self.answer(FunctionRetryInputsResponse {
            input_jwts: vec![format!("jwt-{again}")],
        })
    }

    async fn attempt_start(
        &self,
        request: Request<AttemptStartRequest>,
    ) -> Result<Response<AttemptStartResponse>, Status> {
        let request = self.enter("AttemptStart", request).await?;
        assert_eq!(request.function_id, "fu-1");
        self.accepted(&[request.input.unwrap()]);
        let retry_policy = self.state().user_retries;
        self.answer(AttemptStartResponse {
            attempt_token: "attempt-0".to_owned(),
            retry_policy,
        })
    }

    async fn attempt_await(
        &self,
        request: Request<AttemptAwaitRequest>,
    ) -> Result<Response<AttemptAwaitResponse>, Status> {
        let request = self.enter("AttemptAwait", request).await?;
        assert!(request.timeout_secs <= 55.0);
        let again = self.state().handed_in_again;
        assert_eq!(request.attempt_token, format!("attempt-{again}"));
        let output = self.next_output().await;
        self.answer(AttemptAwaitResponse { output })
    }

    async fn attempt_retry(
        &self,
        request: Request<AttemptRetryRequest>,
    ) -> Result<Response<AttemptRetryResponse>, Status> {
        let request = self.enter("AttemptRetry", request).await?;
        assert_eq!(request.function_id, "fu-1");
        self.accepted(&[request.input.unwrap()]);
        self.answer(AttemptRetryResponse {
            attempt_token: format!("attempt-{}", self.hand_in_again()),
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
