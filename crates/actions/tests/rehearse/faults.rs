//! Everything that can end a rehearsal early: one message, the right code, nothing left behind.

use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::foreign;
use crate::run::{Ended, Rehearsal, copy_of_example, replace};

async fn run(rehearsal: Rehearsal) -> Ended {
    rehearsal.run(&CancellationToken::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_engine() {
    let repo = foreign::repository();
    let ended =
        run(Rehearsal::of(repo.path()).env("DOCKER_HOST", "unix:///nonexistent/docker.sock")).await;
    ended.assert_failed(2, &["/nonexistent/docker.sock", "hint: "]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_buildx_or_one_too_old() {
    let repo = foreign::repository();
    for (answer, says) in [
        (
            "echo \"docker: 'buildx' is not a docker command.\" >&2; exit 1",
            "buildx",
        ),
        ("echo github.com/docker/buildx v0.12.0 abc", "0.13"),
    ] {
        let rehearsal = Rehearsal::of(repo.path());
        let shims = rehearsal.folder().join("shims");
        std::fs::create_dir(&shims).unwrap();
        let script = format!("#!/bin/sh\n[ \"$1\" = buildx ] && {{ {answer}; exit; }}\nexit 1\n");
        write_program(&shims.join("docker"), &script);
        let path = format!("{}:{}", shims.display(), std::env::var("PATH").unwrap());
        run(rehearsal.env("PATH", path))
            .await
            .assert_failed(2, &[says, "hint: "]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_compose_or_one_too_old() {
    let repo = copy_of_example().await;
    let docker = process::which("docker").unwrap();
    for (answer, says) in [
        (
            "echo \"docker: 'compose' is not a docker command.\" >&2; exit 1",
            "compose",
        ),
        ("echo 1.29.2", "1.29.2"),
    ] {
        let rehearsal = Rehearsal::of(repo.path());
        let shims = rehearsal.folder().join("shims");
        std::fs::create_dir(&shims).unwrap();
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = compose ] && {{ {answer}; exit; }}\nexec {} \"$@\"\n",
            docker.display()
        );
        write_program(&shims.join("docker"), &script);
        // Nor may an old `docker-compose` of the machine answer in its place.
        write_program(&shims.join("docker-compose"), "#!/bin/sh\necho 1.29.2\n");
        let path = format!("{}:{}", shims.display(), std::env::var("PATH").unwrap());
        let ended = run(rehearsal.env("PATH", path)).await;
        ended.assert_failed(2, &[says, "hint: "]);
        assert!(ended.report()["plan"].is_null(), "known before the plan");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_registry_program() {
    let (_turn, engine) = Engine::mine().await;
    let repo = foreign::repository();
    let rehearsal = Rehearsal::of(repo.path());
    let only = rehearsal.folder().join("only");
    std::fs::create_dir(&only).unwrap();
    for program in ["docker", "git", "sh"] {
        let real = process::which(program).unwrap();
        std::os::unix::fs::symlink(real, only.join(program)).unwrap();
    }
    let ended = run(rehearsal.env("PATH", &only)).await;
    ended.assert_failed(2, &["docker-registry", "hint: "]);
    engine.assert_as_before().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_modal_command() {
    let repo = copy_of_example().await;
    let ended = run(Rehearsal::of(repo.path()).env("PIPELINE_MODAL", "/nonexistent/modal")).await;
    ended.assert_failed(2, &["/nonexistent/modal", "hint: "]);
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_registry_file() {
    let repo = foreign::repository();
    let file = repo
        .path()
        .join("code/apps/core/registry/processors/chat_reply.yaml");
    replace(&file, "ref: chat/reply@1", "ref: Chat Reply");
    run(Rehearsal::of(repo.path()))
        .await
        .assert_failed(2, &["chat_reply.yaml:1:6", "Chat Reply", "bad-ref"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_settings() {
    let repo = foreign::repository();
    std::fs::write(repo.path().join("pipeline.yml"), "base-image: {}\n").unwrap();
    run(Rehearsal::of(repo.path()))
        .await
        .assert_failed(2, &["pipeline.yml", "base-image"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_there() {
    let empty = tempfile::tempdir().unwrap();
    run(Rehearsal::of(empty.path()))
        .await
        .assert_failed(2, &["no files"]);
    std::fs::write(empty.path().join("readme"), "x").unwrap();
    run(Rehearsal::of(empty.path()))
        .await
        .assert_failed(2, &["processors/*.yaml", "hint: "]);
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_dockerfile() {
    let (_turn, engine) = Engine::mine().await;
    let repo = foreign::repository();
    let file = repo
        .path()
        .join("code/apps/core/processors/image_any/Dockerfile");
    replace(
        &file,
        "/bin/busybox\n",
        "/bin/busybox\nRUN [\"/bin/busybox\", \"false\"]\n",
    );
    let ended = run(Rehearsal::of(repo.path())).await;
    ended.assert_failed(11, &["image/any@1", "image_any/Dockerfile:3"]);
    assert!(ended.report()["pin"].is_null(), "nothing may be pinned");
    engine.assert_as_before().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_suite() {
    let (_turn, engine) = Engine::mine().await;
    let repo = copy_of_example().await;
    std::fs::write(
        repo.path().join("code/Makefile"),
        "test-acceptance:\n\t@echo the budget is spent >&2; exit 3\n",
    )
    .unwrap();
    let ended = run(Rehearsal::of(repo.path())).await;
    ended.assert_failed(13, &["make test-acceptance", "the budget is spent"]);
    assert_eq!(ended.report()["deploys"].as_array().unwrap().len(), 0);
    assert_eq!(
        ended.report()["acceptance"]["suite"]["exit"],
        2,
        "make's own"
    );
    engine.assert_as_before().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_deploy_and_failing_smoke() {
    let (_turn, engine) = Engine::mine().await;
    let repo = copy_of_example().await;
    // The acceptance stage is not what this is about.
    std::fs::write(repo.path().join("code/Makefile"), "test-acceptance:\n").unwrap();
    let app = repo.path().join("code/modal_app.py");
    let good = std::fs::read_to_string(&app).unwrap();

    std::fs::write(
        &app,
        format!("{good}\nraise RuntimeError('cannot import this')\n"),
    )
    .unwrap();
    let ended = run(Rehearsal::of(repo.path())).await;
    ended.assert_failed(
        14,
        &[
            "cannot import this",
            "text/summarize@1",
            "image/palette@1",
            "dev",
        ],
    );

    let failing = "\n\n@app.function(name='smoke', serialized=False, image=IMAGE)\n\
                   def broken(payload):\n    raise ValueError('no answer today')\n";
    let without = good.replace("def smoke(", "def not_smoke(");
    assert!(without != good, "the example has no `def smoke(` any more");
    std::fs::write(&app, format!("{without}{failing}")).unwrap();
    let ended = run(Rehearsal::of(repo.path())).await;
    ended.assert_failed(15, &["no answer today", "dev"]);
    engine.assert_as_before().await;
}

fn write_program(path: &std::path::Path, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, script).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
