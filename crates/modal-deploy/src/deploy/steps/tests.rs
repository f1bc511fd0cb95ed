use registry_model::SecretNames;
use secrecy::SecretString;

use super::*;
use crate::deploy::{Shared, plan};
use crate::fingerprint::FingerprintKey;
use crate::record::{Change, Mark};
use crate::secrets::{self, SecretPlan, SecretSource};
use crate::{DeployImage, Processor};

const APP: &str = "a-one-v1";

/// One processor with a required secret, and an environment in which all of it is live.
struct Scene {
    plan: DeployPlan,
    secrets: SecretPlan,
    shared: Shared,
    record: Option<Record>,
    stored: Vec<StoredSecret>,
    live: Option<AppState>,
    rules: Rules,
}

fn digest(digit: char) -> Digest {
    let hex = String::from(digit).repeat(64);
    format!("sha256:{hex}").parse().unwrap()
}

fn live(version: Option<u32>) -> Option<AppState> {
    Some(AppState {
        app_id: "ap-1".into(),
        version,
        deployed_at: Some(1.0),
    })
}

fn stored(name: &str, keys: &[&str]) -> StoredSecret {
    StoredSecret {
        name: name.into(),
        id: format!("st-{name}"),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        created_at: 1.0,
    }
}

impl Scene {
    fn new() -> Self {
        let mut scene = Self {
            plan: DeployPlan {
                environment: "dev".parse().unwrap(),
                apps: Vec::new(),
            },
            secrets: SecretPlan {
                environment: "dev".parse().unwrap(),
                secrets: Vec::new(),
                left_out: Vec::new(),
                warnings: Vec::new(),
            },
            shared: Shared {
                app_file: "code/modal_app.py".into(),
                code: "c0de".into(),
                image_builder: Some("2025.06".into()),
                registry_secret: String::new(),
            },
            record: Some(Record::default()),
            stored: vec![stored("KEY", &["KEY"])],
            live: live(Some(3)),
            rules: Rules {
                smoke: true,
                ..Rules::default()
            },
        };
        scene.want('a', "value");
        let mark = scene.mark(3, true);
        scene.write(&[
            Change::Secret("KEY".into(), scene.key().secret(&scene.secrets.secrets[0])),
            mark,
        ]);
        scene
    }

    fn key(&self) -> FingerprintKey {
        FingerprintKey::new(&SecretString::from("as-token"), &self.plan.environment)
    }

    /// What the caller wants to be live.
    fn want(&mut self, digit: char, value: &str) {
        let processors = [Processor {
            reference: "a/one@1".parse().unwrap(),
            file: "registry.yaml".into(),
            image: DeployImage::Pinned(format!("ghcr.io/o/x@{}", digest(digit)).parse().unwrap()),
            secrets: SecretNames {
                required: vec!["KEY".into()],
                optional: Vec::new(),
            },
            smoke: None,
        }];
        let source = SecretSource::from_pairs([("KEY".to_owned(), SecretString::from(value))]);
        let environment = &self.plan.environment.clone();
        let shared = SecretNames::default();
        self.secrets = secrets::plan(&processors, &shared, &source, environment).unwrap();
        self.plan = plan(&processors, &self.secrets).unwrap();
    }

    fn prints(&self) -> Prints {
        Prints::new(&self.plan, &self.secrets, &self.shared, &self.key())
    }

    /// That all that is wanted now is live as this version.
    fn mark(&self, version: u32, smoked: bool) -> Change {
        let AppPrint { deploy, secrets } = self.prints().apps.remove(0);
        let mark = Mark {
            version,
            digest: self.plan.apps[0].image.digest.clone(),
            deploy,
            secrets,
            smoked,
        };
        Change::Mark(APP.into(), mark)
    }

    fn write(&mut self, changes: &[Change]) {
        let record = self.record.as_mut().unwrap();
        changes.iter().for_each(|change| record.apply(change));
    }

    fn all(&self) -> Steps {
        let record = self.record.as_ref();
        let force = self.rules.force;
        let writing = secrets::decide(&self.secrets, record, &self.stored, &self.key(), force);
        let found = Found {
            record: self.record.clone(),
            stored: self.stored.clone(),
            live: vec![self.live.clone()],
        };
        steps(&self.plan, writing, &self.prints(), &found, &self.rules)
    }

    /// The step, and the first reason for it.
    fn step(&self) -> (Step, String) {
        let app = self.all().apps.remove(0);
        (app.step, app.why.first().cloned().unwrap_or_default())
    }
}

#[track_caller]
fn deploys(scene: &Scene, why: &str) {
    assert_eq!(scene.step(), (Step::Deploy, why.to_owned()));
}

#[test]
fn what_is_live_and_smoked_is_left_alone() {
    let scene = Scene::new();
    let steps = scene.all();
    assert_eq!(scene.step(), (Step::Current, String::new()));
    assert_eq!(steps.apps[0].version, Some(3));
    assert_eq!(steps.secrets[0].write, None);
    insta::assert_json_snapshot!(steps, @r#"
    {
      "schema": 1,
      "environment": "dev",
      "secrets": [
        {
          "name": "KEY",
          "write": null
        }
      ],
      "apps": [
        {
          "ref": "a/one@1",
          "app": "a-one-v1",
          "image": "ghcr.io/o/x@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
          "step": "current",
          "why": [],
          "version": 3,
          "held": null,
          "release": false
        }
      ]
    }
    "#);
}

#[test]
fn what_was_never_smoked_is_smoked() {
    let mut scene = Scene::new();
    let mark = scene.mark(3, false);
    scene.write(&[mark]);
    let why = "version 3 has not passed a smoke yet".to_owned();
    assert_eq!(scene.step(), (Step::Smoke, why));
    scene.rules.smoke = false;
    assert_eq!(scene.step().0, Step::Current);
}

#[test]
fn what_is_not_known_to_be_right_is_deployed() {
    let mut scene = Scene::new();
    scene.live = live(Some(4));
    deploys(&scene, "somebody else deployed version 4 after our 3");
    scene.live = live(Some(2));
    deploys(&scene, "somebody else deployed version 2 after our 3");
    scene.live = live(None);
    deploys(&scene, "Modal does not tell which version is live");
    scene.live = None;
    deploys(&scene, "it is not deployed");

    let mut scene = Scene::new();
    scene.record = Some(Record::default());
    deploys(&scene, "it is not known what version 3 is");
    scene.record = None;
    deploys(&scene, "it cannot be known what version 3 is");

    let mut scene = Scene::new();
    scene.rules.force = true;
    deploys(&scene, "forced");
}

#[test]
fn another_digest_or_other_code_is_deployed() {
    let mut scene = Scene::new();
    scene.want('b', "value");
    deploys(
        &scene,
        "the image changed from aaaaaaaaaaaa to bbbbbbbbbbbb",
    );

    let other = "the app's code, its settings, or the names of its secrets changed";
    let changes: [fn(&mut Shared); 4] = [
        |shared| shared.code = "0ther".into(),
        |shared| shared.app_file = "other.py".into(),
        |shared| shared.image_builder = None,
        |shared| shared.registry_secret = "REGISTRY_AUTH".into(),
    ];
    for change in changes {
        let mut scene = Scene::new();
        change(&mut scene.shared);
        deploys(&scene, other);
    }
    let mut scene = Scene::new();
    scene.plan.apps[0].tool_secrets.clear();
    deploys(&scene, other);
    // The same digest somewhere else is another image.
    let mut scene = Scene::new();
    let moved = format!("ghcr.io/other/x@{}", digest('a'));
    scene.plan.apps[0].image = moved.parse().unwrap();
    deploys(&scene, other);
}

#[test]
fn changed_values_need_new_containers_only() {
    let mut scene = Scene::new();
    scene.want('a', "other value");
    assert!(scene.all().secrets[0].write.is_some());
    let why = "secret `KEY` is written".to_owned();
    assert_eq!(scene.step(), (Step::Rollover, why));

    // Written by a run that did not live to roll over.
    let print = scene.key().secret(&scene.secrets.secrets[0]);
    scene.write(&[Change::Secret("KEY".into(), print)]);
    assert_eq!(scene.all().secrets[0].write, None);
    let why = "values of its secrets changed since its containers started".to_owned();
    assert_eq!(scene.step(), (Step::Rollover, why));

    // Written and taken back: some containers may have what was there in between.
    let mut scene = Scene::new();
    scene.write(&[Change::Forget("KEY".into())]);
    assert_eq!(scene.step().0, Step::Rollover);

    // A secret that the app does not use is none of its business.
    scene.plan.apps[0].tool_secrets.clear();
    let mark = scene.mark(3, true);
    scene.write(&[mark]);
    assert!(scene.all().secrets[0].write.is_some());
    assert_eq!(scene.step().0, Step::Current);
}

#[test]
fn a_secret_that_was_deleted_needs_a_deploy() {
    let mut scene = Scene::new();
    scene.stored = vec![stored("OTHER", &["OTHER"])];
    deploys(&scene, "secret `KEY` was gone");
}

#[test]
fn a_hold_stands_until_it_is_released_or_met() {
    let mut scene = Scene::new();
    scene.write(&[Change::Hold(APP.into(), digest('0'))]);
    for force in [false, true] {
        scene.rules.force = force;
        let app = scene.all().apps.remove(0);
        assert_eq!(app.step, Step::Held);
        assert_eq!(app.held, Some(digest('0')));
        let why = [
            "a person holds it at 000000000000",
            "what runs is aaaaaaaaaaaa",
        ];
        assert_eq!(app.why, why);
        assert!(!app.release);
    }
    scene.rules.force = false;
    for name in [APP, "a/one@1"] {
        scene.rules.release = [name.to_owned()].into();
        let app = scene.all().apps.remove(0);
        assert_eq!(
            (app.step, app.release, app.held),
            (Step::Current, true, None)
        );
    }
    scene.rules.release = ["b/two@1".to_owned()].into();
    assert_eq!(scene.step().0, Step::Held);
    // What is pinned is what is held: there is nothing to hold against any more.
    scene.write(&[Change::Hold(APP.into(), digest('a'))]);
    let app = scene.all().apps.remove(0);
    assert_eq!((app.step, app.release), (Step::Current, true));
    // Unless it is a person who wants it now, who goes on holding it.
    scene.rules.keep_holds = true;
    let app = scene.all().apps.remove(0);
    assert_eq!(
        (app.step, app.release, app.held),
        (Step::Current, false, None)
    );
}
