//! What the native client writes, Modal's own package and program read, and the other way round.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use modal_deploy::client::{Call, KeyChange};
use modal_deploy::deploy::{self, DeployOptions, Step};
use modal_deploy::record::RECORD_SECRET;
use modal_deploy::secrets::{self, SecretPlan, SecretSource};
use modal_deploy::{Control, DeployImage, DeployReport, Deployed, Processor, RunOptions};
use registry_model::SecretNames;
use rehearsal::registry::{EmbeddedRegistry, RegistryOptions};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::control::{controls, dev};
use crate::support::{Bench, docker, image_ref, marked, python_image};

/// Prints the keys of every secret as `SecretGetInfo` has them.
const KEYS: &str = r#"
import json
import modal

found = modal.Secret.objects.list(environment_name="dev")
print(json.dumps({one.name: sorted(one._get_keys(refresh=True)) for one in found}))
"#;

/// Keys by the name of the secret, as the package and as the client have them.
async fn keys(bench: &Bench, native: &Control) -> [BTreeMap<String, BTreeSet<String>>; 2] {
    let by_package = serde_json::from_str(&bench.python(KEYS).await.ok()).unwrap();
    let (dev, cancel) = (dev(), CancellationToken::new());
    let stored = native.secrets(&dev, &cancel).await.unwrap().into_iter();
    let by_client = stored.map(|one| (one.name, one.keys.into_iter().collect()));
    [by_package, by_client.collect()]
}

#[tokio::test]
async fn the_package_and_the_client_write_the_same_secrets() {
    let bench = Bench::start(&["dev"]).await;
    let cancel = CancellationToken::new();
    let dev = dev();
    let [native, _] = controls(&bench);
    let secret = |value: &str| SecretString::from(value);
    let values = ["ONE", "TWO"].map(|key| (key.to_owned(), secret("native")));
    let values = BTreeMap::from(values);
    let write = native.upsert_secret(&dev, "NATIVE", &values, &cancel);
    write.await.unwrap();
    let code = r#"
import modal

modal.Secret.objects.create("PACKAGE", {"ONE": "1", "TWO": "2"}, environment_name="dev")
modal.Secret.from_name("NATIVE", environment_name="dev").hydrate().update({"THREE": "3"})
"#;
    bench.python(code).await.ok();
    let changes = [
        KeyChange::Set("FOUR".to_owned(), secret("4")),
        KeyChange::Remove("ONE".to_owned()),
    ];
    let changed = native.change_keys(&dev, "PACKAGE", &changes, &cancel);
    assert!(changed.await.unwrap());

    let [by_package, by_client] = keys(&bench, &native).await;
    assert_eq!(by_package, by_client);
    let expected = json!({"NATIVE": ["ONE", "THREE", "TWO"], "PACKAGE": ["FOUR", "TWO"]});
    assert_eq!(serde_json::to_value(&by_package).unwrap(), expected);
    assert_eq!(bench.modal.count("SecretGetInfo"), 2);

    // Each can take away what the other made.
    let code = r#"
import modal

modal.Secret.objects.delete("NATIVE", environment_name="dev")
"#;
    bench.python(code).await.ok();
    let [by_package, by_client] = keys(&bench, &native).await;
    assert_eq!(by_package, by_client);
    assert_eq!(by_package.into_keys().collect::<Vec<_>>(), ["PACKAGE"]);
    bench.stop().await;
}

/// `pipeline deploy` of one processor with the secret `TOOL`.
struct Native<'a> {
    bench: &'a Bench,
    control: &'a Control,
    options: RunOptions,
    value: &'static str,
}

impl<'a> Native<'a> {
    fn new(bench: &'a Bench, control: &'a Control) -> Self {
        let mut deploy = DeployOptions::new(bench.folder.path());
        deploy.app_file = "modal_app.py".to_owned();
        let options = RunOptions {
            // The reply of the app of these tests is no envelope.
            smoke: None,
            ..RunOptions::new(deploy)
        };
        Self {
            bench,
            control,
            options,
            value: "a-secret-value",
        }
    }

    fn plans(&self, image: &str) -> (deploy::DeployPlan, SecretPlan) {
        let processors = [Processor {
            reference: "llm/x@1".parse().unwrap(),
            file: "x.yaml".into(),
            image: DeployImage::Pinned(image.parse().unwrap()),
            secrets: SecretNames {
                required: vec!["TOOL_KEY".to_owned()],
                optional: Vec::new(),
            },
            smoke: None,
        }];
        let value = ("TOOL_KEY".to_owned(), SecretString::from(self.value));
        let source = SecretSource::from_pairs([value]);
        let shared = SecretNames::default();
        let secrets = secrets::plan(&processors, &shared, &source, &dev()).unwrap();
        (deploy::plan(&processors, &secrets).unwrap(), secrets)
    }

    async fn deploy(&self, image: &str) -> DeployReport {
        let (plan, secrets) = self.plans(image);
        let cancel = CancellationToken::new();
        let report = modal_deploy::run(self.control, &plan, &secrets, &self.options, &cancel)
            .await
            .unwrap();
        assert_eq!(report.class(), None, "{report:#?}");
        report
    }

    async fn step(&self, image: &str) -> Step {
        let (plan, secrets) = self.plans(image);
        let cancel = CancellationToken::new();
        let steps = modal_deploy::decide(self.control, &plan, &secrets, &self.options, &cancel)
            .await
            .unwrap();
        steps.apps[0].step
    }

    /// Version and tag of every deployment, the newest first, as the client and as the program
    /// `modal` have them.
    async fn history(&self) -> [Vec<(String, String)>; 2] {
        let (dev, cancel) = (dev(), CancellationToken::new());
        let history = self.control.history(&dev, APP, &cancel);
        let by_client = history.await.unwrap().into_iter();
        let by_client = by_client.map(|row| (format!("v{}", row.version), row.tag.unwrap()));
        let rows = format!("app history {APP} --json -e dev");
        let rows = self.bench.json(&rows).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let by_program = rows.as_array().unwrap().iter();
        let by_program = by_program.map(|row| (text(&row["version"]), text(&row["tag"])));
        [by_client.collect(), by_program.collect()]
    }
}

const APP: &str = "llm-x-v1";

#[tokio::test(flavor = "multi_thread")]
async fn versions_and_tags_are_the_same_for_the_program_and_the_client() {
    let bench = Bench::start(&["dev"]).await;
    let cancel = CancellationToken::new();
    let dev = dev();
    let [control, _] = controls(&bench);
    let native = Native::new(&bench, &control);
    let [first, second] = ['a', 'b'].map(image_ref);
    for (image, version) in [(&first, 1), (&second, 2)] {
        let report = native.deploy(image).await;
        let app = &report.apps[0];
        assert_eq!(
            (app.deployed, app.version),
            (Deployed::Deployed, Some(version))
        );
        assert_eq!(native.step(image).await, Step::Current);
        assert_eq!(bench.modal.deployed(&dev, APP).unwrap().from_image, **image);
    }
    let tag = |letter: &str| format!("pin-{}", letter.repeat(32));
    let row = |version: &str, letter| (version.to_owned(), tag(letter));
    let [by_client, by_program] = native.history().await;
    assert_eq!(by_client, by_program);
    assert_eq!(by_client, [row("v2", "b"), row("v1", "a")]);

    // A person goes back by hand: the client sees it and would undo it.
    bench
        .modal(&format!("app rollback {APP} -e dev"))
        .await
        .ok();
    let seen = control.app(&dev, APP, &cancel).await.unwrap().unwrap();
    assert_eq!(seen.version, Some(3));
    assert_eq!(bench.modal.deployed(&dev, APP).unwrap().from_image, first);
    assert_ne!(native.step(&second).await, Step::Current);
    bench
        .modal(&format!("app rollover {APP} -e dev"))
        .await
        .ok();
    let [by_client, by_program] = native.history().await;
    assert_eq!(by_client, by_program);
    assert_eq!(by_client[..2], [row("v4", "a"), row("v3", "a")]);

    // The client goes back, and the program sees it.
    control
        .native_rollback(&dev, APP, 2, &cancel)
        .await
        .unwrap();
    control.rollover(&dev, APP, &cancel).await.unwrap();
    let [by_client, by_program] = native.history().await;
    assert_eq!(by_client, by_program);
    assert_eq!(by_client[..2], [row("v6", "b"), row("v5", "b")]);
    let history = control.history(&dev, APP, &cancel).await.unwrap();
    let rollbacks: Vec<_> = history.iter().map(|row| row.rollback_of).collect();
    assert_eq!(rollbacks, [None, Some(2), None, Some(1), None, None]);
    assert_eq!(bench.modal.deployed(&dev, APP).unwrap().from_image, second);

    // By hand it is deployed with the same pin: nothing changes, and the record stays right.
    let again = native.deploy(&second).await;
    let version = again.apps[0].version;
    let by_hand = [("TOOL_SECRETS", "TOOL_KEY"), ("REGISTRY_SECRET", "")];
    let said = bench.deploy_as("dev", APP, &second, &by_hand).await.ok();
    assert!(said.contains("skipped: no changes"), "{said}");
    assert_eq!(native.step(&second).await, Step::Current);
    assert_eq!(
        bench.modal.deployed(&dev, APP).map(|app| app.version),
        version
    );
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_package_gets_the_same_results_and_apps_never_see_the_record() {
    let registry = EmbeddedRegistry::start(&RegistryOptions::default(), &CancellationToken::new())
        .await
        .unwrap();
    let tagged = format!("{}/tests/sdk:1", registry.host());
    marked(python_image().await, "the same for all", &tagged).await;
    docker(&["push", "--quiet", &tagged]).await;
    let pinned = docker(&["inspect", "--format", "{{index .RepoDigests 0}}", &tagged]).await;
    docker(&["image", "rm", &tagged]).await;

    let bench = Bench::start(&["dev"]).await;
    let cancel = CancellationToken::new();
    let dev = dev();
    let [control, _] = controls(&bench);
    let mut pipeline = Native::new(&bench, &control);
    pipeline.deploy(&pinned).await;

    let call = |function: &'static str| Call {
        environment: &dev,
        app: APP,
        function,
        version: Some(1),
        payload: json!({"mode": "mock"}),
        timeout: Duration::from_secs(60),
    };
    let code = |function: &str| {
        format!(
            "import json, modal; f = modal.Function.from_name('{APP}', '{function}', \
             environment_name='dev'); print(json.dumps(f.remote({{'mode': 'mock'}})))"
        )
    };
    let native = control.call(&call("smoke"), &cancel).await.unwrap();
    let native = native.envelope().unwrap();
    assert_eq!(native["marker"], "the same for all");
    assert_eq!(native["key-length"], "a-secret-value".len());
    let package = bench.python(&code("smoke")).await.ok();
    assert_eq!(serde_json::from_str::<Value>(&package).unwrap(), native);

    // The record is at Modal, everybody who may list secrets sees the names of its keys, and no
    // app has it.
    let [by_package, by_client] = keys(&bench, &control).await;
    assert_eq!(by_package, by_client);
    let names: Vec<&str> = by_client.keys().map(String::as_str).collect();
    assert_eq!(names, ["TOOL_KEY", RECORD_SECRET]);
    let record = &by_client[RECORD_SECRET];
    assert!(!record.is_empty());
    let live = bench.modal.deployed(&dev, APP).unwrap();
    assert_eq!(live.secrets, ["TOOL_KEY"]);
    let variables = bench.python(&code("variables")).await.ok();
    let variables: BTreeSet<String> = serde_json::from_str(&variables).unwrap();
    assert!(variables.contains("TOOL_KEY"), "{variables:?}");
    assert!(variables.is_disjoint(record), "{variables:?}");

    // Another value reaches the function, although nothing else has changed.
    pipeline.value = "another";
    let report = pipeline.deploy(&pinned).await;
    assert_eq!(report.apps[0].deployed, Deployed::RolledOver);
    let package = bench.python(&code("smoke")).await.ok();
    let package: Value = serde_json::from_str(&package).unwrap();
    assert_eq!(package["key-length"], "another".len());

    bench.stop().await;
    docker(&["image", "rm", &pinned]).await;
    registry.stop().await.unwrap();
}
