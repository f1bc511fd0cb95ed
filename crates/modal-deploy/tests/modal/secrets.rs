//! Listing secrets, deciding which to write, and writing them.

use std::io::Write;
use std::sync::{Arc, Mutex};

use modal_deploy::fingerprint::FingerprintKey;
use modal_deploy::proto::{SecretListItem, SecretMetadata};
use modal_deploy::record::{self, RECORD_SECRET, Record};
use modal_deploy::secrets::{
    PlannedSecret, SecretOutcome, SecretPlan, SyncReport, Why, decide, stored, sync,
};
use modal_deploy::{Control, ErrorClass, ModalError};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::plane::{Plane, Step, TOKEN_SECRET};

fn plan(count: usize) -> SecretPlan {
    let secrets = (0..count).map(|number| {
        let name = format!("KEY_{number:02}");
        let value = SecretString::from(format!("value\n'{number}' of hunter22"));
        PlannedSecret {
            values: [(name.clone(), value)].into(),
            name,
        }
    });
    SecretPlan {
        environment: "dev".parse().unwrap(),
        secrets: secrets.collect(),
        left_out: Vec::new(),
        warnings: Vec::new(),
    }
}

fn with_value(mut plan: SecretPlan, name: &str, value: &str) -> SecretPlan {
    let found = plan.secrets.iter_mut().find(|secret| secret.name == name);
    let values = [(name.to_owned(), SecretString::from(value))];
    found.unwrap().values = values.into();
    plan
}

fn key(plan: &SecretPlan) -> FingerprintKey {
    FingerprintKey::new(&SecretString::from(TOKEN_SECRET), &plan.environment)
}

/// What a run would write, in its order.
async fn wanted(control: &Control, plan: &SecretPlan) -> Vec<(String, Why)> {
    let stored = control
        .secrets(&plan.environment, &CancellationToken::new())
        .await
        .unwrap();
    let record = Record::among(&stored);
    let steps = decide(plan, record.as_ref(), &stored, &key(plan), false);
    steps
        .into_iter()
        .filter_map(|step| Some((step.name, step.write?)))
        .collect()
}

/// One whole run, as the command does it.
async fn run(
    control: &Control,
    plan: &SecretPlan,
    cancel: &CancellationToken,
) -> Result<SyncReport, ModalError> {
    let stored = stored(control, &plan.environment, false, cancel).await?;
    let mut record = Record::among(&stored);
    let key = key(plan);
    let steps = decide(plan, record.as_ref(), &stored, &key, false);
    sync(control, plan, &steps, &key, record.as_mut(), cancel).await
}

async fn done(control: &Control, plan: &SecretPlan) -> SyncReport {
    let cancel = CancellationToken::new();
    let report = run(control, plan, &cancel).await.unwrap();
    assert_eq!(report.class(), None, "{report:?}");
    report
}

fn outcomes(report: &SyncReport) -> Vec<SecretOutcome> {
    report.secrets.iter().map(|one| one.outcome).collect()
}

fn stored_value(plane: &Plane, name: &str) -> Option<String> {
    let place = ("dev".to_owned(), name.to_owned());
    plane.state().secrets.get(&place)?.get(name).cloned()
}

#[tokio::test]
async fn pages_are_followed_to_the_end() {
    let plane = Plane::start().await;
    let item = |number: u32| SecretListItem {
        label: format!("S{number}"),
        secret_id: format!("st-{number}"),
        created_at: f64::from(1000 - number),
        metadata: Some(SecretMetadata {
            keys: vec!["KEY".to_owned()],
            ..Default::default()
        }),
        ..Default::default()
    };
    for (count, pages) in [(0, 1), (99, 1), (100, 2), (250, 3)] {
        plane.state().listed = (0..count).map(item).collect();
        let before = plane.count("SecretList");
        let client = plane.client();
        let secrets = client.secrets(&"dev".parse().unwrap()).await.unwrap();
        let names: Vec<_> = secrets.into_iter().map(|secret| secret.name).collect();
        let expected: Vec<_> = (0..count).map(|number| format!("S{number}")).collect();
        assert_eq!(names, expected);
        assert_eq!(plane.count("SecretList") - before, pages, "{count}");
    }
}

#[tokio::test]
async fn twenty_are_written_side_by_side_and_arrive_unchanged() {
    let plane = Plane::start().await;
    let control = plane.control();
    let hostile = [
        "a\nb\r\n\n".to_owned(),
        "'\"`$(id)\\".to_owned(),
        "%0A%25%s".to_owned(),
        "::add-mask::x\n::stop-commands::y".to_owned(),
        " ü🔑 ".to_owned(),
        "x".repeat(64 * 1024),
    ];
    let mut plan = plan(20);
    for (number, value) in hostile.iter().enumerate() {
        plan = with_value(plan, &format!("KEY_{number:02}"), value);
    }
    // Nobody is answered before twenty ask: fewer would never end.
    plane.state().written_together = Some(Arc::new(Barrier::new(20)));
    let cancel = CancellationToken::new();
    let steps = decide(&plan, None, &[], &key(&plan), false);
    let report = sync(&control, &plan, &steps, &key(&plan), None, &cancel).await;
    let written = report.unwrap().written();
    assert_eq!(plane.state().writing, (0, 20));
    assert_eq!(written.len(), 20);
    assert!(written.is_sorted());
    for secret in &plan.secrets {
        let expected = secret.values[&secret.name].expose_secret();
        let there = stored_value(&plane, &secret.name).unwrap();
        assert!(there == expected, "{}", secret.name);
    }
}

#[tokio::test]
async fn unchanged_values_are_not_written_again() {
    let plane = Plane::start().await;
    let control = plane.control();
    let plan = plan(20);
    assert_eq!(done(&control, &plan).await.written().len(), 20);
    let writes = plane.count("SecretGetOrCreate");
    let requests = plane.state().seen.len();

    let again = done(&plane.control(), &plan).await;
    assert_eq!(again.written(), [""; 0]);
    assert!(
        outcomes(&again)
            .iter()
            .all(|one| *one == SecretOutcome::Kept)
    );
    assert_eq!(plane.count("SecretGetOrCreate"), writes);
    // The environments and their secrets.
    assert_eq!(plane.state().seen.len(), requests + 2);

    let changed = with_value(plan, "KEY_07", "hunter23");
    assert_eq!(
        wanted(&control, &changed).await,
        [("KEY_07".into(), Why::Changed)]
    );
    assert_eq!(done(&control, &changed).await.written(), ["KEY_07"]);
    assert_eq!(stored_value(&plane, "KEY_07").unwrap(), "hunter23");
    assert_eq!(wanted(&control, &changed).await, []);
}

#[tokio::test]
async fn twenty_changed_values_take_four_round_trips() {
    let plane = Plane::start().await;
    done(&plane.control(), &plan(20)).await;
    let changed = (0..20).fold(plan(20), |plan, number| {
        with_value(plan, &format!("KEY_{number:02}"), "hunter23")
    });
    // Nobody is answered before all are there, so that these ask side by side or never end.
    let meet = |all: usize| {
        let all = Arc::new(Barrier::new(all));
        move || Step::Meet(all.clone())
    };
    let looking = meet(2);
    plane.script("EnvironmentList", [looking()]);
    plane.script("SecretList", [looking()]);
    plane.script(
        "SecretGetOrCreate",
        std::iter::repeat_with(meet(20)).take(20),
    );
    let before = plane.state().seen.len();
    assert_eq!(done(&plane.control(), &changed).await.written().len(), 20);
    let mut asked: Vec<&str> = plane
        .state()
        .seen
        .iter()
        .skip(before)
        .map(|seen| seen.rpc)
        .collect();
    asked[..2].sort_unstable();
    let mut expected = vec!["EnvironmentList", "SecretList", "SecretUpdate"];
    expected.extend(["SecretGetOrCreate"; 20]);
    expected.push("SecretUpdate");
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn what_others_did_to_a_secret_is_noticed_by_its_keys() {
    let plane = Plane::start().await;
    let control = plane.control();
    let plan = plan(3);
    done(&control, &plan).await;
    let place = |name: &str| ("dev".to_owned(), name.to_owned());
    {
        let mut state = plane.state();
        state.secrets.remove(&place("KEY_00"));
        let more = ("MORE".to_owned(), "x".to_owned());
        state
            .secrets
            .get_mut(&place("KEY_02"))
            .unwrap()
            .extend([more]);
    }
    let expected = [
        ("KEY_00".into(), Why::Missing),
        ("KEY_02".into(), Why::Keys),
    ];
    assert_eq!(wanted(&control, &plan).await, expected);
    done(&control, &plan).await;
    assert_eq!(wanted(&control, &plan).await, []);
    assert_eq!(plane.state().secrets[&place("KEY_02")].len(), 1);

    // Without its record, an environment is one that nobody knows.
    plane.state().secrets.remove(&place(RECORD_SECRET));
    let unknown = wanted(&control, &plan).await;
    assert!(unknown.len() == 3 && unknown.iter().all(|(_, why)| *why == Why::Unknown));
    plane.state().tells_keys = false;
    assert_eq!(wanted(&control, &plan).await.len(), 3);
    assert_eq!(done(&control, &plan).await.written().len(), 3);
}

#[tokio::test]
async fn one_that_fails_keeps_no_other_back_and_is_written_by_the_next_run() {
    let plane = Plane::start().await;
    let control = plane.control();
    // A server that repeats what it was given.
    let refused = Status::permission_denied("no such luck with '0' of hunter22");
    plane.script("SecretGetOrCreate", [Step::Fail(refused)]);
    let plan = plan(1);
    let cancel = CancellationToken::new();
    let report = run(&control, &plan, &cancel).await.unwrap();
    let url = plane.options().server_url;
    let shown = serde_json::to_string_pretty(&report).unwrap();
    insta::assert_snapshot!(shown.replace(&url, "URL"), @r#"
    {
      "schema": 1,
      "environment": "dev",
      "secrets": [
        {
          "name": "KEY_00",
          "outcome": "failed",
          "why": "new",
          "error": "write secret `KEY_00` of environment `dev`: PERMISSION_DENIED: no such luck with *** (SecretGetOrCreate at URL)",
          "hint": "check MODAL_TOKEN_ID and MODAL_TOKEN_SECRET, and that the token may use this environment"
        }
      ],
      "warnings": [],
      "orphans": [],
      "interrupted": false
    }
    "#);
    assert_eq!(report.class(), Some(ErrorClass::Deploy));
    assert!(
        report.secrets[0]
            .hint
            .as_ref()
            .unwrap()
            .contains("MODAL_TOKEN_ID")
    );

    let many = self::plan(20);
    let refused = Status::invalid_argument("not this one");
    plane.script("SecretGetOrCreate", [Step::Fail(refused)]);
    let report = run(&control, &many, &cancel).await.unwrap();
    let failed = report.named(SecretOutcome::Failed);
    assert_eq!((failed.len(), report.written().len()), (1, 19));
    assert_eq!(
        wanted(&control, &many).await,
        [(failed[0].clone(), Why::New)]
    );
    assert_eq!(done(&control, &many).await.written(), failed);
}

#[tokio::test]
async fn what_was_written_before_a_cancellation_is_told_and_noted() {
    let plane = Plane::start().await;
    let control = plane.control();
    let plan = plan(12);
    // One is not answered, and keeps no other back.
    plane.script("SecretGetOrCreate", [Step::Hang]);
    let cancel = CancellationToken::new();
    let steps = decide(&plan, Some(&Record::default()), &[], &key(&plan), false);
    let mut record = Record::default();
    let key = key(&plan);
    let (report, ()) = tokio::join!(
        sync(&control, &plan, &steps, &key, Some(&mut record), &cancel),
        async {
            plane
                .until("all but one", |state| state.secrets.len() == 11)
                .await;
            // What is answered later on the same connection: the others have their answers then.
            for _ in 0..2 {
                let asked = control.environments(&CancellationToken::new()).await;
                asked.unwrap();
            }
            cancel.cancel();
        }
    );
    let report = report.unwrap();
    assert_eq!(report.class(), Some(ErrorClass::Cancelled));
    let written = report.written();
    assert_eq!(written.len(), 11);
    assert!(outcomes(&report).contains(&SecretOutcome::Interrupted));
    let cancel = CancellationToken::new();
    let read = record::read(&control, &plan.environment, &cancel).await;
    let read = read.unwrap().unwrap();
    assert_eq!(read, record);
    for secret in &plan.secrets {
        let noted = read.secret(&secret.name).is_some();
        assert_eq!(noted, written.contains(&secret.name), "{}", secret.name);
    }
    assert_eq!(done(&control, &plan).await.written().len(), 1);
}

#[tokio::test]
async fn no_old_value_passes_for_the_current_one_after_a_crash() {
    let plane = Plane::start().await;
    let control = plane.control();
    let (old, new) = (plan(1), with_value(plan(1), "KEY_00", "hunter23"));
    done(&control, &old).await;
    // The value arrives, and the run ends before it can note that.
    let writes = plane.count("SecretUpdate");
    plane.script("SecretUpdate", [Step::Pass, Step::Hang]);
    let cancel = CancellationToken::new();
    tokio::select! {
        _ = run(&control, &new, &cancel) => panic!("it was to hang"),
        () = plane.until("the second update", |state| {
            state.seen.iter().filter(|seen| seen.rpc == "SecretUpdate").count() == writes + 2
        }) => {}
    }
    assert_eq!(stored_value(&plane, "KEY_00").unwrap(), "hunter23");
    for plan in [&old, &new] {
        assert_eq!(
            wanted(&control, plan).await,
            [("KEY_00".into(), Why::Unknown)]
        );
    }
    done(&control, &old).await;
    assert_eq!(wanted(&control, &old).await, []);
}

#[tokio::test]
async fn of_two_runs_the_one_that_ended_early_is_not_forgotten() {
    let plane = Plane::start().await;
    let control = plane.control();
    done(&control, &plan(1)).await;
    let (ours, theirs) = ("hunter23", "hunter24");
    let [ours, theirs] = [ours, theirs].map(|value| with_value(plan(1), "KEY_00", value));
    // They read, we run from beginning to end, and they end in the middle of theirs.
    let cancel = CancellationToken::new();
    let stored = control.secrets(&theirs.environment, &cancel).await.unwrap();
    let mut record = Record::among(&stored);
    done(&control, &ours).await;
    let updates = plane.count("SecretUpdate");
    plane.script("SecretUpdate", [Step::Pass, Step::Hang]);
    let key = key(&theirs);
    let steps = decide(&theirs, record.as_ref(), &stored, &key, false);
    tokio::select! {
        _ = sync(&control, &theirs, &steps, &key, record.as_mut(), &cancel) => {
            panic!("it was to hang")
        }
        () = plane.until("the second update", |state| {
            state.seen.iter().filter(|seen| seen.rpc == "SecretUpdate").count() == updates + 2
        }) => {}
    }
    assert_eq!(stored_value(&plane, "KEY_00").unwrap(), "hunter24");
    for plan in [&ours, &theirs] {
        assert_eq!(
            wanted(&control, plan).await,
            [("KEY_00".into(), Why::Unknown)]
        );
    }
    done(&control, &ours).await;
    assert_eq!(wanted(&control, &ours).await, []);
}

#[tokio::test]
async fn a_record_that_cannot_be_kept_is_told_and_costs_only_time() {
    let plane = Plane::start().await;
    let control = plane.control();
    let refused = || Step::Fail(Status::permission_denied("restricted secret"));
    plane.script("SecretUpdate", [refused()]);
    let report = done(&control, &plan(2)).await;
    assert_eq!(report.written().len(), 2);
    assert!(
        report.warnings[0].contains("the next run writes them again"),
        "{report:?}"
    );
    done(&control, &plan(2)).await;

    // Not to be able to forget an old value is another matter.
    plane.script("SecretUpdate", [refused()]);
    let changed = with_value(plan(2), "KEY_00", "hunter23");
    let before = stored_value(&plane, "KEY_00");
    let error = run(&control, &changed, &CancellationToken::new()).await;
    assert_eq!(error.unwrap_err().class(), ErrorClass::Deploy);
    assert_eq!(stored_value(&plane, "KEY_00"), before);
}

/// Everything that is logged, down to the frames of the connection.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_value_is_in_any_log_report_or_error() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // While there is but one subscriber, what a test on another thread logs first is switched off
    // for all.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let logging = tracing::subscriber::set_default(subscriber);
    let plane = Plane::start().await;
    let control = plane.control();
    let plan = plan(3);
    let refused = Status::permission_denied("with '0' of hunter22");
    plane.script("SecretGetOrCreate", [Step::Fail(refused)]);
    let cancel = CancellationToken::new();
    let report = run(&control, &plan, &cancel).await.unwrap();
    let record = record::read(&control, &plan.environment, &cancel).await;
    let error = {
        let refused = Status::permission_denied("restricted");
        plane.script("SecretUpdate", [Step::Fail(refused)]);
        let changed = with_value(plan.clone(), "KEY_01", "hunter23");
        run(&control, &changed, &cancel).await.unwrap_err()
    };
    drop(logging);
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    // It is the log of this, and in depth.
    assert!(
        logged.contains("KEY_01") && logged.contains("h2"),
        "{logged}"
    );
    let shown = format!(
        "{logged} {report:?} {} {record:?} {plan:?} {:?} {error} {error:?} {control:?}",
        serde_json::to_string(&report).unwrap(),
        key(&plan),
    );
    for secret in ["hunter2", "'0' of", TOKEN_SECRET] {
        let lines: Vec<&str> = shown.lines().filter(|line| line.contains(secret)).collect();
        assert_eq!(lines, [""; 0]);
    }
}
