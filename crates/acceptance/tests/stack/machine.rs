//! Machines that lack something: a `docker` of this test is all that is on `PATH`.

use std::os::unix::fs::PermissionsExt;

use acceptance::{AcceptanceError, ErrorClass, Sources, plan, preflight, run};
use process::Command;
use tokio_util::sync::CancellationToken;

use crate::support::Repo;

const STACK: &str = "services: {web: {image: none}}";
const PATH_OF_SHIM: &str = "ACCEPTANCE_TEST_SHIM";

/// Only a new process can have another `PATH`: runs the test `name` once more in one, where
/// `docker` is this shell script. True in that process.
async fn with_docker(name: &str, script: &str) -> bool {
    if std::env::var_os(PATH_OF_SHIM).is_some() {
        return true;
    }
    let folder = tempfile::tempdir().unwrap();
    let docker = folder.path().join("docker");
    std::fs::write(&docker, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&docker, PermissionsExt::from_mode(0o755)).unwrap();
    let again = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("machine::{name}")])
        .env("PATH", folder.path())
        .env(PATH_OF_SHIM, folder.path())
        .run(&CancellationToken::new())
        .await
        .unwrap();
    assert!(again.stdout_text().contains("1 passed"), "{again:?}");
    // What a run asks of such a machine is whether it will do, and nothing else.
    let asked = std::fs::read_to_string(folder.path().join("asked")).unwrap_or_default();
    let harmless = |line: &str| line.starts_with("compose version") || line.starts_with("version");
    assert!(!asked.is_empty() && asked.lines().all(harmless), "{asked}");
    false
}

/// Records what it is asked, and then does as `cases` say; the engine answers.
fn docker(cases: &str) -> String {
    format!(
        r#"echo "$*" >> "${{0%/*}}/asked"
        case "$*" in
          {cases}
          version*) echo 26.1.5 ;;
          *) echo "docker: '$1' is not a docker command." >&2; exit 1 ;;
        esac"#
    )
}

/// What `preflight` says and, the same, what `run` says, which must not start anything.
async fn refusal(compose: Option<&str>) -> AcceptanceError {
    let repo = Repo::bare(Some("echo ran > ../suite-ran"));
    if let Some(text) = compose {
        std::fs::write(repo.path("code/compose.yml"), text).unwrap();
    }
    let plan = plan(&repo.options, &Sources::read(&repo.options).unwrap()).unwrap();
    let cancel = CancellationToken::new();
    let image = format!("ghcr.io/acme/x@sha256:{}", "0".repeat(64));
    let images = [("text/x@1".parse().unwrap(), image.parse().unwrap())];
    let error = preflight(&plan, &cancel).await.unwrap_err();
    let later = run(&plan, &images, &cancel).await.unwrap_err();
    assert_eq!(later.to_string(), error.to_string());
    assert_eq!(repo.text("suite-ran"), None);
    assert_eq!(error.class(), ErrorClass::Input, "{error:?}");
    error
}

#[tokio::test]
async fn without_compose_it_is_bad_input() {
    let name = "without_compose_it_is_bad_input";
    if with_docker(name, &docker("")).await {
        let error = refusal(Some(STACK)).await;
        assert!(matches!(error, AcceptanceError::NoCompose), "{error:?}");
        assert!(
            error
                .hint()
                .unwrap()
                .starts_with("install Docker Compose 2")
        );
        // A suite without a stack does without Compose.
        let repo = Repo::bare(Some("true"));
        let plan = plan(&repo.options, &Sources::read(&repo.options).unwrap()).unwrap();
        preflight(&plan, &CancellationToken::new()).await.unwrap();
    }
}

#[tokio::test]
async fn an_old_compose_is_bad_input() {
    let name = "an_old_compose_is_bad_input";
    if with_docker(name, &docker("'compose version'*) echo 1.29.2 ;;")).await {
        let error = refusal(Some(STACK)).await;
        assert_eq!(
            error.to_string(),
            "use Docker Compose 1.29.2: version 2 or later is needed"
        );
    }
}

#[tokio::test]
async fn an_engine_that_does_not_answer_is_bad_input() {
    let name = "an_engine_that_does_not_answer_is_bad_input";
    let cases = "'compose version'*) echo 2.26.1 ;;
        version*) echo 'Cannot connect to the Docker daemon' >&2; exit 1 ;;";
    if with_docker(name, &docker(cases)).await {
        for compose in [Some(STACK), None] {
            let error = refusal(compose).await;
            assert_eq!(error.to_string(), "reach the Docker engine");
            let AcceptanceError::NoEngine { source } = &error else {
                panic!("{error:?}")
            };
            assert!(source.stderr().contains("Cannot connect"), "{source:?}");
            assert!(error.hint().unwrap().contains("DOCKER_HOST"));
        }
        // Nothing configured needs nothing.
        let repo = Repo::bare(None);
        let plan = plan(&repo.options, &Sources::read(&repo.options).unwrap()).unwrap();
        preflight(&plan, &CancellationToken::new()).await.unwrap();
    }
}

#[tokio::test]
async fn a_cancelled_question_is_an_interruption() {
    let repo = Repo::bare(Some("true"));
    let plan = plan(&repo.options, &Sources::read(&repo.options).unwrap()).unwrap();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let error = preflight(&plan, &cancel).await.unwrap_err();
    assert!(error.is_cancelled(), "{error:?}");
}
