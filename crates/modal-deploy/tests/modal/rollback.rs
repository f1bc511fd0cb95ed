//! An earlier image comes back, and stays until it is let go.

use modal_deploy::Deployed;
use modal_deploy::audit::{Pins, Standing, audit};
use modal_deploy::rollback::{hold, look, release};
use modal_deploy::{DeployImage, Processor};
use registry_model::SecretNames;

use crate::scene::{Scene, digest, outcomes};

const REFERENCE: &str = "a/one@1";
const APP: &str = "a-one-v1";

#[tokio::test]
async fn what_a_person_brought_back_stays_until_it_is_released() {
    let mut scene = Scene::new().await;
    scene.good(&[REFERENCE]).await;
    scene.pin = 'b';
    scene.good(&[REFERENCE]).await;
    let (control, dev) = (scene.plane.control(), "dev".parse().unwrap());
    let earlier = digest('a').parse().unwrap();
    let standing = look(&control, &dev, APP, &scene.cancel).await.unwrap();
    assert_eq!(standing.proof(&earlier).unwrap().version, 1);
    assert_eq!(standing.hold(), None);
    assert!(standing.proof(&digest('c').parse().unwrap()).is_none());

    let held = hold(&control, &dev, APP, &earlier, &scene.cancel).await;
    assert!(held.unwrap());
    scene.pin = 'a';
    scene.options.keep_holds = true;
    let back = scene.good(&[REFERENCE]).await;
    assert_eq!(outcomes(&back)[0].0, Deployed::Deployed);
    // Automation, with what is pinned still.
    scene.pin = 'b';
    scene.options.keep_holds = false;
    let left = scene.good(&[REFERENCE]).await;
    assert_eq!(outcomes(&left)[0].0, Deployed::Held);
    assert_eq!(scene.pins(APP), "aba");

    let freed = release(&control, &dev, APP, &scene.cancel).await.unwrap();
    assert_eq!(freed, Some(earlier));
    let again = release(&control, &dev, APP, &scene.cancel).await.unwrap();
    assert_eq!(again, None);
    let on = scene.good(&[REFERENCE]).await;
    assert_eq!(outcomes(&on)[0].0, Deployed::Deployed);
    assert_eq!(scene.pins(APP), "abab");
}

#[tokio::test]
async fn an_environment_that_does_not_exist_is_audited_without_a_question_about_it() {
    let scene = Scene::new().await;
    let image = format!("ghcr.io/org/x@{}", digest('a'));
    let pins = Pins {
        environment: "nowhere".parse().unwrap(),
        processors: vec![Processor {
            reference: REFERENCE.parse().unwrap(),
            file: "registry.yaml".into(),
            image: DeployImage::Pinned(image.parse().unwrap()),
            secrets: SecretNames::default(),
            smoke: None,
        }],
    };
    let (control, shared) = (scene.plane.control(), SecretNames::default());
    let report = audit(&control, &[pins], &shared, &scene.cancel).await;
    let app = &report.unwrap().environments[0].apps[0];
    assert_eq!(app.standing, Standing::Missing);
    assert_eq!(scene.plane.count("AppList"), 0);
    assert_eq!(scene.plane.count("SecretList"), 0);
}
