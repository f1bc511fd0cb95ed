use std::time::{Duration, Instant};

use acceptance::{AcceptanceError, ErrorClass, StackReport, SuiteReport, Verdict};
use tokio_util::sync::CancellationToken;

use crate::support::{HEALTHY, Image, Repo, containers_of, left_of, project_of};

#[tokio::test]
async fn the_suite_reaches_the_services_and_nothing_is_left() {
    let image = Image::new().await;
    let suite = r#"
        env | grep -E '^(ADAPTER|MODE|COMPOSE_PROJECT_NAME|PIPELINE_|EXTRA)' | sort > ../env
        cat "$PIPELINE_IMAGES" > ../images
        host=${PIPELINE_SERVICE_MY_WEB%:*} port=${PIPELINE_SERVICE_MY_WEB#*:}
        printf 'GET / HTTP/1.0\r\n\r\n' | busybox nc "$host" "$port" | head -n 1 > ../answer
        printf '<testsuite><testcase name="a"/></testsuite>' > "$PIPELINE_REPORT_DIR/j.xml"
    "#;
    let mut repo = Repo::new(&image, HEALTHY, Some(suite));
    repo.options.env.insert("EXTRA".into(), "more".into());
    let report = repo.accept(&[], &CancellationToken::new()).await.unwrap();

    assert_eq!(report.verdict, Verdict::Passed);
    let StackReport::Ran { services, .. } = &report.stack else {
        panic!("{report:?}")
    };
    let address = services[0].address.clone().unwrap();
    let env = repo.text("env").unwrap();
    for line in [
        "ADAPTER=local".to_owned(),
        "MODE=smoke".to_owned(),
        "EXTRA=more".to_owned(),
        format!("COMPOSE_PROJECT_NAME={}", report.project),
        format!("PIPELINE_SERVICE_MY_WEB={address}"),
        format!("PIPELINE_SERVICE_MY_WEB_8080={address}"),
    ] {
        assert!(env.lines().any(|it| it == line), "{line} is not in\n{env}");
    }
    assert!(env.contains("PIPELINE_SERVICE_MY_WEB_9090=127.0.0.1:"));
    assert_eq!(repo.text("images").unwrap(), "{}");
    assert!(repo.text("answer").unwrap().starts_with("HTTP/1"));
    let SuiteReport::Ran { exit, cases, .. } = &report.suite else {
        panic!("{report:?}")
    };
    assert_eq!((*exit, cases.as_ref().unwrap().tests), (Some(0), 1));
    assert_eq!(left_of(&report.project).await, [""; 0]);

    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(
        serde_json::from_str::<acceptance::AcceptanceReport>(&json).unwrap(),
        report
    );
}

#[tokio::test]
async fn two_stacks_at_once_do_not_meet() {
    let image = Image::new().await;
    let suite = "echo $COMPOSE_PROJECT_NAME $PIPELINE_SERVICE_MY_WEB; sleep 2";
    let repos = [(), ()].map(|()| Repo::new(&image, HEALTHY, Some(suite)));
    let cancel = CancellationToken::new();
    let (one, two) = tokio::join!(repos[0].accept(&[], &cancel), repos[1].accept(&[], &cancel));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one.project, two.project);
    let address = |report: &acceptance::AcceptanceReport| match &report.stack {
        StackReport::Ran { services, .. } => services[0].address.clone().unwrap(),
        StackReport::Accepted | StackReport::NotConfigured { .. } => panic!("{report:?}"),
    };
    assert_ne!(address(&one), address(&two));
    for project in [one.project, two.project] {
        assert_eq!(left_of(&project).await, [""; 0]);
    }
}

#[tokio::test]
async fn a_service_that_never_gets_healthy_is_named_with_its_log() {
    let image = Image::new().await;
    let compose = r#"
services:
  good: {image: IMAGE, command: [sleep, "600"]}
  sick:
    image: IMAGE
    command: [sh, -c, "echo cannot find my data; exec sleep 600"]
    volumes: [data:/data]
    healthcheck: {test: [CMD-SHELL, "echo no answer yet; false"], interval: 1s, retries: 2}
volumes: {data: {}}
"#;
    let repo = Repo::new(&image, compose, Some("touch ../suite-ran"));
    let cancel = CancellationToken::new();
    let (ended, project) = tokio::join!(repo.accept(&[], &cancel), project_of(&image));
    let error = ended.unwrap_err();
    assert!(
        matches!(error, AcceptanceError::StackUp { .. }),
        "{error:?}"
    );
    assert_eq!(error.class(), ErrorClass::Failed);
    let text = error.to_string();
    assert!(
        text.contains("service `sick` is running, unhealthy"),
        "{text}"
    );
    assert!(text.contains("last check: code 1: no answer yet"), "{text}");
    assert!(text.contains("| cannot find my data"), "{text}");
    assert!(!text.contains("`good`"), "{text}");
    assert_eq!(error.diagnoses().len(), 2);
    assert_eq!(repo.text("suite-ran"), None);
    nothing_left(&image, &project).await;
}

#[tokio::test]
async fn a_service_that_exits_is_named_with_its_code() {
    let image = Image::new().await;
    let compose =
        "services: {gone: {image: IMAGE, command: [sh, -c, 'echo bad luck >&2; exit 3']}}";
    let repo = Repo::new(&image, compose, None);
    let cancel = CancellationToken::new();
    let (ended, project) = tokio::join!(repo.accept(&[], &cancel), project_of(&image));
    let error = ended.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("service `gone` is exited with code 3"),
        "{text}"
    );
    assert!(text.contains("| bad luck"), "{text}");
    nothing_left(&image, &project).await;
}

#[tokio::test]
async fn a_taken_port_is_told_with_the_cure() {
    let image = Image::new().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let compose = format!(
        "services: {{web: {{image: IMAGE, command: [sleep, '9'], ports: ['127.0.0.1:{port}:80']}}}}"
    );
    let repo = Repo::new(&image, &compose, None);
    let cancel = CancellationToken::new();
    let (ended, project) = tokio::join!(repo.accept(&[], &cancel), project_of(&image));
    let error = ended.unwrap_err();
    let hint = error.hint().unwrap();
    assert!(hint.contains("ports that the engine chooses"), "{hint}");
    nothing_left(&image, &project).await;
}

#[tokio::test]
async fn cancelling_while_services_start_leaves_nothing() {
    let image = Image::new().await;
    let compose = r#"
services:
  slow:
    image: IMAGE
    command: [sleep, "600"]
    healthcheck: {test: [CMD, "false"], interval: 1s, retries: 300}
"#;
    let repo = Repo::new(&image, compose, None);
    let cancel = CancellationToken::new();
    let stop = async {
        let project = project_of(&image).await;
        cancel.cancel();
        (project, Instant::now())
    };
    let (error, (project, since)) = tokio::join!(repo.accept(&[], &cancel), stop);
    assert!(error.unwrap_err().is_cancelled());
    assert!(since.elapsed() < Duration::from_secs(20));
    nothing_left(&image, &project).await;
}

#[tokio::test]
async fn a_stack_without_a_suite_is_still_brought_up() {
    let image = Image::new().await;
    let repo = Repo::new(&image, HEALTHY, None);
    let report = repo.accept(&[], &CancellationToken::new()).await.unwrap();
    assert!(
        matches!(report.stack, StackReport::Ran { .. }),
        "{report:?}"
    );
    let SuiteReport::NotConfigured { add } = &report.suite else {
        panic!("{report:?}")
    };
    assert!(
        add.starts_with("a target `test-acceptance` to `code/Makefile`"),
        "{add}"
    );
    // Healthy services prove nothing about images.
    assert_eq!(report.verdict, Verdict::NotConfigured);
    assert!(!report.verdict.is_passed());
    assert_eq!(left_of(&report.project).await, [""; 0]);
}

async fn nothing_left(image: &Image, project: &str) {
    assert!(project.starts_with("pipeline-accept-"), "{project}");
    assert_eq!(left_of(project).await, [""; 0]);
    assert_eq!(containers_of(image).await, "");
}
