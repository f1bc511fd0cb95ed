use std::time::{Duration, Instant};

use acceptance::{AcceptanceError, ErrorClass, StackReport, SuiteReport, Verdict};
use process::Command;
use tokio_util::sync::CancellationToken;

use crate::support::{HEALTHY, Image, Repo, alive, left_of};

#[tokio::test]
async fn a_suite_that_fails_is_told_with_its_cases_and_the_services() {
    let image = Image::new().await;
    let suite = r#"
        printf '<testsuite><testcase classname="Budget" name="wall"><failure message="21 s, 20 allowed"/></testcase><testcase name="b"/></testsuite>' > "$PIPELINE_REPORT_DIR/j.xml"
        echo some talk; exit 2
    "#;
    let repo = Repo::new(&image, HEALTHY, Some(suite));
    let error = repo
        .accept(&[], &CancellationToken::new())
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Failed);
    let text = error.to_string();
    assert!(
        text.contains("exit code 2, 1 of 2 cases failed\n"),
        "{text}"
    );
    assert!(text.contains("Budget.wall: 21 s, 20 allowed"), "{text}");
    let report = error.report().unwrap();
    assert_eq!(report.verdict, Verdict::Failed);
    assert_eq!(error.diagnoses()[0].service, "my-web");
    assert!(!error.diagnoses()[0].is_troubled());
    assert_eq!(left_of(&report.project).await, [""; 0]);
}

#[tokio::test]
async fn without_junit_files_the_last_lines_are_told() {
    let repo = Repo::bare(Some("echo one; echo two >&2; exit 1"));
    let error = repo
        .accept(&[], &CancellationToken::new())
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("one") && text.contains("two"), "{text}");
    let stack = &error.report().unwrap().stack;
    assert!(
        matches!(stack, StackReport::NotConfigured { .. }),
        "{stack:?}"
    );
}

#[tokio::test]
async fn a_suite_that_hangs_is_ended_with_its_family() {
    let image = Image::new().await;
    let suite = "trap '' TERM; sleep 600 & echo $! > ../pid; wait; sleep 600";
    let mut repo = Repo::new(&image, HEALTHY, Some(suite));
    repo.options.timeout = Duration::from_secs(2);
    let error = repo
        .accept(&[], &CancellationToken::new())
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("still running after 2s, ended"), "{text}");
    let report = error.report().unwrap();
    assert!(
        matches!(report.suite, SuiteReport::Ran { exit: None, .. }),
        "{report:?}"
    );
    assert!(!alive(&repo.wait_for("pid").await));
    assert_eq!(left_of(&report.project).await, [""; 0]);
}

#[tokio::test]
async fn what_left_the_process_group_of_a_suite_ends_with_it() {
    // It holds the pipes of the suite open.
    let left = "setsid sleep 600 & echo $! > ../pid";
    let mut repo = Repo::bare(Some(&format!("{left}; sleep 600")));
    repo.options.timeout = Duration::from_secs(1);
    let cancel = CancellationToken::new();
    let error = repo.accept(&[], &cancel).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("still running after 1s, ended"), "{text}");
    assert!(!alive(&repo.wait_for("pid").await));
    // A suite that has passed has, whatever it left.
    let repo = Repo::bare(Some(left));
    let since = Instant::now();
    let report = repo.accept(&[], &cancel).await.unwrap();
    assert_eq!(report.verdict, Verdict::Passed);
    assert!(since.elapsed() < Duration::from_secs(60));
    assert!(!alive(&repo.wait_for("pid").await));
}

#[tokio::test]
async fn what_forgot_where_it_comes_from_ends_with_its_suite() {
    let suite = "setsid env -i sleep 600 > ../log 2>&1 & echo $! > ../pid; sleep 1";
    let repo = Repo::bare(Some(suite));
    repo.accept(&[], &CancellationToken::new()).await.unwrap();
    assert!(!alive(&repo.wait_for("pid").await));
}

/// The suite leaves a grandchild, and a container of its own that is part of the stack.
const BUSY: &str = r#"
    docker run -d --label "com.docker.compose.project=$COMPOSE_PROJECT_NAME" "$IMAGE_NAME" sleep 600
    sh -c 'sleep 600 & echo $! > ../pid; wait' &
    echo "$COMPOSE_PROJECT_NAME" > ../project
    wait
"#;

fn busy(image: &Image) -> Repo {
    let mut repo = Repo::new(image, HEALTHY, Some(BUSY));
    repo.options
        .env
        .insert("IMAGE_NAME".into(), image.0.clone());
    repo
}

#[tokio::test]
async fn cancelling_mid_suite_takes_everything_down() {
    let image = Image::new().await;
    let repo = busy(&image);
    let cancel = CancellationToken::new();
    let stop = async {
        let started = (repo.wait_for("pid").await, repo.wait_for("project").await);
        cancel.cancel();
        (started, Instant::now())
    };
    let (error, ((pid, project), since)) = tokio::join!(repo.accept(&[], &cancel), stop);
    let error = error.unwrap_err();
    assert!(matches!(error, AcceptanceError::Cancelled), "{error:?}");
    assert_eq!(error.class(), ErrorClass::Cancelled);
    assert!(since.elapsed() < Duration::from_secs(20));
    assert!(!alive(&pid));
    assert_eq!(left_of(&project).await, [""; 0]);
}

#[tokio::test]
async fn dropping_the_future_mid_suite_takes_everything_down() {
    let image = Image::new().await;
    let repo = busy(&image);
    let cancel = CancellationToken::new();
    let (pid, project) = tokio::select! {
        ended = repo.accept(&[], &cancel) => panic!("{ended:?}"),
        started = async { (repo.wait_for("pid").await, repo.wait_for("project").await) } => started,
    };
    assert!(!alive(&pid));
    assert_eq!(left_of(&project).await, [""; 0]);
}

#[tokio::test]
async fn a_panic_in_the_task_takes_everything_down() {
    let image = Image::new().await;
    let repo = std::sync::Arc::new(busy(&image));
    let inner = repo.clone();
    let task = tokio::spawn(async move {
        let cancel = CancellationToken::new();
        tokio::select! {
            ended = inner.accept(&[], &cancel) => panic!("ended: {ended:?}"),
            () = async { inner.wait_for("pid").await; inner.wait_for("project").await; } => panic!("on purpose"),
        }
    });
    assert!(task.await.unwrap_err().is_panic());
    assert!(!alive(&repo.wait_for("pid").await));
    assert_eq!(left_of(&repo.wait_for("project").await).await, [""; 0]);
}

/// What of the environment of this test's second process a program must not see.
const OURS: [&str; 6] = [
    "ACCEPTANCE_TEST_TOKEN",
    "DOCKER_AUTH_CONFIG",
    "AWS_SECRET_ACCESS_KEY",
    "MY_PAT",
    "GITHUB_ENV",
    "SSH_AUTH_SOCK",
];
const VALUE: &str = "inherited-4711";

/// Runs the test `name` once more in a process that has credentials: only a new one can have another
/// environment. True in that process.
async fn with_credentials(name: &str) -> bool {
    if std::env::var_os(OURS[0]).is_some() {
        return true;
    }
    let mut again = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("suite::{name}")])
        .env("ACCEPTANCE_TEST_PLAIN", "inherited");
    for name in OURS {
        again = again.env(name, VALUE);
    }
    let again = again.run(&CancellationToken::new()).await.unwrap();
    assert!(again.stdout_text().contains("1 passed"), "{again:?}");
    false
}

#[tokio::test]
async fn credentials_of_this_process_stay_with_it() {
    if !with_credentials("credentials_of_this_process_stay_with_it").await {
        return;
    }
    let mut repo = Repo::bare(Some("env > ../env"));
    repo.options.env.insert("MY_TOKEN".into(), "given".into());
    repo.options.env.insert("MY_PAT".into(), "given".into());
    repo.accept(&[], &CancellationToken::new()).await.unwrap();
    let env = repo.text("env").unwrap();
    assert!(!env.contains(VALUE), "{env}");
    assert!(env.contains("ACCEPTANCE_TEST_PLAIN=inherited"), "{env}");
    assert!(env.contains("MY_TOKEN=given"), "{env}");
    assert!(env.contains("MY_PAT=given"), "{env}");
}

/// A service gets what the compose file takes from the environment, and says what it got.
const NOSY: &str = r#"
services:
  nosy:
    image: IMAGE
    command: [sh, -c, "echo got $GOT and $GIVEN; echo built with inherited-4711; exec sleep 600"]
    environment:
      GOT: "${ACCEPTANCE_TEST_TOKEN}${DOCKER_AUTH_CONFIG}${AWS_SECRET_ACCESS_KEY}${GITHUB_ENV}."
      GIVEN: "${MY_TOKEN}"
    healthcheck: {test: [CMD-SHELL, "echo 'inherited-4711
::error::x'"], interval: 1s, retries: 30}
"#;

#[tokio::test]
async fn services_get_no_credentials_and_what_is_said_of_them_is_hidden() {
    if !with_credentials("services_get_no_credentials_and_what_is_said_of_them_is_hidden").await {
        return;
    }
    let image = Image::new().await;
    let suite = r#"
        # The report has this script, too.
        it=inherited; it=$it-4711
        echo "<testsuite><testcase name='$it'><failure message='m $it'/></testcase></testsuite>" > "$PIPELINE_REPORT_DIR/j.xml"
        echo some $it; exit 2
    "#;
    let nosy = NOSY.replace("$GOT", "$$GOT").replace("$GIVEN", "$$GIVEN");
    let mut repo = Repo::new(&image, &nosy, Some(suite));
    repo.options.env.insert("MY_TOKEN".into(), "given".into());
    let cancel = CancellationToken::new();
    let error = repo.accept(&[], &cancel).await.unwrap_err();
    let diagnosis = &error.diagnoses()[0];
    assert_eq!(diagnosis.log, ["got . and given", "built with ***"]);
    let check = diagnosis.checks.last().unwrap();
    assert_eq!(check, "code 0: *** ::error::x");
    let AcceptanceError::Suite { output, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(output, &["some ***"]);
    let report = serde_json::to_string(error.report().unwrap()).unwrap();
    for text in [error.to_string(), report] {
        assert!(!text.contains(VALUE) && text.contains("m ***"), "{text}");
    }
}

#[tokio::test]
async fn a_suite_that_cannot_start_says_so() {
    let mut repo = Repo::bare(None);
    repo.options.command = Some(vec!["no-such-program".into()]);
    let error = repo
        .accept(&[], &CancellationToken::new())
        .await
        .unwrap_err();
    assert!(
        matches!(error, AcceptanceError::SuiteStart { .. }),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("install the program"));
}

#[tokio::test]
async fn files_of_a_run_are_for_its_user_only() {
    let script = r#"stat -c %a "${PIPELINE_IMAGES%/*}" "$PIPELINE_IMAGES" > ../modes"#;
    let repo = Repo::bare(Some(script));
    repo.accept(&[], &CancellationToken::new()).await.unwrap();
    assert_eq!(repo.text("modes").unwrap(), "700\n600\n");
}

#[tokio::test]
async fn nothing_configured_is_no_failure() {
    let repo = Repo::bare(None);
    let report = repo.accept(&[], &CancellationToken::new()).await.unwrap();
    assert_eq!(report.verdict, Verdict::NotConfigured);
}
