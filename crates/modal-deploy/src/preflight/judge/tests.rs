use std::collections::BTreeMap;

use registry_model::{PinnedImage, Platform, SecretNames};
use secrecy::SecretString;

use super::super::facts::{AtHand, Facts, Trouble, Wanted};
use super::super::finding::{Finding, Status};
use super::judge;
use crate::client::{EnvironmentInfo, StoredSecret, TokenInfo};
use crate::deploy::{AppFile, DeployOptions};
use crate::secrets::SecretSource;
use crate::{DeployImage, Processor};

const NOW: i64 = 1_800_000_000;
const DAY: i64 = 24 * 60 * 60;

fn image(digit: char) -> PinnedImage {
    let hex = digit.to_string().repeat(64);
    format!("ghcr.io/org/x@sha256:{hex}").parse().unwrap()
}

fn processor(reference: &str, image: DeployImage) -> Processor {
    Processor {
        reference: reference.parse().unwrap(),
        file: format!("registry/{}.yaml", reference.replace('/', "_")).into(),
        image,
        secrets: SecretNames {
            required: vec!["KEY".to_owned()],
            optional: vec!["MORE".to_owned()],
        },
        smoke: None,
    }
}

fn environment(name: &str, version: Option<&str>) -> EnvironmentInfo {
    EnvironmentInfo {
        name: name.to_owned(),
        default: false,
        image_builder_version: version.map(str::to_owned),
    }
}

fn stored(name: &str, keys: &[&str]) -> StoredSecret {
    StoredSecret {
        name: name.to_owned(),
        id: format!("st-{name}"),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        created_at: 0.0,
    }
}

fn token(expires_at: Option<i64>) -> TokenInfo {
    TokenInfo {
        token_id: "ak-1".to_owned(),
        workspace: "acme".to_owned(),
        identity: Some("robot".to_owned()),
        expires_at,
    }
}

fn trouble(text: &str, cure: &str) -> Trouble {
    Trouble {
        text: text.to_owned(),
        cure: Some(cure.to_owned()),
    }
}

fn value(keys: &[&str]) -> AtHand {
    AtHand::Value {
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        warnings: Vec::new(),
    }
}

fn missing(name: &str) -> AtHand {
    AtHand::Missing {
        looked_for: vec![format!("{name}_DEV"), name.to_owned()],
    }
}

/// A repository with `code/modal_app.py`, and an environment in which nothing is wrong.
struct World {
    wanted: Wanted,
    facts: Facts,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("code")).unwrap();
        std::fs::write(folder.path().join("code/modal_app.py"), "").unwrap();
        let processors = vec![processor("a/one@1", DeployImage::Pinned(image('a')))];
        let wanted = Wanted {
            environment: "dev".parse().unwrap(),
            environments: ["dev", "main"].map(|name| name.parse().unwrap()).into(),
            all: vec!["a/one@1".parse().unwrap()],
            processors,
            shared: crate::secrets::shared(),
            values: SecretSource::from_pairs([("KEY".to_owned(), SecretString::from("value"))]),
            deploy: DeployOptions::new(folder.path()),
            create_environment: false,
        };
        let registry_auth = ["REGISTRY_PASSWORD", "REGISTRY_USERNAME"];
        let facts = Facts {
            now: NOW,
            token: Ok(Some(token(None))),
            environments: Ok(vec![
                environment("dev", Some("2025.06")),
                environment("main", Some("2025.06")),
            ]),
            created: Ok(false),
            stored: Ok(vec![stored("REGISTRY_AUTH", &registry_auth)]),
            client: Ok("1.6.4".to_owned()),
            app_file: Ok(AppFile::find(folder.path(), "code/modal_app.py").unwrap()),
            values: BTreeMap::from([
                ("KEY".to_owned(), value(&["KEY"])),
                ("MORE".to_owned(), value(&["ONE", "TWO"])),
                ("REGISTRY_AUTH".to_owned(), missing("REGISTRY_AUTH")),
            ]),
            as_modal: false,
            images: BTreeMap::from([(image('a'), Ok(vec![Platform::linux_amd64()]))]),
        };
        Self {
            wanted,
            facts,
            folder,
        }
    }

    fn judge(&self) -> Vec<Finding> {
        judge(&self.wanted, &self.facts)
    }

    /// Everything in order of what is checked, as lines.
    fn shown(&self) -> String {
        self.judge().iter().map(line).collect()
    }

    /// What is not in order.
    fn wrong(&self) -> String {
        let findings = self.judge();
        let wrong = findings.iter().filter(|one| one.status != Status::Ok);
        wrong.map(line).collect()
    }
}

fn line(one: &Finding) -> String {
    let status = match one.status {
        Status::Ok => "ok",
        Status::Warning => "warning",
        Status::Failed => "failed",
        Status::NotChecked => "not checked",
    };
    let cure = one.cure.iter().map(|cure| format!("\n    cure: {cure}"));
    let cure: String = cure.collect();
    format!(
        "{status} {} {}: {}{cure}\n",
        one.check, one.subject, one.text
    )
}

#[test]
fn what_is_right_is_said_too() {
    let world = World::new();
    insta::assert_snapshot!(world.shown(), @"
    ok token ak-1: of `robot` in workspace `acme`
    ok environment dev: it exists
    ok image builder all environments: 2025.06 in `dev`, `main`
    ok modal client modal: version 1.6.4
    ok app file code/modal_app.py: it is there
    ok app names 1 apps: none is too long, and no other processor has the same
    ok registry secret REGISTRY_AUTH: keys at Modal: `REGISTRY_PASSWORD`, `REGISTRY_USERNAME`
    ok secret KEY: a value is at hand
    ok secret MORE: a value with `ONE`, `TWO` is at hand
    ok image a/one@1: `aaaaaaaaaaaa` can be read, and is for linux/amd64
    ");
}

#[test]
fn everything_wrong_is_told_with_its_cure() {
    let mut world = World::new();
    let facts = &mut world.facts;
    facts.token = Ok(Some(token(Some(NOW - 1))));
    facts.environments = Ok(vec![environment("staging", Some("2025.06"))]);
    facts.client = Err(trouble("failed to start `modal`", "install it"));
    facts.app_file = Err(trouble("failed to find the Modal app", "give the path"));
    facts.values = BTreeMap::from([
        ("KEY".to_owned(), missing("KEY")),
        ("MORE".to_owned(), missing("MORE")),
        ("REGISTRY_AUTH".to_owned(), value(&["REGISTRY_AUTH"])),
    ]);
    let gone = trouble("failed to describe `x`: not there", "build it again");
    let arm: Platform = "linux/arm64".parse().unwrap();
    facts.images = BTreeMap::from([(image('a'), Err(gone)), (image('b'), Ok(vec![arm]))]);
    let wanted = &mut world.wanted;
    let long = format!("{}/{}@1", "a".repeat(40), "b".repeat(40));
    wanted.processors.extend([
        processor("a/two@1", DeployImage::Pinned(image('b'))),
        processor(
            "a/new@1",
            DeployImage::Pending(Some("sha256:pending".to_owned())),
        ),
        processor("a/b_c@1", DeployImage::Pending(None)),
        processor(&long, DeployImage::Pinned(image('b'))),
    ]);
    wanted.all.push("a/b-c@1".parse().unwrap());
    insta::assert_snapshot!(world.wrong(), @r#"
    failed token ak-1: of `robot` in workspace `acme`; it ended on 2027-01-15
        cure: make another one (`modal token new`, or a service user of the workspace), and set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET to it
    failed environment dev: the workspace does not have it; it has `staging`
        cure: run `modal environment create dev`, or give --create-environment
    not checked image builder all environments: not there yet: `dev`, `main`
    failed modal client modal: failed to start `modal`
        cure: install it
    failed app file code/modal_app.py: failed to find the Modal app
        cure: give the path
    failed app names a/b_c@1: a/b_c@1 and a/b-c@1 would both be app `a-b-c-v1`, and the second deploy would replace the first
        cure: give one of them another name
    failed app names aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb@1: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb@1 would be app `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-v1`, and Modal takes 64 characters
        cure: give it a shorter name
    failed registry secret REGISTRY_AUTH: keys of its value: `REGISTRY_AUTH`; Modal wants exactly `REGISTRY_PASSWORD`, `REGISTRY_USERNAME`
        cure: set REGISTRY_AUTH to a JSON object: {"REGISTRY_USERNAME": "…", "REGISTRY_PASSWORD": "…"}
    failed secret KEY: `KEY` has no value: `KEY_DEV` and `KEY` not set or empty (required by a/one@1, a/two@1, a/new@1, a/b_c@1, aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb@1)
        cure: set the values in the environment of the pipeline (for `dev`, NAME_DEV wins over NAME) or in the JSON object of secrets, or move the names to `secrets.optional`
    warning secret MORE: optional, and no value is at hand: left out
        cure: set one of `MORE_DEV`, `MORE` if it is needed
    failed image a/one@1: failed to describe `x`: not there
        cure: build it again
    failed image a/two@1: `ghcr.io/org/x@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb` is for linux/arm64, and Modal runs linux/amd64
        cure: add linux/amd64 to `platforms` of pipeline.yml, build and pin it again
    failed image a/new@1: a/new@1 is not pinned: registry/a_new@1.yaml has `sha256:pending` where `<repository>@sha256:<64 hex>` belongs
        cure: merge the open pin pull request, or run build-and-pin for these processors
    failed image a/b_c@1: a/b_c@1 is not pinned: registry/a_b_c@1.yaml has nothing where `<repository>@sha256:<64 hex>` belongs
        cure: merge the open pin pull request, or run build-and-pin for these processors
    failed image aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb@1: `ghcr.io/org/x@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb` is for linux/arm64, and Modal runs linux/amd64
        cure: add linux/amd64 to `platforms` of pipeline.yml, build and pin it again
    "#);
}

#[test]
fn one_cause_is_told_once() {
    let mut world = World::new();
    let refused = trouble(
        "failed to ask whose token this is: UNAUTHENTICATED",
        "check it",
    );
    world.facts.token = Err(refused.clone());
    world.facts.environments = Err(refused.clone());
    world.facts.stored = Err(refused);
    world.facts.values.insert("KEY".to_owned(), missing("KEY"));
    insta::assert_snapshot!(world.wrong(), @"
    failed token MODAL_TOKEN_ID: failed to ask whose token this is: UNAUTHENTICATED
        cure: check it
    not checked environment dev: Modal cannot be asked
    not checked image builder all environments: Modal cannot be asked
    not checked registry secret REGISTRY_AUTH: no value is at hand, and Modal cannot be asked
    not checked secret KEY: no value is at hand, and Modal cannot be asked
    ");

    // The command line, when it is by it that Modal is asked.
    let none = trouble(
        "failed to start `modal`, the Modal command line",
        "install it",
    );
    world.facts.token = Err(none.clone());
    world.facts.environments = Err(none.clone());
    world.facts.stored = Err(none.clone());
    world.facts.client = Err(none);
    let wrong = world.wrong();
    assert_eq!(wrong.matches("failed to start").count(), 1, "{wrong}");
    assert!(wrong.starts_with("not checked token"), "{wrong}");

    // A list that fails by itself is told.
    let mut world = World::new();
    world.facts.stored = Err(trouble("failed to list the secrets", "try again"));
    world.facts.values.insert("KEY".to_owned(), missing("KEY"));
    insta::assert_snapshot!(world.wrong(), @"
    not checked registry secret REGISTRY_AUTH: no value is at hand, and Modal cannot be asked
    failed secret all: failed to list the secrets
        cure: try again
    not checked secret KEY: no value is at hand, and Modal cannot be asked
    ");
}

#[test]
fn a_token_that_ends_soon_is_worth_a_warning() {
    let mut world = World::new();
    let mut told = |expires_at| {
        world.facts.token = Ok(Some(token(Some(expires_at))));
        line(&world.judge()[0])
    };
    let long = told(NOW + 15 * DAY);
    assert_eq!(
        long,
        "ok token ak-1: of `robot` in workspace `acme`, until 2027-01-30\n"
    );
    let soon = told(NOW + 3 * DAY);
    assert!(soon.starts_with("warning token ak-1"), "{soon}");
    assert!(soon.contains("it ends in 3 days, on 2027-01-18"), "{soon}");
    assert!(soon.contains("cure: make another one"), "{soon}");
    assert!(told(i64::MAX).contains("until an unknown day"));
}

#[test]
fn a_token_may_be_right_where_nobody_tells_whose_it_is() {
    let mut world = World::new();
    world.facts.token = Ok(None);
    assert!(world.shown().starts_with("ok token"));
    world.facts.token = Err(trouble("failed to read it", "look"));
    let wrong = world.wrong();
    assert!(
        wrong.starts_with("warning token MODAL_TOKEN_ID: it is accepted"),
        "{wrong}"
    );
    // Then it is not what stands in the way of the rest.
    world.facts.environments = Err(trouble("failed to list environments", "wait"));
    world.facts.token = Ok(None);
    assert!(world.wrong().starts_with("failed token"));
}

#[test]
fn image_builders_must_be_the_same() {
    let mut world = World::new();
    let mut told = |known: Vec<EnvironmentInfo>| {
        world.facts.environments = Ok(known);
        line(&world.judge()[2])
    };
    let dev = || environment("dev", Some("2025.06"));
    insta::assert_snapshot!(told(vec![dev(), environment("main", Some("2024.10"))]), @"
    failed image builder all environments: 2024.10 in `main`; 2025.06 in `dev`
        cure: give all environments the same image builder version, in the settings of the workspace on modal.com: the same digest becomes another container otherwise
    ");
    // One that no pin goes through does not count.
    let others = vec![
        dev(),
        environment("main", Some("2025.06")),
        environment("x", Some("1")),
    ];
    assert!(told(others).starts_with("ok "));
    insta::assert_snapshot!(told(vec![dev()]), @"ok image builder all environments: 2025.06 in `dev`; not there yet: `main`");
    insta::assert_snapshot!(told(vec![dev(), environment("main", None)]), @"not checked image builder all environments: nobody tells here which image builder `main` has");
}

#[test]
fn an_environment_that_was_made_is_one_that_has_nothing_yet() {
    let mut world = World::new();
    world.facts.created = Ok(true);
    world.facts.stored = Ok(Vec::new());
    insta::assert_snapshot!(world.shown().lines().nth(1).unwrap(), @"ok environment dev: it was missing, and has been made");
    // A list that came before it, or was refused because of it, does not matter.
    world.facts.environments = Ok(vec![environment("main", Some("2025.06"))]);
    world.facts.stored = Err(trouble("failed to list the secrets", "try again"));
    world.facts.created = Err(trouble(
        "failed to create environment `dev`",
        "ask an owner",
    ));
    insta::assert_snapshot!(world.wrong(), @r#"
    failed environment dev: failed to create environment `dev`
        cure: ask an owner
    warning registry secret REGISTRY_AUTH: no value is at hand, and Modal has none: Modal pulls without credentials, which does for public images only
        cure: set REGISTRY_AUTH to a JSON object: {"REGISTRY_USERNAME": "…", "REGISTRY_PASSWORD": "…"}
    "#);
}

#[test]
fn what_modal_has_counts_where_no_value_is_at_hand() {
    let mut world = World::new();
    let exact = ["REGISTRY_PASSWORD", "REGISTRY_USERNAME"];
    let mut told = |keys: Option<&[&str]>| {
        let auth = keys.map(|keys| stored("REGISTRY_AUTH", keys));
        world.facts.values.insert("KEY".to_owned(), missing("KEY"));
        let there = auth.into_iter().chain([stored("KEY", &["KEY"])]);
        world.facts.stored = Ok(there.collect());
        world.wrong()
    };
    insta::assert_snapshot!(told(Some(&exact)), @"
    warning secret KEY: Modal has it, and no value is at hand here
        cure: where `pipeline deploy` runs, one of `KEY_DEV`, `KEY` must be set
    ");
    insta::assert_snapshot!(told(Some(&["REGISTRY_USERNAME", "TOKEN"])), @r#"
    failed registry secret REGISTRY_AUTH: keys at Modal: `REGISTRY_USERNAME`, `TOKEN`; Modal wants exactly `REGISTRY_PASSWORD`, `REGISTRY_USERNAME`
        cure: set REGISTRY_AUTH to a JSON object: {"REGISTRY_USERNAME": "…", "REGISTRY_PASSWORD": "…"}
    warning secret KEY: Modal has it, and no value is at hand here
        cure: where `pipeline deploy` runs, one of `KEY_DEV`, `KEY` must be set
    "#);
    insta::assert_snapshot!(told(Some(&[])), @"
    not checked registry secret REGISTRY_AUTH: Modal has it; which keys it has is not told here
    warning secret KEY: Modal has it, and no value is at hand here
        cure: where `pipeline deploy` runs, one of `KEY_DEV`, `KEY` must be set
    ");
    insta::assert_snapshot!(told(None), @r#"
    warning registry secret REGISTRY_AUTH: no value is at hand, and Modal has none: Modal pulls without credentials, which does for public images only
        cure: set REGISTRY_AUTH to a JSON object: {"REGISTRY_USERNAME": "…", "REGISTRY_PASSWORD": "…"}
    warning secret KEY: Modal has it, and no value is at hand here
        cure: where `pipeline deploy` runs, one of `KEY_DEV`, `KEY` must be set
    "#);

    world.wanted.shared = SecretNames {
        required: vec!["REGISTRY_AUTH".to_owned()],
        optional: Vec::new(),
    };
    assert!(
        world
            .wrong()
            .contains("failed registry secret REGISTRY_AUTH: no value")
    );
    world.wanted.deploy.registry_secret = String::new();
    assert!(world.shown().contains("ok registry secret none"));
}

#[test]
fn values_that_modal_would_refuse_are_told() {
    let mut world = World::new();
    let unusable = AtHand::Unusable {
        problem: "its key `A` is empty".to_owned(),
    };
    world
        .facts
        .values
        .insert("KEY".to_owned(), unusable.clone());
    world
        .facts
        .values
        .insert("REGISTRY_AUTH".to_owned(), unusable);
    let padded = AtHand::Value {
        keys: ["MORE".to_owned()].into(),
        warnings: vec!["the value of secret `MORE` ends with white space".to_owned()],
    };
    world.facts.values.insert("MORE".to_owned(), padded);
    insta::assert_snapshot!(world.wrong(), @r#"
    failed registry secret REGISTRY_AUTH: its key `A` is empty
        cure: set REGISTRY_AUTH to a JSON object: {"REGISTRY_USERNAME": "…", "REGISTRY_PASSWORD": "…"}
    failed secret KEY: its key `A` is empty
        cure: give it another value, or declare it by another name
    warning secret MORE: the value of secret `MORE` ends with white space
        cure: take what does not belong there out of the value
    "#);
}

#[test]
fn a_dotted_name_that_python_takes_for_its_own_module_is_worth_a_warning() {
    let mut world = World::new();
    let root = world.folder.path().to_owned();
    world.wanted.deploy.app_file = "code.modal_app".to_owned();
    world.facts.app_file = Ok(AppFile::find(&root, "code.modal_app").unwrap());
    insta::assert_snapshot!(world.wrong(), @"
    warning app file code.modal_app: `code` is also a module of Python's own, and wins over a folder without `__init__.py`; it is deployed as `code/modal_app.py`
        cure: write `code/modal_app.py` in `modal.app` of pipeline.yml
    ");
    std::fs::write(root.join("code/__init__.py"), "").unwrap();
    assert_eq!(world.wrong(), "");
}

#[test]
fn an_image_that_modal_may_not_read_is_told_so() {
    let mut world = World::new();
    world.facts.as_modal = true;
    let refused = trouble(
        "failed to describe `x`: not logged in",
        "run `docker login ghcr.io`",
    );
    world.facts.images = BTreeMap::from([(image('a'), Err(refused))]);
    insta::assert_snapshot!(world.wrong(), @"
    failed image a/one@1: failed to describe `x`: not logged in (asked with REGISTRY_AUTH, as Modal does)
        cure: see that REGISTRY_AUTH is valid and may read the image; else run `docker login ghcr.io`
    ");
}
