//! What can go wrong in each remote procedure, one row each.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use modal_deploy::client::{Call, Client, KeyChange};
use modal_deploy::proto::generic_result::GenericStatus;
use modal_deploy::{ErrorClass, ModalError};
use secrecy::SecretString;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::blob;
use crate::plane::{Plane, Step, cbor, failure, success};
use crate::resilience::{throttled, unavailable};

/// Every remote procedure of the client; [`perform`] says what uses it.
const ALL: [&str; 21] = [
    "AuthTokenGet",
    "TokenInfoGet",
    "EnvironmentList",
    "EnvironmentCreate",
    "SecretList",
    "SecretGetOrCreate",
    "SecretUpdate",
    "AppGetByDeploymentName",
    "AppList",
    "AppDeploymentHistory",
    "AppRollback",
    "AppRollover",
    "FunctionGet",
    "FunctionMap",
    "FunctionPutInputs",
    "FunctionGetOutputs",
    "FunctionRetryInputs",
    "BlobGet",
    "AttemptStart",
    "AttemptAwait",
    "AttemptRetry",
];

/// A control plane where [`perform`] can do everything.
struct Scene {
    plane: Plane,
    client: Client,
    // Holds what is deployed.
    _live: tempfile::TempDir,
}

impl Scene {
    async fn new(change: impl FnOnce(&mut modal_deploy::ClientOptions)) -> Self {
        let plane = Plane::start().await;
        let live = tempfile::tempdir().unwrap();
        std::fs::write(live.path().join("app"), "one im-1\ntwo im-2\n").unwrap();
        plane.state().live = Some(live.path().to_owned());
        let mut options = plane.options();
        change(&mut options);
        Self {
            client: Client::connect(options).unwrap(),
            plane,
            _live: live,
        }
    }

    /// Does something that uses the remote procedure once.
    async fn perform(&self, rpc: &str) -> Result<(), ModalError> {
        let environment = "dev".parse().unwrap();
        let value = || SecretString::from("hunter22");
        match rpc {
            "EnvironmentList" => self.client.environments().await.map(drop),
            "TokenInfoGet" => self.client.token_info().await.map(drop),
            "EnvironmentCreate" => {
                let new = "new".parse().unwrap();
                self.client.create_environment(&new).await
            }
            "SecretList" => self.client.secrets(&environment).await.map(drop),
            "SecretGetOrCreate" => {
                let values = BTreeMap::from([("KEY".to_owned(), value())]);
                let write = self.client.upsert_secret(&environment, "S", &values);
                write.await.map(drop)
            }
            "SecretUpdate" => {
                let changes = [KeyChange::Set("KEY".to_owned(), value())];
                let change = self.client.change_keys(&environment, "S", &changes);
                change.await.map(drop)
            }
            "AppGetByDeploymentName" => self.client.app(&environment, "app").await.map(drop),
            "AppList" => self.client.apps(&environment).await.map(drop),
            "AppDeploymentHistory" => self.client.history("ap-app").await.map(drop),
            "AppRollback" => self.client.rollback("ap-app", 1).await,
            "AppRollover" => self.client.rollover("ap-app").await,
            "FunctionGet" => {
                let look = self.client.live_image(&environment, "app", "smoke", None);
                look.await.map(drop)
            }
            "FunctionMap" | "FunctionGetOutputs" => self.call(success(&json!(1)), false).await,
            "FunctionPutInputs" => {
                self.plane.state().pipelined = false;
                self.call(success(&json!(1)), false).await
            }
            "FunctionRetryInputs" => {
                let lost = failure(GenericStatus::InternalFailure, "lost worker", "");
                self.call(lost, false).await
            }
            "BlobGet" => {
                let body = cbor(&json!(1));
                self.plane.state().blob_url = blob::serve("HTTP/1.1 200 OK", body).await;
                self.call(blob::output(), false).await
            }
            // A control plane is asked without an auth token, an input plane is not.
            "AuthTokenGet" | "AttemptStart" | "AttemptAwait" => {
                self.call(success(&json!(1)), true).await
            }
            "AttemptRetry" => {
                let lost = failure(GenericStatus::InternalFailure, "lost worker", "");
                self.call(lost, true).await
            }
            other => panic!("nothing uses {other}"),
        }
    }

    async fn call(
        &self,
        first: Option<(
            modal_deploy::proto::DataFormat,
            modal_deploy::proto::GenericResult,
        )>,
        input_plane: bool,
    ) -> Result<(), ModalError> {
        {
            let mut state = self.plane.state();
            state.outputs = [first, success(&json!(1))].into();
            let metadata = state.function.handle_metadata.as_mut().unwrap();
            metadata.input_plane_url =
                input_plane.then(|| self.client.options().server_url.clone());
        }
        let call = Call {
            environment: &"dev".parse().unwrap(),
            app: "app",
            function: "smoke",
            version: None,
            payload: json!({}),
            timeout: Duration::from_secs(60),
        };
        let reply = self.client.call(&call, &CancellationToken::new()).await;
        reply.map(drop)
    }

    /// How often the remote procedure was tried; all tries are the same request to the server.
    fn tries(&self, rpc: &str) -> usize {
        let state = self.plane.state();
        let tries: Vec<_> = state.seen.iter().filter(|seen| seen.rpc == rpc).collect();
        let key = tries[0].header("x-idempotency-key");
        assert!(key.is_some());
        for (number, seen) in tries.iter().enumerate() {
            assert_eq!(seen.header("x-idempotency-key"), key, "{rpc}");
            let count = |name| -> usize { seen.header(name).unwrap().parse().unwrap() };
            let counted = count("x-retry-attempt") + count("x-throttle-retry-attempt");
            // A try with a new auth token is no retry.
            assert!(counted == number || counted + 1 == number, "{rpc}");
            assert!(seen.header("grpc-timeout").is_some(), "{rpc}");
        }
        tries.len()
    }
}

/// Performs each remote procedure in a scene of its own, all at once.
async fn each(
    rpcs: impl IntoIterator<Item = &'static str>,
    steps: impl Fn() -> Vec<Step>,
) -> Vec<(&'static str, Scene, Result<(), ModalError>)> {
    let steps = &steps;
    let all = rpcs.into_iter().map(|rpc| async move {
        let scene = Scene::new(|options| options.throttle_limit = Duration::from_secs(5)).await;
        scene.plane.script(rpc, steps());
        let outcome = scene.perform(rpc).await;
        (rpc, scene, outcome)
    });
    join_all(all).await
}

/// All but these.
fn without(left_out: &'static [&'static str]) -> impl Iterator<Item = &'static str> {
    ALL.into_iter().filter(|rpc| !left_out.contains(rpc))
}

#[tokio::test]
async fn each_survives_without_any_fault() {
    for (rpc, scene, outcome) in each(ALL, Vec::new).await {
        outcome.unwrap_or_else(|error| panic!("{rpc}: {error}"));
        assert_eq!(scene.tries(rpc), 1, "{rpc}");
    }
}

#[tokio::test]
async fn each_survives_a_burst_of_unavailable() {
    let burst = || vec![unavailable(), unavailable(), unavailable()];
    for (rpc, scene, outcome) in each(ALL, burst).await {
        outcome.unwrap_or_else(|error| panic!("{rpc}: {error}"));
        assert_eq!(scene.tries(rpc), 4, "{rpc}");
    }
}

#[tokio::test]
async fn each_gives_up_after_three_retries_and_names_itself() {
    let burst = || (0..4).map(|_| unavailable()).collect();
    for (rpc, scene, outcome) in each(ALL, burst).await {
        let error = outcome.unwrap_err();
        assert_eq!(scene.tries(rpc), 4, "{rpc}");
        assert_eq!(error.grpc_code(), Some(Code::Unavailable), "{rpc}");
        let text = error.to_string();
        assert!(text.contains(&format!("({rpc} at http://")), "{text}");
        assert!(!format!("{text} {error:?}").contains("hunter22"), "{text}");
    }
}

#[tokio::test]
async fn each_survives_a_dropped_connection() {
    for (rpc, scene, outcome) in each(ALL, || vec![Step::Drop]).await {
        outcome.unwrap_or_else(|error| panic!("{rpc}: {error}"));
        assert_eq!(scene.tries(rpc), 2, "{rpc}");
    }
}

#[tokio::test]
async fn the_end_of_a_call_survives_what_the_others_survive() {
    let burst = vec![unavailable(), unavailable(), unavailable()];
    for steps in [vec![Step::Drop], burst, vec![throttled(0.2)]] {
        let scene = Scene::new(|_| {}).await;
        let tries = steps.len() + 1;
        scene.plane.script("FunctionCallCancel", steps);
        let call = Call {
            environment: &"dev".parse().unwrap(),
            app: "app",
            function: "smoke",
            version: None,
            payload: json!({}),
            timeout: Duration::from_millis(300),
        };
        let late = scene.client.call(&call, &CancellationToken::new()).await;
        assert!(
            matches!(late, Err(ModalError::CallTimedOut { .. })),
            "{late:?}"
        );
        assert_eq!(scene.tries("FunctionCallCancel"), tries);
    }
}

#[tokio::test]
async fn each_waits_as_long_as_the_server_asks() {
    for (rpc, scene, outcome) in each(ALL, || vec![throttled(0.2)]).await {
        outcome.unwrap_or_else(|error| panic!("{rpc}: {error}"));
        assert_eq!(scene.tries(rpc), 2, "{rpc}");
        let state = scene.plane.state();
        let last = state.seen.iter().rfind(|seen| seen.rpc == rpc).unwrap();
        assert_eq!(last.header("x-retry-attempt"), Some("0"), "{rpc}");
        let waited: f64 = last
            .header("x-throttle-retry-delay")
            .unwrap()
            .parse()
            .unwrap();
        assert!(waited >= 0.2, "{rpc}: {waited}");
    }
}

#[tokio::test]
async fn none_waits_beyond_our_own_limit() {
    for (rpc, scene, outcome) in each(ALL, || vec![throttled(3600.0)]).await {
        let error = outcome.unwrap_err();
        assert!(
            matches!(error, ModalError::Throttled { .. }),
            "{rpc}: {error}"
        );
        assert_eq!(scene.tries(rpc), 1, "{rpc}");
    }
}

#[tokio::test]
async fn exhaustion_without_a_time_to_come_back_is_final() {
    let exhausted = || vec![Step::Fail(Status::resource_exhausted("quota"))];
    for (rpc, scene, outcome) in each(ALL, exhausted).await {
        let code = outcome.unwrap_err().grpc_code();
        assert_eq!(code, Some(Code::ResourceExhausted), "{rpc}");
        assert_eq!(scene.tries(rpc), 1, "{rpc}");
    }
}

#[tokio::test]
async fn each_has_a_deadline_on_a_server_that_hangs() {
    // Those that wait for a result have the deadline of the call, which has a test of its own.
    let rpcs = without(&["FunctionGetOutputs", "AttemptAwait"]);
    let all = rpcs.map(|rpc| async move {
        let scene = Scene::new(|options| {
            options.attempt_timeout = Duration::from_secs(2);
        })
        .await;
        scene.plane.script(rpc, [Step::Hang]);
        (rpc, scene.perform(rpc).await, scene)
    });
    for (rpc, outcome, scene) in join_all(all).await {
        outcome.unwrap_or_else(|error| panic!("{rpc}: {error}"));
        assert_eq!(scene.tries(rpc), 2, "{rpc}");
    }
}

fn expired() -> Step {
    Step::Fail(Status::unauthenticated("token expired"))
}

#[tokio::test]
async fn an_auth_token_that_is_refused_is_replaced_once() {
    for (rpc, scene, outcome) in each(without(&["AuthTokenGet"]), || vec![expired()]).await {
        outcome.unwrap_or_else(|error| panic!("{rpc}: {error}"));
        assert_eq!(scene.tries(rpc), 2, "{rpc}");
        let fetched = if rpc.starts_with("Attempt") { 2 } else { 1 };
        assert_eq!(scene.plane.count("AuthTokenGet"), fetched, "{rpc}");
    }
    for (rpc, scene, outcome) in each(ALL, || vec![expired(), expired()]).await {
        let error = outcome.unwrap_err();
        assert_eq!(error.grpc_code(), Some(Code::Unauthenticated), "{rpc}");
        assert_eq!(error.class(), ErrorClass::Deploy);
        assert!(error.hint().unwrap().contains("MODAL_TOKEN_ID"), "{rpc}");
        let tries = if rpc == "AuthTokenGet" { 1 } else { 2 };
        assert_eq!(scene.tries(rpc), tries, "{rpc}");
    }
}

#[tokio::test]
async fn what_a_server_does_not_offer_is_named() {
    let missing = || vec![Step::Fail(Status::unimplemented(""))];
    // Without these three the client does with less, or says so by its answer.
    let less = ["AuthTokenGet", "TokenInfoGet", "SecretUpdate"];
    for (rpc, scene, outcome) in each(ALL, missing).await {
        assert_eq!(scene.tries(rpc), 1, "{rpc}");
        if less.contains(&rpc) {
            outcome.unwrap_or_else(|error| panic!("{rpc}: {error}"));
            continue;
        }
        let error = outcome.unwrap_err();
        let server = &scene.client.options().server_url;
        let says = format!(": {server} does not offer `{rpc}`");
        assert!(error.to_string().ends_with(&says), "{error}");
        assert!(error.hint().unwrap().contains("--modal-backend cli"));
    }
}
