use std::time::{Duration, Instant};

use acceptance::{
    AcceptanceError, ErrorClass, Sources, StackReport, SuiteReport, Verdict, plan, preflight,
};
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
        StackReport::Accepted | StackReport::Failed { .. } | StackReport::NotConfigured { .. } => {
            panic!("{report:?}")
        }
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

/// A port of this machine, and everything else that a second stack would not get.
#[tokio::test]
async fn what_another_stack_would_meet_is_refused_before_anything_starts() {
    let image = Image::new().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let compose = format!(
        r#"
services:
  web:
    image: IMAGE
    command: [sleep, "9"]
    ports: ["127.0.0.1:{port}:80"]
    depends_on: [db]
    volumes: [data:/data]
  db: {{image: IMAGE, command: [sleep, "9"], container_name: "my-${{DB:-db}}"}}
  other: {{image: IMAGE, network_mode: host}}
volumes: {{data: {{name: shared}}}}
"#
    );
    let mut repo = Repo::new(&image, &compose, Some("touch ../suite-ran"));
    repo.options.services = Some(vec!["web".into()]);
    repo.options.env.insert("DB".into(), "one".into());
    let cancel = CancellationToken::new();
    let error = repo.accept(&[], &cancel).await.unwrap_err();
    let made = plan(&repo.options, &Sources::read(&repo.options).unwrap()).unwrap();
    let earlier = preflight(&made, &cancel).await.unwrap_err();
    assert_eq!(earlier.to_string(), error.to_string());
    let text = error.to_string();
    let file = repo.path("code/compose.yml");
    let text = text.replace(&file.display().to_string(), "FILE");
    let text = text.replace(&port.to_string(), "PORT");
    // What is not started is nobody's concern.
    insta::assert_snapshot!(text, @"
    keep the stack of `FILE` apart from others:
      service `db` has the fixed `container_name: my-one`: leave that out
      service `web` publishes `127.0.0.1:PORT:80`, a fixed port: write `127.0.0.1::80`
      volume `data` has the fixed `name: shared`: leave that out
    ");
    assert_eq!(error.class(), ErrorClass::Input);
    let hint = error.hint().unwrap();
    assert!(hint.contains("acceptance.compose-override"), "{hint}");
    assert_eq!(repo.text("suite-ran"), None);
    assert_eq!(containers_of(&image).await, "");

    // The cure of the hint, with the file as it is.
    let cured = "services:\n  web:\n    ports: !override ['127.0.0.1::80']\n    volumes: !reset []\n  \
                 db: {container_name: !reset null}\nvolumes: {data: !reset null}\n";
    std::fs::write(repo.path("ci.yml"), cured).unwrap();
    repo.options.compose_overrides = vec!["ci.yml".into()];
    repo.accept(&[], &cancel).await.unwrap();
    assert_eq!(repo.text("suite-ran").as_deref(), Some(""));
    assert_eq!(containers_of(&image).await, "");
}

#[tokio::test]
async fn a_compose_file_that_compose_cannot_read_is_bad_input() {
    let compose = "services: {web: {image: none, environment: [\"X=${SOME_PASSWORD:?set it}\"]}}\n";
    let mut repo = Repo::bare(Some("touch ../suite-ran"));
    std::fs::write(repo.path("code/compose.yml"), compose).unwrap();
    let cancel = CancellationToken::new();
    let error = repo.accept(&[], &cancel).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Input, "{error:?}");
    let text = error.to_string();
    for said in ["SOME_PASSWORD", "set it", "unless `acceptance.env` sets"] {
        assert!(text.contains(said), "{text}");
    }
    assert_eq!(repo.text("suite-ran"), None);
    // With it, nothing is wrong but the image.
    repo.options.env.insert("SOME_PASSWORD".into(), "x".into());
    let made = plan(&repo.options, &Sources::read(&repo.options).unwrap()).unwrap();
    preflight(&made, &cancel).await.unwrap();
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
