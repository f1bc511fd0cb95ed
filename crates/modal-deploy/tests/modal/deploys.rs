//! Secrets, deploys and smokes together.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use modal_deploy::deploy::{self, DeployOptions, DeployPlan};
use modal_deploy::secrets::{self, SecretPlan, SecretSource};
use modal_deploy::smoke::SmokeOptions;
use modal_deploy::{
    DeployImage, DeployReport, Deployed, ErrorClass, ModalError, Processor, RunOptions, Verdict,
    run,
};
use registry_model::SecretNames;
use secrecy::SecretString;
use serde_json::json;
use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::plane::{Plane, Step, TOKEN_SECRET, failure};
use crate::shim::Shim;
use modal_deploy::proto::generic_result::GenericStatus;

const VALUE: &str = "sk-value-hunter22";

fn digest() -> String {
    format!("sha256:{}", "ab".repeat(32))
}

fn plans(environment: &str, references: &[&str]) -> (DeployPlan, SecretPlan) {
    let processors: Vec<Processor> = references
        .iter()
        .map(|reference| Processor {
            reference: reference.parse().unwrap(),
            file: "registry.yaml".into(),
            image: DeployImage::Pinned(format!("ghcr.io/org/x@{}", digest()).parse().unwrap()),
            secrets: SecretNames {
                required: vec!["KEY".to_owned()],
                optional: vec!["ABSENT".to_owned(), "OTHER".to_owned()],
            },
        })
        .collect();
    let value = |name: &str, value: &str| (name.to_owned(), SecretString::from(value));
    let source = SecretSource::from_pairs([value("KEY", VALUE), value("OTHER", "other-value")]);
    let environment = environment.parse().unwrap();
    let shared = SecretNames::default();
    let secrets = secrets::plan(&processors, &shared, &source, &environment).unwrap();
    let plan = deploy::plan(&processors, &secrets).unwrap();
    (plan, secrets)
}

struct Scene {
    plane: Plane,
    shim: Shim,
    options: RunOptions,
    cancel: CancellationToken,
}

impl Scene {
    async fn new() -> Self {
        let plane = Plane::start().await;
        let shim = Shim::new();
        plane.state().live = Some(shim.live());
        plane.state().reply = Some(json!({"status": "success", "image_digest": digest()}));
        let mut deploy = DeployOptions::new(shim.repository());
        deploy.modal = Some(shim.program());
        deploy.at_once = NonZeroUsize::new(4).unwrap();
        Self {
            plane,
            shim,
            options: RunOptions {
                deploy,
                smoke: Some(SmokeOptions::default()),
                create_environment: false,
            },
            cancel: CancellationToken::new(),
        }
    }

    async fn run(
        &self,
        environment: &str,
        references: &[&str],
    ) -> Result<DeployReport, ModalError> {
        let (plan, secrets) = plans(environment, references);
        let client = self.plane.client();
        run(&client, &plan, &secrets, &self.options, &self.cancel).await
    }
}

#[tokio::test]
async fn everything_in_order_and_nothing_secret_in_sight() {
    let scene = Scene::new().await;
    let report = scene.run("dev", &["a/one@1", "a/two@2"]).await.unwrap();
    assert_eq!(report.class(), None);
    assert_eq!(report.secrets.synced, ["KEY", "OTHER"]);
    assert_eq!(report.secrets.warnings.len(), 1);
    for (app, name) in report.apps.iter().zip(["a-one-v1", "a-two-v2"]) {
        assert_eq!(app.app, name);
        assert_eq!((app.version, app.deployed), (Some(1), Deployed::Deployed));
        assert_eq!(app.smoke.verdict, Verdict::Passed, "{:?}", app.smoke);
        assert_eq!(app.error, None);
    }
    assert_eq!(scene.plane.state().pinned, [1, 1]);

    let (arguments, environment) = scene.shim.call("a-one-v1").unwrap();
    let mut words = arguments.lines();
    assert_eq!(
        words.next().unwrap(),
        scene.shim.repository().to_str().unwrap()
    );
    let words: Vec<&str> = words.skip_while(|word| *word != "deploy").collect();
    assert_eq!(
        words,
        [
            "deploy",
            "code/modal_app.py",
            "--env",
            "dev",
            "--name",
            "a-one-v1",
            "--tag",
            "pin-abababababab"
        ]
    );
    assert!(!arguments.contains("hunter22"), "{arguments}");
    let has = |line: &str| assert!(environment.lines().any(|one| one == line), "{line}");
    has("PROCESSOR_REF=a/one@1");
    has(&format!("IMAGE_REF=ghcr.io/org/x@{}", digest()));
    has("TOOL_SECRETS=KEY,OTHER");
    has("MODAL_TOKEN_ID=ak-1");
    has(&format!("MODAL_TOKEN_SECRET={TOKEN_SECRET}"));
    has(&format!(
        "MODAL_SERVER_URL={}",
        scene.plane.options().server_url
    ));
    has("MODAL_ENVIRONMENT=dev");
    has("NO_COLOR=1");
    let config = environment
        .lines()
        .find_map(|line| line.strip_prefix("MODAL_CONFIG_PATH="));
    assert!(!std::path::Path::new(config.unwrap()).exists());
    // The values go to Modal and nowhere else.
    assert!(!environment.contains(VALUE));
    let stored = scene.plane.state().secrets.clone();
    assert_eq!(stored[&("dev".to_owned(), "KEY".to_owned())]["KEY"], VALUE);
    let told = serde_json::to_string(&report).unwrap();
    assert!(!told.contains("hunter22"));
}

#[tokio::test]
async fn one_that_fails_does_not_stop_the_others_and_leaks_nothing() {
    let scene = Scene::new().await;
    scene.shim.leak(VALUE);
    let report = scene
        .run("dev", &["fails/one@1", "a/two@1", "forgets/three@1"])
        .await
        .unwrap();
    assert_eq!(report.class(), Some(ErrorClass::Deploy));
    let [failed, good, forgotten] = &report.apps[..] else {
        panic!("{report:?}");
    };
    let error = failed.error.as_deref().unwrap();
    assert!(
        error.starts_with("deploy `fails-one-v1` to `dev`: run `"),
        "{error}"
    );
    assert!(
        error.ends_with("exit code 1\nError: no image for token *** and key ***"),
        "{error}"
    );
    assert_eq!(failed.smoke.verdict, Verdict::Skipped);
    assert_eq!(good.deployed, Deployed::Deployed);
    assert_eq!(good.smoke.verdict, Verdict::Passed);
    assert_eq!(
        forgotten.error.as_deref(),
        Some("read back app `forgets-three-v1` of `dev`: it is not live")
    );
}

#[tokio::test]
async fn a_deploy_that_changes_nothing_is_told_apart() {
    let scene = Scene::new().await;
    let references = ["skips/one@1", "a/two@1"];
    let first = scene.run("dev", &references).await.unwrap();
    let second = scene.run("dev", &references).await.unwrap();
    let told = |report: &DeployReport| {
        let apps = report.apps.iter();
        apps.map(|app| (app.deployed, app.version.unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        told(&first),
        [(Deployed::Deployed, 1), (Deployed::Deployed, 1)]
    );
    assert_eq!(
        told(&second),
        [(Deployed::Unchanged, 1), (Deployed::Deployed, 2)]
    );
    assert_eq!(second.apps[0].smoke.verdict, Verdict::Passed);
}

#[tokio::test]
async fn a_smoke_that_fails_is_judged_and_redacted() {
    let scene = Scene::new().await;
    scene.plane.state().reply = Some(json!({"status": "error", "message": format!("bad {VALUE}")}));
    let report = scene.run("dev", &["a/one@1"]).await.unwrap();
    assert_eq!(report.class(), Some(ErrorClass::Smoke));
    let detail = report.apps[0].smoke.detail.as_deref();
    assert_eq!(detail, Some("the reply says status `error`: bad ***"));

    scene.plane.state().reply = None;
    let traceback = format!("File x\n  call({VALUE})");
    scene.plane.state().outputs = [failure(GenericStatus::Failure, "E()", &traceback)].into();
    let report = scene.run("dev", &["a/one@1"]).await.unwrap();
    assert_eq!(report.class(), Some(ErrorClass::Smoke));
    let detail = report.apps[0].smoke.detail.as_deref();
    assert_eq!(
        detail,
        Some("call `smoke` of app `a-one-v1`: FAILURE: E()\nFile x\n  call(***)")
    );

    let other = format!("sha256:{}", "cd".repeat(32));
    scene.plane.state().reply = Some(json!({"status": "success", "image_digest": other}));
    let report = scene.run("dev", &["a/one@1"]).await.unwrap();
    let detail = report.apps[0].smoke.detail.clone().unwrap();
    assert!(detail.contains("comes from image `sha256:cdcd"), "{detail}");
}

#[tokio::test]
async fn ten_smokes_run_together() {
    let scene = Scene::new().await;
    // Nobody is answered before ten ask: one after the other would never end.
    scene.plane.state().polled_together = Some(Arc::new(Barrier::new(10)));
    let references: Vec<String> = (0..10).map(|number| format!("a/p{number}@1")).collect();
    let references: Vec<&str> = references.iter().map(String::as_str).collect();
    let report = scene.run("dev", &references).await.unwrap();
    assert_eq!(report.class(), None, "{report:?}");
}

#[tokio::test]
async fn a_missing_environment_is_made_only_when_allowed() {
    let mut scene = Scene::new().await;
    let error = scene.run("staging", &["a/one@1"]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "find environment `staging` in the Modal workspace, which has `dev`"
    );
    assert!(
        error
            .hint()
            .unwrap()
            .contains("modal environment create staging")
    );
    assert!(scene.plane.state().secrets.is_empty());
    assert!(scene.shim.call("a-one-v1").is_none());

    scene.options.create_environment = true;
    let report = scene.run("staging", &["a/one@1"]).await.unwrap();
    assert_eq!(report.class(), None);
    assert_eq!(scene.plane.state().environments, ["dev", "staging"]);
}

#[tokio::test]
async fn without_a_usable_command_line_nothing_is_written() {
    let mut scene = Scene::new().await;
    scene.shim.version("modal client version: 2.0.0");
    let error = scene.run("dev", &["a/one@1"]).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("its version is `modal client version: 2.0.0`, expected 1.x"),
        "{error}"
    );
    scene.options.deploy.modal = Some("/nowhere/modal".into());
    let error = scene.run("dev", &["a/one@1"]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "start `/nowhere/modal`, the Modal command line: no such program"
    );
    assert!(error.hint().unwrap().contains("pip install modal==1.6.4"));
    scene.options.deploy.modal = Some(scene.shim.program());
    scene.options.deploy.app_file = "code.other".to_owned();
    let error = scene.run("dev", &["a/one@1"]).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Input);
    assert!(scene.plane.state().secrets.is_empty());
}

#[tokio::test]
async fn a_deploy_that_takes_too_long_is_ended() {
    let mut scene = Scene::new().await;
    scene.options.deploy.timeout = Duration::from_millis(500);
    let report = scene.run("dev", &["hangs/one@1", "a/two@1"]).await.unwrap();
    assert_eq!(report.class(), Some(ErrorClass::Deploy));
    let error = report.apps[0].error.as_deref().unwrap();
    assert!(error.contains("still running after 500ms"), "{error}");
    assert_eq!(report.apps[1].smoke.verdict, Verdict::Passed);
    assert!(!Shim::runs(&scene.shim.pid().unwrap()));
}

#[tokio::test]
async fn an_interruption_ends_the_deploys_and_tells_what_is_live() {
    let mut scene = Scene::new().await;
    scene.options.deploy.at_once = NonZeroUsize::MIN;
    let references = ["a/one@1", "hangs/two@1", "a/three@1"];
    let (report, ()) = tokio::join!(scene.run("dev", &references), async {
        scene
            .plane
            .until("the deploy that hangs", |_| scene.shim.pid().is_some())
            .await;
        scene.cancel.cancel();
    });
    let report = report.unwrap();
    assert_eq!(report.class(), Some(ErrorClass::Cancelled));
    let deployed: Vec<_> = report.apps.iter().map(|app| app.deployed).collect();
    assert_eq!(
        deployed,
        [Deployed::Deployed, Deployed::Failed, Deployed::Failed]
    );
    assert!(
        report.apps[1]
            .error
            .as_deref()
            .unwrap()
            .ends_with("interrupted")
    );
    assert!(scene.shim.call("a-three-v1").is_none());
    assert_eq!(report.apps[0].smoke.verdict, Verdict::Skipped);
    assert!(!Shim::runs(&scene.shim.pid().unwrap()));
}

#[tokio::test]
async fn an_app_that_cannot_be_looked_up_is_not_deployed() {
    let scene = Scene::new().await;
    let refused = Step::Fail(Status::permission_denied("no"));
    scene.plane.script("AppGetByDeploymentName", [refused]);
    let report = scene.run("dev", &["a/one@1"]).await.unwrap();
    assert_eq!(report.apps[0].deployed, Deployed::Failed);
    let error = report.apps[0].error.as_deref().unwrap();
    assert!(
        error.starts_with("look up app `a-one-v1` of environment `dev`: PERMISSION_DENIED"),
        "{error}"
    );
    assert!(report.apps[0].hint.is_some());
    assert!(scene.shim.call("a-one-v1").is_none());
}
