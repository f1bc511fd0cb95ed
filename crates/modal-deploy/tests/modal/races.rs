//! Runs at the same time: whatever happens in between, the newest has the last word.

use std::num::NonZeroUsize;
use std::sync::Arc;

use modal_deploy::{DeployReport, Deployed, ErrorClass, ModalError, rollback, run};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;

use crate::plane::Step;
use crate::scene::{Scene, digest, outcomes};

const ONE: &str = "a-one-v1";
const TWO: &str = "a-two-v1";

impl Scene {
    /// A run of its own, with this pin.
    async fn at(&self, pin: char, references: &[&str]) -> Result<DeployReport, ModalError> {
        let mut image = self.plans("dev", references);
        for app in &mut image.0.apps {
            let digest = digest(pin).parse().unwrap();
            app.image = app.image.repository.at(digest);
        }
        let (plan, secrets) = image;
        let control = self.plane.control();
        let never = CancellationToken::new();
        run(&control, &plan, &secrets, &self.options, &never).await
    }

    async fn jobs(&self, pin: char, reference: &str) -> Result<DeployReport, ModalError> {
        self.at(pin, &[reference]).await
    }

    async fn until_waits(&self, app: &str) {
        let what = format!("the deploy of {app}");
        self.until(&what, || self.shim.waits(app)).await;
    }

    fn last_pin(&self, app: &str) -> Option<char> {
        self.pins(app).chars().last()
    }
}

#[track_caller]
fn good(report: Result<DeployReport, ModalError>) -> DeployReport {
    let report = report.unwrap();
    assert_eq!(report.class(), None, "{report:#?}");
    report
}

#[tokio::test]
async fn an_older_run_stops_and_takes_back_what_it_was_about_to_do() {
    for native in [true, false] {
        let mut scene = Scene::new().await;
        scene.options.deploy.at_once = NonZeroUsize::MIN;
        scene.plane.state().may_roll_back = native;
        scene.shim.behave(ONE, "waits");
        let references = ["a/one@1", "a/two@1"];
        let (older, newer) = tokio::join!(scene.at('a', &references), async {
            scene.until_waits(ONE).await;
            scene.shim.behave(ONE, "works");
            let newer = scene.at('b', &references).await;
            scene.shim.go(ONE);
            newer
        });
        good(newer);
        let older = older.unwrap();
        assert_eq!(older.class(), Some(ErrorClass::Deploy));
        let superseded = (Deployed::Superseded, None);
        assert_eq!(outcomes(&older), [superseded, superseded]);
        let error = older.apps[1].error.as_deref().unwrap();
        assert_eq!(
            error,
            "deploy `a-two-v1` to `dev`: superseded by run 2, which began later"
        );
        assert!(older.apps[1].hint.is_some());
        // The newer run's, the older run's, and the newer run's again.
        assert_eq!(scene.pins(ONE), "bab", "{native}");
        assert_eq!(scene.pins(TWO), "b");
        // What was put back is known, and nothing is left to do.
        scene.shim.deployed();
        let report = good(scene.at('b', &references).await);
        assert_eq!(scene.shim.deployed(), [""; 0], "{report:#?}");
    }
}

#[tokio::test]
async fn what_the_newer_run_found_right_comes_back() {
    let scene = Scene::new().await;
    good(scene.at('b', &["a/one@1"]).await);
    scene.shim.behave(ONE, "waits");
    let (older, newer) = tokio::join!(scene.at('a', &["a/one@1"]), async {
        scene.until_waits(ONE).await;
        let newer = scene.at('b', &["a/one@1"]).await;
        scene.shim.go(ONE);
        newer
    });
    assert_eq!(outcomes(&good(newer)), [(Deployed::Current, Some(1))]);
    assert_eq!(older.unwrap().apps[0].deployed, Deployed::Superseded);
    assert_eq!(scene.pins(ONE), "bab");
}

#[tokio::test]
async fn the_newer_run_repairs_what_the_older_one_does_to_it() {
    let scene = Scene::new().await;
    scene.shim.behave(ONE, "waits");
    let both = ["a/one@1", "a/two@1"];
    let (older, newer) = tokio::join!(scene.at('a', &both[..1]), async {
        scene.until_waits(ONE).await;
        scene.shim.behave(ONE, "works");
        scene.shim.behave(TWO, "waits");
        let (newer, ()) = tokio::join!(scene.at('b', &both), async {
            scene.until_waits(TWO).await;
            let deployed = || scene.pins(ONE) == "b";
            scene.until("the newer run's deploy", deployed).await;
            // The older one publishes while the newer one is still at work.
            scene.shim.go(ONE);
            let published = || scene.pins(ONE).contains('a');
            scene.until("the older run's deploy", published).await;
            scene.shim.go(TWO);
        });
        newer
    });
    good(newer);
    assert_eq!(older.unwrap().class(), Some(ErrorClass::Deploy));
    assert_eq!(scene.last_pin(ONE), Some('b'));
    assert_eq!(scene.last_pin(TWO), Some('b'));
}

#[tokio::test]
async fn what_somebody_else_deploys_during_a_run_is_deployed_again() {
    let scene = Scene::new().await;
    scene.shim.behave(TWO, "waits");
    let both = ["a/one@1", "a/two@1"];
    let (report, ()) = tokio::join!(scene.at('a', &both), async {
        scene.until_waits(TWO).await;
        let deployed = || scene.pins(ONE) == "a";
        scene.until("the deploy", deployed).await;
        scene.shim.meddle(ONE);
        scene.shim.go(TWO);
    });
    let report = good(report);
    assert_eq!(scene.pins(ONE), "a0a");
    assert_eq!(report.apps[0].version, Some(3));
    let why = "somebody else deployed version 2 during this run";
    assert_eq!(report.apps[0].why, ["it is not deployed", why]);
}

#[tokio::test]
async fn what_somebody_else_deploys_before_it_is_read_back_is_deployed_again() {
    let scene = Scene::new().await;
    // Asked when the run begins, before the deploy and after it.
    let replaced = Arc::new(Barrier::new(2));
    let steps = [Step::Pass, Step::Pass, Step::Meet(replaced.clone())];
    scene.plane.script("AppGetByDeploymentName", steps);
    let (report, ()) = tokio::join!(scene.at('a', &["a/one@1"]), async {
        let deployed = || scene.pins(ONE) == "a";
        scene.until("the deploy", deployed).await;
        scene.shim.meddle(ONE);
        replaced.wait().await;
    });
    let report = good(report);
    assert_eq!(scene.pins(ONE), "a0a");
    assert_eq!(outcomes(&report), [(Deployed::Deployed, Some(3))]);
    let why = "somebody else deployed version 2 during this run";
    assert_eq!(report.apps[0].why, ["it is not deployed", why]);
}

#[tokio::test]
async fn who_deploys_over_and_over_is_left_alone() {
    let scene = Scene::new().await;
    let report = scene.at('a', &["outrun/one@1"]).await.unwrap();
    assert_eq!(report.class(), Some(ErrorClass::Deploy));
    assert_eq!(scene.plane.versions("outrun-one-v1").len(), 6);
    let expected = "read back app `outrun-one-v1` of `dev`: somebody else keeps deploying it, and \
                    version 6 is live";
    assert_eq!(report.apps[0].error.as_deref(), Some(expected));
}

#[tokio::test]
async fn what_somebody_else_deployed_is_not_rolled_over_but_replaced() {
    let mut scene = Scene::new().await;
    good(scene.at('a', &["a/one@1"]).await);
    scene.values[0] = "another value";
    let together = Arc::new(Barrier::new(2));
    scene.plane.state().written_together = Some(together.clone());
    let meddling = async {
        // The first write comes after the decision what to do.
        together.wait().await;
        scene.shim.meddle(ONE);
        loop {
            together.wait().await;
        }
    };
    let report = tokio::select! {
        report = scene.at('a', &["a/one@1"]) => good(report),
        () = meddling => unreachable!(),
    };
    assert_eq!(outcomes(&report), [(Deployed::Deployed, Some(3))]);
    assert_eq!(scene.pins(ONE), "a0a");
    assert_eq!(scene.plane.count("AppRollover"), 0);
}

#[tokio::test]
async fn runs_about_other_apps_do_not_end_each_other() {
    let mut scene = Scene::new().await;
    scene.options.partial = true;
    let runs = ["a/one@1", "a/two@1", "a/three@1"].map(|one| scene.jobs('a', one));
    for report in futures_util::future::join_all(runs).await {
        good(report);
    }
    // One about a single app ends an older one about all for this app only.
    let mut all = Scene::new().await;
    all.options.deploy.at_once = NonZeroUsize::MIN;
    all.shim.behave(ONE, "waits");
    let references = ["a/one@1", "a/two@1", "a/three@1"];
    let (older, ()) = tokio::join!(all.at('a', &references), async {
        all.until_waits(ONE).await;
        let mut options = all.options.clone();
        options.partial = true;
        let (mut plan, secrets) = all.plans("dev", &["a/two@1"]);
        plan.apps[0].image = plan.apps[0]
            .image
            .repository
            .at(digest('b').parse().unwrap());
        let (control, never) = (all.plane.control(), CancellationToken::new());
        good(run(&control, &plan, &secrets, &options, &never).await);
        all.shim.go(ONE);
    });
    let ended: Vec<Deployed> = older.unwrap().apps.iter().map(|app| app.deployed).collect();
    let expected = [Deployed::Deployed, Deployed::Superseded, Deployed::Deployed];
    assert_eq!(ended, expected);
    assert_eq!([all.pins(ONE), all.pins(TWO)], ["a", "b"]);
}

#[tokio::test]
async fn ten_runs_at_once_end_at_the_newest_pin() {
    let scene = Scene::new().await;
    let references = ["a/one@1", "a/two@1"];
    let pins = ['1', '2', '3', '4', '5', '6', '7', '8', '9', 'a'];
    let runs = pins.map(|pin| scene.at(pin, &references));
    let reports = futures_util::future::join_all(runs).await;
    let mut won = Vec::new();
    for (pin, report) in pins.iter().zip(reports) {
        let report = report.unwrap();
        match report.class() {
            None => won.push(*pin),
            class => assert_eq!(class, Some(ErrorClass::Deploy), "{report:#?}"),
        }
    }
    // Several may have finished one after the other; the last of them is what is live.
    let last = scene.last_pin(ONE).unwrap();
    assert!(won.contains(&last), "{last} of {won:?}");
    assert_eq!(scene.last_pin(TWO), Some(last));
}

#[tokio::test]
async fn what_a_person_brings_back_during_a_run_stays() {
    // Modal's own rollback is not for every plan.
    for native in [true, false] {
        let scene = Scene::new().await;
        let one = ["a/one@1", "a/two@1"];
        for pin in ['a', 'b'] {
            good(scene.at(pin, &one[..1]).await);
        }
        scene.shim.behave(ONE, "waits");
        let (control, dev) = (scene.plane.control(), "dev".parse().unwrap());
        let earlier = digest('a').parse().unwrap();
        let (run, ()) = tokio::join!(scene.at('c', &one), async {
            scene.until_waits(ONE).await;
            let held = rollback::hold(&control, &dev, ONE, &earlier, &scene.cancel).await;
            assert!(held.unwrap());
            let back = rollback::native(&control, &dev, ONE, 1, &scene.cancel).await;
            assert_eq!(back.unwrap(), Some(3));
            scene.plane.state().may_roll_back = native;
            scene.shim.behave(ONE, "works");
            scene.shim.go(ONE);
        });
        let report = good(run);
        let held = (Deployed::Held, Some(5));
        assert_eq!(outcomes(&report), [held, (Deployed::Deployed, Some(1))]);
        assert_eq!(report.apps[0].why[0], "a person holds it at aaaaaaaaaaaa");
        assert_eq!(scene.pins(ONE), "abaca", "{native}");
        // And after it.
        let report = good(scene.at('c', &one).await);
        assert_eq!(outcomes(&report)[0], held);
        assert_eq!(scene.pins(ONE), "abaca");
    }
}

#[tokio::test]
async fn what_a_person_brings_back_after_its_deploy_is_not_deployed_again() {
    let scene = Scene::new().await;
    let both = ["a/one@1", "a/two@1"];
    for pin in ['a', 'b'] {
        good(scene.at(pin, &both[..1]).await);
    }
    scene.shim.behave(TWO, "waits");
    let (control, dev) = (scene.plane.control(), "dev".parse().unwrap());
    let earlier = digest('a').parse().unwrap();
    let (run, ()) = tokio::join!(scene.at('c', &both), async {
        scene.until_waits(TWO).await;
        let deployed = || scene.pins(ONE) == "abc";
        scene.until("the other deploy", deployed).await;
        let held = rollback::hold(&control, &dev, ONE, &earlier, &scene.cancel).await;
        assert!(held.unwrap());
        let back = rollback::native(&control, &dev, ONE, 1, &scene.cancel).await;
        back.unwrap();
        scene.shim.go(TWO);
    });
    run.unwrap();
    assert_eq!(scene.last_pin(ONE), Some('a'));
}

#[tokio::test]
async fn a_run_that_ended_while_another_looked_images_up_does_not_stop_that_one() {
    for _ in 0..6 {
        let mut scene = Scene::new().await;
        good(scene.at('a', &["a/one@1"]).await);
        let slow = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = slow.local_addr().unwrap();
        let client = oci::Client::new(oci::ClientOptions::default()).unwrap();
        scene.options.registry = Some(client.into());
        let (mut plan, secrets) = scene.plans("dev", &["a/one@1"]);
        plan.apps[0].image = format!("{host}/x@{}", digest('b')).parse().unwrap();
        let control = scene.plane.control();
        let run = run(&control, &plan, &secrets, &scene.options, &scene.cancel);
        let (waited, ()) = tokio::join!(run, async {
            let (mut asked, _) = slow.accept().await.unwrap();
            // Nothing to do, and nothing to look up.
            good(scene.at('a', &["a/one@1"]).await);
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\
                 docker-content-digest: {}\r\n\
                 content-type: application/vnd.oci.image.manifest.v1+json\r\n\r\n",
                digest('b')
            );
            asked.read_buf(&mut Vec::new()).await.unwrap();
            asked.write_all(answer.as_bytes()).await.unwrap();
        });
        good(waited);
        assert_eq!(scene.pins(ONE), "ab");
    }
}
