//! Machines that this one is not: an engine's API and a `docker` made up by the test.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use image_factory::build::Feature;
use image_factory::build::{BuildOptions, BuildReport, build};
use image_factory::plan::{PlanOptions, Provenance, Sbom};
use image_factory::{ErrorClass, FactoryError};
use process::Command;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use crate::common::{Nowhere, Project};

const FOLDER: &str = "IMAGE_FACTORY_TEST_MACHINE";

/// A buildx that builds nothing, and is new enough unless the file `version` says otherwise. It has
/// built what is in the file `metadata`.
const DOCKER: &str = r#"#!/bin/sh
here=${0%/*}
echo "$*" >> "$here/asked"
case "$*" in
  'buildx version')
    echo "github.com/docker/buildx v$(cat "$here/version" 2>/dev/null || echo 0.13.1) x" ;;
  'buildx inspect'*)
    printf 'Name:   default\nDriver: '; cat "$here/driver" 2>/dev/null || echo docker ;;
  'buildx bake '*)
    until [ "$1" = --file ]; do shift; done
    stat -c '%a' "${2%/*}" "$2" > "$here/modes"; cp "$2" "$here/bake.json"
    echo "${SOURCE_DATE_EPOCH-none}" > "$here/epoch"; echo "${BUILDX_GIT_INFO-none}" > "$here/git"
    cp "$here/metadata" "$4" 2>/dev/null || exit 1 ;;
  *) exit 1 ;;
esac
"#;

/// Only a new process can have another environment: runs the test `name` once more in one, where
/// [`DOCKER`] comes first on `PATH`. In that process, its folder.
async fn machine(name: &str) -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return Some(folder.into());
    }
    let folder = tempfile::tempdir().unwrap();
    let docker = folder.path().join("docker");
    std::fs::write(&docker, DOCKER).unwrap();
    std::fs::set_permissions(&docker, PermissionsExt::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let again = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("machine::{name}")])
        .env("PATH", format!("{}:{path}", folder.path().display()))
        .env("DOCKER_HOST", format!("unix://{}", socket(folder.path())))
        .env(FOLDER, folder.path())
        .env("SOURCE_DATE_EPOCH", "7")
        .run(&CancellationToken::new())
        .await
        .unwrap();
    assert!(again.stdout_text().contains("1 passed"), "{again:?}");
    None
}

fn socket(folder: &Path) -> String {
    folder.join("docker.sock").display().to_string()
}

/// Answers as an engine whose API is `1.<minor>` does, until the test ends.
fn serve_engine(folder: &Path, minor: u32) {
    let version = if minor < 42 { "18.06.3-ce" } else { "26.1.5" };
    let listener = UnixListener::bind(socket(folder)).unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let request = String::from_utf8(request).unwrap();
            let path = request.split(' ').nth(1).unwrap();
            let asked: Option<u32> = path
                .strip_prefix("/v1.")
                .and_then(|rest| rest.split('/').next()?.parse().ok());
            let (status, body) = if asked.is_some_and(|asked| asked > minor) {
                let problem = "client version is too new. Maximum supported API version is";
                (
                    "400 Bad Request",
                    format!(r#"{{"message":"{problem} 1.{minor}"}}"#),
                )
            } else {
                let body = match path.rsplit('/').next() {
                    Some("version") => {
                        format!(r#"{{"Version":"{version}","ApiVersion":"1.{minor}"}}"#)
                    }
                    Some("info") => {
                        r#"{"DriverStatus":[["Backing Filesystem","extfs"]]}"#.to_owned()
                    }
                    _ => panic!("{path}"),
                };
                ("200 OK", body)
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
}

/// Builds one image with a build argument.
async fn build_one() -> Result<BuildReport, FactoryError> {
    build_as(|_, _| {}).await
}

/// The same, with other settings or options.
async fn build_as(
    set: impl FnOnce(&mut PlanOptions, &mut BuildOptions),
) -> Result<BuildReport, FactoryError> {
    let mut project = Project::new("127.0.0.1:1");
    project.processor("one", "FROM scratch\n", "  args: {LICENCE: abc}\n");
    let mut options = BuildOptions::new(project.root());
    set(&mut project.options, &mut options);
    let plan = project.plan(&Nowhere).await;
    build(&plan, &Nowhere, &options, &CancellationToken::new()).await
}

#[tokio::test]
async fn an_engine_without_buildkit_is_refused() {
    let Some(folder) = machine("an_engine_without_buildkit_is_refused").await else {
        return;
    };
    serve_engine(&folder, 38);
    let error = build_one().await.unwrap_err();
    let FactoryError::EngineWithoutBuildKit { found } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(found, "18.06.3-ce");
    assert_eq!(error.class(), ErrorClass::Input);
    assert_eq!(error.hint().unwrap(), "install Docker 23 or newer");
    let asked = std::fs::read_to_string(folder.join("asked")).unwrap_or_default();
    assert!(!asked.contains("bake"), "{asked}");
}

#[tokio::test]
async fn files_of_a_build_are_for_its_user_only() {
    let Some(folder) = machine("files_of_a_build_are_for_its_user_only").await else {
        return;
    };
    serve_engine(&folder, 39);
    let error = build_one().await.unwrap_err();
    assert!(matches!(error, FactoryError::BuildFailed(_)), "{error:?}");
    let bake = std::fs::read_to_string(folder.join("bake.json")).unwrap();
    assert!(bake.contains(r#""LICENCE": "abc""#), "{bake}");
    let modes = std::fs::read_to_string(folder.join("modes")).unwrap();
    assert_eq!(modes, "700\n600\n");
}

/// buildx would hand it to every build, without any key knowing of it.
#[tokio::test]
async fn a_time_in_the_environment_does_not_reach_the_builder() {
    let name = "a_time_in_the_environment_does_not_reach_the_builder";
    let Some(folder) = machine(name).await else {
        return;
    };
    serve_engine(&folder, 39);
    assert_eq!(std::env::var("SOURCE_DATE_EPOCH").unwrap(), "7");
    build_one().await.unwrap_err();
    let epoch = std::fs::read_to_string(folder.join("epoch")).unwrap();
    assert_eq!(epoch, "none\n");
}

#[tokio::test]
async fn an_image_that_the_builder_does_not_tell_of_fails_alone() {
    let name = "an_image_that_the_builder_does_not_tell_of_fails_alone";
    let Some(folder) = machine(name).await else {
        return;
    };
    serve_engine(&folder, 39);
    let digest = format!("sha256:{}", "1".repeat(64));
    let metadata = serde_json::json!({
        "x-one-v1": { "containerimage.digest": digest },
        "x-two-v1": { "containerimage.digest": "sha256:7" },
    });
    std::fs::write(folder.join("metadata"), metadata.to_string()).unwrap();
    let project = Project::new("127.0.0.1:1");
    for name in ["one", "two"] {
        let dockerfile = format!("FROM scratch\nLABEL x={name}\n");
        project.processor(name, &dockerfile, "");
    }
    let plan = project.plan(&Nowhere).await;
    // In one run, and in one for each.
    for jobs in [None, std::num::NonZero::new(1)] {
        let mut options = BuildOptions::new(project.root());
        options.jobs = jobs;
        let ended = build(&plan, &Nowhere, &options, &CancellationToken::new()).await;
        let Err(FactoryError::BuildFailed(failure)) = ended else {
            panic!("{ended:?}")
        };
        let failed: Vec<String> = failure.failed.iter().map(ToString::to_string).collect();
        assert_eq!(failed.len(), 2, "{failed:?}");
        assert!(failed[0].contains("x/two@1"), "{failed:?}");
        assert!(failed[0].contains("is no digest"), "{failed:?}");
        // It came as far as the registry, which has nothing.
        assert!(failed[1].contains("x/one@1"), "{failed:?}");
        assert!(failed[1].contains("does not have it"), "{failed:?}");
    }
}

#[tokio::test]
async fn what_the_engine_cannot_do_is_refused_before_anything_is_built() {
    let name = "what_the_engine_cannot_do_is_refused_before_anything_is_built";
    let Some(folder) = machine(name).await else {
        return;
    };
    serve_engine(&folder, 45);
    let refused = async |set: fn(&mut PlanOptions, &mut BuildOptions)| {
        let error = build_as(set).await.unwrap_err();
        let FactoryError::EngineLacks { feature, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(error.class(), ErrorClass::Input);
        assert!(error.hint().unwrap().contains("containerd-snapshotter"));
        *feature
    };
    let found = [
        refused(|plan, _| plan.platforms.push("linux/arm64".parse().unwrap())).await,
        refused(|plan, _| plan.settings.provenance = Some(Provenance::Min)).await,
        refused(|plan, _| plan.settings.sbom = Sbom::Standard).await,
        refused(|plan, _| {
            let annotations = &mut plan.settings.annotations;
            annotations.insert("team".to_owned(), "ml".to_owned());
        })
        .await,
        refused(|plan, _| plan.settings.source_date_epoch = Some(0)).await,
        refused(|_, build| build.cache_to = vec!["a.example/cache".parse().unwrap()]).await,
    ];
    assert_eq!(
        found,
        [
            Feature::SeveralPlatforms,
            Feature::Attestations,
            Feature::Attestations,
            Feature::Annotations,
            Feature::ReproducibleTimes,
            Feature::CacheExport,
        ]
    );
    let asked = std::fs::read_to_string(folder.join("asked")).unwrap();
    assert!(!asked.contains("bake"), "{asked}");
}

#[tokio::test]
async fn a_builder_that_makes_no_difference_is_not_asked_for() {
    let name = "a_builder_that_makes_no_difference_is_not_asked_for";
    let Some(folder) = machine(name).await else {
        return;
    };
    serve_engine(&folder, 45);
    let asked = || std::fs::read_to_string(folder.join("asked")).unwrap();
    let error = build_one().await.unwrap_err();
    assert!(matches!(error, FactoryError::BuildFailed(_)), "{error}");
    assert!(asked().contains("buildx bake"), "{}", asked());
    assert!(!asked().contains("inspect"), "{}", asked());

    // What is missing is still told by its own error.
    std::fs::write(folder.join("version"), "0.12.9").unwrap();
    let error = build_one().await.unwrap_err();
    let FactoryError::BuildxTooOld { found } = &error else {
        panic!("{error}")
    };
    assert_eq!(found, "0.12.9");
    assert!(!asked().contains("inspect"), "{}", asked());

    // One that is named must be there.
    let error = build_as(|_, build| build.builder = Some("far".to_owned())).await;
    assert!(matches!(error, Err(FactoryError::BuildxTooOld { .. })));
    assert!(asked().contains("inspect far"), "{}", asked());
}

/// Nothing of it is in the image; each question takes its time.
#[tokio::test]
async fn git_is_asked_for_the_provenance_only() {
    let Some(folder) = machine("git_is_asked_for_the_provenance_only").await else {
        return;
    };
    std::fs::write(folder.join("driver"), "remote").unwrap();
    let info = || std::fs::read_to_string(folder.join("git")).unwrap();
    build_one().await.unwrap_err();
    assert_eq!(info(), "false\n");
    let error = build_as(|plan, _| plan.settings.provenance = Some(Provenance::Min)).await;
    error.unwrap_err();
    assert_eq!(info(), "none\n");
}

#[tokio::test]
async fn a_builder_of_another_kind_needs_no_engine() {
    let Some(folder) = machine("a_builder_of_another_kind_needs_no_engine").await else {
        return;
    };
    // No engine answers at all.
    let error = build_one().await.unwrap_err();
    assert!(matches!(error, FactoryError::NoEngine { .. }), "{error}");
    std::fs::write(folder.join("driver"), "remote").unwrap();
    let error = build_as(|plan, build| {
        plan.settings.source_date_epoch = Some(0);
        build.builder = Some("far".to_owned());
        build.secrets = vec!["id=path,env=PATH".parse().unwrap()];
    })
    .await
    .unwrap_err();
    assert!(matches!(error, FactoryError::BuildFailed(_)), "{error}");
    let asked = std::fs::read_to_string(folder.join("asked")).unwrap();
    assert!(asked.contains("buildx inspect far"), "{asked}");
    assert!(asked.contains("--builder=far"), "{asked}");
    let bake = std::fs::read_to_string(folder.join("bake.json")).unwrap();
    assert!(bake.contains("id=path,env=PATH"), "{bake}");
    let path = std::env::var("PATH").unwrap();
    assert!(!bake.contains(&path) && !asked.contains(&path));
}

#[tokio::test]
async fn a_secret_without_a_value_is_told_before_anything_is_asked() {
    let name = "a_secret_without_a_value_is_told_before_anything_is_asked";
    let Some(folder) = machine(name).await else {
        return;
    };
    let secret = || vec!["id=pip,env=PIPELINE_NOBODY_SETS_THIS".parse().unwrap()];
    let error = build_as(|_, build| build.secrets = secret()).await;
    let error = error.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Input);
    assert!(error.to_string().contains("PIPELINE_NOBODY_SETS_THIS"));
    assert!(!folder.join("asked").exists());
}
