//! Preflight against a control plane: what is asked, and that nothing is written.

use std::time::{Duration, Instant};

use modal_deploy::deploy::DeployOptions;
use modal_deploy::preflight::{self, Check, PreflightReport, Status, Wanted};
use modal_deploy::secrets::{self, SecretSource};
use modal_deploy::{ClientOptions, DeployImage, ModalError, Processor};
use registry_model::SecretNames;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use tonic::Status as Refusal;

use crate::plane::{Plane, Step};
use crate::shim::Shim;

struct Scene {
    plane: Plane,
    shim: Shim,
    wanted: Wanted,
}

impl Scene {
    async fn new() -> Self {
        let shim = Shim::new();
        let mut deploy = DeployOptions::new(shim.repository());
        deploy.modal = Some(shim.program());
        let processor = Processor {
            reference: "a/one@1".parse().unwrap(),
            file: "registry.yaml".into(),
            image: DeployImage::Pending(None),
            secrets: SecretNames {
                required: vec!["KEY".to_owned()],
                optional: Vec::new(),
            },
            smoke: None,
        };
        let values = [("KEY", "value-hunter22")];
        let values = values.map(|(name, value)| (name.to_owned(), SecretString::from(value)));
        Self {
            plane: Plane::start().await,
            shim,
            wanted: Wanted {
                environment: "dev".parse().unwrap(),
                environments: vec!["dev".parse().unwrap()],
                all: vec![processor.reference.clone()],
                processors: vec![processor],
                shared: secrets::shared(),
                values: SecretSource::from_pairs(values),
                deploy,
                create_environment: false,
            },
        }
    }

    async fn run(&self) -> PreflightReport {
        let control = self.plane.control();
        let never = CancellationToken::new();
        let ran = preflight::run(Ok(&control), &self.wanted, &never).await;
        ran.unwrap()
    }

    /// Nothing but questions was sent.
    #[track_caller]
    fn nothing_is_written(&self) {
        for rpc in ["EnvironmentCreate", "SecretGetOrCreate", "SecretUpdate"] {
            assert_eq!(self.plane.count(rpc), 0, "{rpc}");
        }
    }
}

fn failed(report: &PreflightReport) -> Vec<Check> {
    let failed = report.with(Status::Failed);
    failed.map(|finding| finding.check).collect()
}

#[tokio::test]
async fn all_questions_are_asked_at_once_and_nothing_is_written() {
    let scene = Scene::new().await;
    let latency = Duration::from_millis(300);
    scene.plane.state().latency = latency;
    let since = Instant::now();
    let report = scene.run().await;
    // The token of the connection, and then everything else.
    let took = since.elapsed();
    assert!(took < 4 * latency, "{took:?}");
    assert_eq!(failed(&report), [Check::Image]);
    let token = &report.findings[0];
    assert_eq!(token.text, "of `robot` in workspace `acme`");
    let shown = format!("{report:?}");
    assert!(!shown.contains("hunter22"), "{shown}");
    scene.nothing_is_written();
}

#[tokio::test]
async fn a_missing_environment_is_made_only_where_that_is_wanted() {
    let mut scene = Scene::new().await;
    scene.plane.state().environments = vec!["main".to_owned()];
    let report = scene.run().await;
    assert_eq!(failed(&report), [Check::Environment, Check::Image]);
    scene.nothing_is_written();

    scene.wanted.create_environment = true;
    let report = scene.run().await;
    assert_eq!(failed(&report), [Check::Image]);
    assert_eq!(scene.plane.count("EnvironmentCreate"), 1);
    assert!(report.findings[1].text.contains("has been made"));
    scene.run().await;
    assert_eq!(scene.plane.count("EnvironmentCreate"), 1);

    scene.plane.state().environments.clear();
    let denied = Refusal::permission_denied("not yours");
    scene
        .plane
        .script("EnvironmentCreate", [Step::Fail(denied)]);
    let report = scene.run().await;
    assert_eq!(failed(&report), [Check::Environment, Check::Image]);
    assert!(report.findings[1].text.contains("not yours"));
}

#[tokio::test]
async fn a_token_that_is_refused_is_told_once() {
    let mut scene = Scene::new().await;
    scene.wanted.values = SecretSource::default();
    for rpc in ["TokenInfoGet", "EnvironmentList", "SecretList"] {
        // The client asks again with a fresh token of the connection.
        let refusals = [(); 4].map(|()| Step::Fail(Refusal::unauthenticated("bad token")));
        scene.plane.script(rpc, refusals);
    }
    let report = scene.run().await;
    assert_eq!(failed(&report), [Check::Token, Check::Image]);
    assert!(report.findings[0].text.contains("bad token"));
    let hint = report.findings[0].cure.as_deref().unwrap();
    assert!(hint.contains("MODAL_TOKEN_ID"), "{hint}");
    let unknown: Vec<Check> = report
        .with(Status::NotChecked)
        .map(|one| one.check)
        .collect();
    let expected = [
        Check::Environment,
        Check::ImageBuilder,
        Check::RegistryAuth,
        Check::Secret,
    ];
    assert_eq!(unknown, expected);
}

#[tokio::test]
async fn without_a_token_the_rest_is_checked_none_the_less() {
    let scene = Scene::new().await;
    scene.shim.version("modal client version: 0.64.2");
    let nowhere = ClientOptions::new("", SecretString::from("")).with_server_url("no address");
    let error = modal_deploy::Client::connect(nowhere).unwrap_err();
    let never = CancellationToken::new();
    let report = preflight::run(Err(&error), &scene.wanted, &never)
        .await
        .unwrap();
    assert_eq!(
        failed(&report),
        [Check::Token, Check::ModalClient, Check::Image]
    );
}

#[tokio::test]
async fn servers_that_tell_less_leave_less_checked() {
    let mut scene = Scene::new().await;
    scene.plane.state().tells_keys = false;
    let registry = ("dev".to_owned(), "REGISTRY_AUTH".to_owned());
    scene.plane.state().secrets.insert(registry, [].into());
    scene.wanted.deploy.app_file = "code.modal_app".to_owned();
    let older = Refusal::unimplemented("older than that");
    scene.plane.script("TokenInfoGet", [Step::Fail(older)]);
    let report = scene.run().await;
    let of = |check| {
        report
            .findings
            .iter()
            .find(|one| one.check == check)
            .unwrap()
    };
    assert_eq!(of(Check::Token).status, Status::Ok);
    assert_eq!(of(Check::RegistryAuth).status, Status::NotChecked);
    assert_eq!(of(Check::AppFile).status, Status::Warning);
}

#[tokio::test]
async fn a_cancellation_ends_it() {
    let scene = Scene::new().await;
    scene.plane.script("EnvironmentList", [Step::Hang]);
    let control = scene.plane.control();
    let cancel = CancellationToken::new();
    let (ran, ()) = tokio::join!(
        preflight::run(Ok(&control), &scene.wanted, &cancel),
        async {
            let asked = |state: &crate::plane::State| {
                state.seen.iter().any(|seen| seen.rpc == "EnvironmentList")
            };
            scene.plane.until("the question", asked).await;
            cancel.cancel();
        }
    );
    let error = ran.unwrap_err();
    assert!(matches!(error, ModalError::Cancelled { .. }), "{error}");
}
