//! A stack and its suite under way when the stage is told to end.

use std::sync::{Arc, Mutex};

use rustix::process::Signal;

use crate::bench::{Bench, eventually, is_gone, json_file, send};
use crate::project::{self, file_of};
use crate::services::{docker, with_registry};

/// What the engine has of a project.
async fn left_of(project: &str) -> Vec<String> {
    let filter = format!("label=com.docker.compose.project={project}");
    let mut left = Vec::new();
    for list in [&["ps", "--all"][..], &["network", "ls"], &["volume", "ls"]] {
        let ids = docker(&[list, &["--quiet", "--filter", &filter]].concat()).await;
        left.extend(ids.split_whitespace().map(|id| format!("{list:?} {id}")));
    }
    left
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_takes_the_stack_down() {
    with_registry(async |host| {
        let bench = Bench::new();
        project::runbook(&bench);
        std::fs::remove_file(bench.repo().join(file_of("lower"))).unwrap();
        let build = bench.path("build.json");
        let words = format!("build --registry {host} --image-prefix ghcr.io/a/b --json");
        bench.pipeline(&words).arg(&build).go().await.ok();
        bench.pipeline("pin --from").arg(&build).go().await.ok();
        let image = json_file(&build)["built"][0]["image"].clone();

        // Each of its kind: containers, a network and a volume. None ends by itself.
        let service = format!("image: {image}, command: [-c, 'read x'], stdin_open: true");
        let compose = format!(
            "services: {{redis: {{{service}, volumes: ['data:/data']}}}}\nvolumes: {{data: {{}}}}\n"
        );
        bench.write("code/compose.yml", compose);
        bench.write(
            "code/Makefile",
            "test-acceptance:\n\t@echo $$COMPOSE_PROJECT_NAME >../project\n\
             \t@sleep 300 & echo $$! >../child; wait\n",
        );
        let run = bench.pipeline_in_shell("accept");
        let pid = Arc::<Mutex<Option<String>>>::default();
        let seen = Arc::clone(&pid);
        let ended = tokio::spawn(run.go_on(move |_, line| {
            seen.lock().unwrap().get_or_insert(line.to_owned());
        }));
        let written = async |name: &str| {
            let path = bench.repo().join(name);
            eventually("the suite runs", || {
                let text = std::fs::read_to_string(&path).ok()?;
                text.ends_with('\n').then(|| text.trim().to_owned())
            })
            .await
        };
        let (project, child) = (written("project").await, written("child").await);
        assert_eq!(left_of(&project).await.len(), 3);
        let pid = pid.lock().unwrap().clone().unwrap();
        send(&pid, Signal::TERM);
        let ran = ended.await.unwrap().ended(130);
        ran.says(&["interrupted: "]);
        assert_eq!(left_of(&project).await, [""; 0]);
        eventually("the child of the suite ends", || {
            is_gone(&child).then_some(())
        })
        .await;
    })
    .await;
}
