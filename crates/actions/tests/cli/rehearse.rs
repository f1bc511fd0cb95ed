use std::os::unix::fs::symlink;

use super::bench::Bench;
use super::project;

#[tokio::test]
async fn a_missing_git_is_named_with_its_cure() {
    let bench = Bench::new();
    project::runbook(&bench);
    let before = project::content(&bench.repo());
    let path = std::env::var_os("PATH").unwrap();
    let docker = std::env::split_paths(&path)
        .map(|folder| folder.join("docker"))
        .find(|program| program.is_file())
        .expect("apt-get install docker.io docker-buildx-plugin");
    let only = bench.path("bin");
    std::fs::create_dir(&only).unwrap();
    symlink(docker, only.join("docker")).unwrap();
    let run = bench.pipeline("rehearse --repo .").env("PATH", &only);
    let ran = run.go().await.ended(2).one_error();
    ran.says(&["`git`", "hint: install git"]);
    assert_eq!(project::content(&bench.repo()), before);
}
