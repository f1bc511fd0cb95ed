//! `kill -9`: the run removes nothing, and the next one everything.
//!
//! Victims are this very program once more. Each has an address of its own for the engine, so that
//! no other run here cleans up after it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acceptance::{AcceptanceError, AcceptanceOptions, AcceptanceReport};
use futures_util::StreamExt as _;
use process::{Command, Service};
use rustix::process::{Pid, Signal, kill_process};
use tokio_util::sync::CancellationToken;

use crate::processor::{Processor, accept_as_written, everything_left_of};
use crate::support::{HEALTHY, Image, Repo, alive, docker, left_of, wait_for};

/// The repository of a victim, in its environment.
const ROOT: &str = "ACCEPTANCE_KILLED_ROOT";
/// The image of its processor.
const PINNED: &str = "ACCEPTANCE_KILLED_IMAGE";
const AT_ONCE: usize = 3;

/// Starts something that outlives it, and ends when it may.
const SUITE: &str = "
    sleep 600 & echo $! > ../child
    setsid sleep 600 > ../log 2>&1 & echo $! > ../other
    until [ -e ../go ]; do sleep 0.1; done
";
const CASES: &str = "  cases: [{name: one, inputs: {do: 'sleep 1'}}]\n";

/// When a victim is killed.
#[derive(Clone, Copy, Debug)]
enum Point {
    /// As soon as it has a folder.
    Claimed,
    /// As soon as the engine tells of this: the kind and what is done, and the end of the name.
    Event(&'static str, &'static str),
    /// As soon as the suite runs.
    Suite,
}

const OF_CONTRACT: [Point; 7] = [
    Point::Claimed,
    Point::Event("container create", "-0-hold"),
    Point::Event("container start", "-0-hold"),
    Point::Event("container create", "-0-run-1"),
    Point::Event("container start", "-0-run-1"),
    Point::Event("container die", "-0-run-1"),
    Point::Event("container destroy", "-0-run-1"),
];
const OF_STACK: [Point; 6] = [
    Point::Event("network create", "_own"),
    Point::Event("container create", "-my-web-1"),
    Point::Event("container start", "-my-web-1"),
    Point::Suite,
    Point::Event("container die", "-my-web-1"),
    Point::Event("container destroy", "-my-web-1"),
];

/// A repository, and this program as the one who accepts it.
struct Scene {
    repo: Repo,
    test: &'static str,
    pinned: String,
    address: String,
}

impl Scene {
    async fn new(repo: Repo, test: &'static str, pinned: &str) -> Self {
        let format = "{{.Endpoints.docker.Host}}";
        let engine = docker(&["context", "inspect", "--format", format]).await;
        let socket = engine
            .strip_prefix("unix://")
            .expect("the engine of these tests is on this machine");
        let alias = repo.path("docker.sock");
        std::os::unix::fs::symlink(socket, &alias).unwrap();
        std::fs::create_dir(repo.path("tmp")).unwrap();
        Self {
            address: format!("unix://{}", alias.display()),
            repo,
            test,
            pinned: pinned.to_owned(),
        }
    }

    fn program(&self) -> Command {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", self.test, "--nocapture"])
            .env("DOCKER_HOST", &self.address)
            .env("TMPDIR", self.repo.path("tmp"))
            .env(ROOT, self.repo.path(""))
            .env(PINNED, &self.pinned)
    }

    /// The project of the run that is under way.
    async fn project(&self) -> String {
        for _ in 0..6000 {
            if let Some(name) = self.folders().pop() {
                return name;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no run began within 60 s");
    }

    fn folders(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.repo.path("tmp")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    /// A whole run after the others, which the victim is not part of.
    async fn next_run(&self) {
        std::fs::write(self.repo.path("next"), "").unwrap();
        let ran = self.program().run(&CancellationToken::new()).await.unwrap();
        assert!(ran.stdout_text().contains("1 passed"), "{ran:?}");
    }
}

/// What the victim does; it is never told that it was killed.
async fn as_victim() -> bool {
    let Some(root) = std::env::var_os(ROOT).map(PathBuf::from) else {
        return false;
    };
    std::fs::write(root.join("victim"), format!("{}\n", std::process::id())).unwrap();
    accept(&root).await.unwrap();
    true
}

async fn accept(root: &Path) -> Result<AcceptanceReport, AcceptanceError> {
    let mut options = AcceptanceOptions::new(root);
    let cancel = CancellationToken::new();
    let mut suite = SUITE;
    if root.join("next").exists() {
        // No service and no case: it is there for what others left.
        let _ = std::fs::remove_file(root.join("code/compose.yml"));
        suite = "true";
    } else if root.join("code/x.yaml").exists() {
        let pinned = std::env::var(PINNED).unwrap();
        return accept_as_written(&options, &pinned, &cancel).await;
    }
    options.command = Some(["sh", "-ec", suite].map(str::to_owned).into());
    let sources = acceptance::Sources::read(&options)?;
    acceptance::run(&acceptance::plan(&options, &sources)?, &[], &cancel).await
}

/// What the engine does, line by line.
fn events(address: &str) -> (Service, Arc<Mutex<Vec<String>>>) {
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    let since = now.as_secs().to_string();
    let lines = Arc::<Mutex<Vec<String>>>::default();
    let sink = Arc::clone(&lines);
    let format = "{{.Type}} {{.Action}} {{.Actor.ID}} {{index .Actor.Attributes \"name\"}} end";
    let service = Command::new("docker")
        .args(["events", "--since", &since, "--format", format])
        .env("DOCKER_HOST", address)
        .on_line(move |_, line| sink.lock().unwrap().push(line.to_owned()))
        .start();
    (service.unwrap(), lines)
}

async fn kill_at(point: Point, scene: &Scene) -> String {
    let (_listening, events) = events(&scene.address);
    let mut victim = scene.program().start().unwrap();
    let project = scene.project().await;
    match point {
        Point::Claimed => {}
        Point::Suite => {
            scene.repo.wait_for("other").await;
        }
        Point::Event(what, name) => {
            let end = format!("{project}{name} end");
            let mut tries = 0;
            while !{
                let events = events.lock().unwrap();
                let mut events = events.iter();
                events.any(|line| line.starts_with(what) && line.ends_with(&end))
            } {
                tries += 1;
                let ended = victim.ended();
                assert!(tries < 12_000 && ended.is_none(), "{point:?}: {ended:?}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
    let pid = wait_for(&scene.repo.path("victim")).await;
    let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    while victim.ended().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    project
}

async fn is_cleaned_up_after(point: Point, scene: Scene) {
    let project = kill_at(point, &scene).await;
    assert_eq!(scene.folders(), [project.as_str()], "{point:?}");
    let nameless = nameless_volumes(&project).await;
    scene.next_run().await;
    let left = everything_left_of(&project).await;
    assert_eq!(left, [""; 0], "{point:?}");
    let volumes = docker(&["volume", "ls", "--quiet"]).await;
    assert!(!nameless.iter().any(|it| volumes.contains(it)), "{point:?}");
    assert_eq!(scene.folders(), [""; 0], "{point:?}");
    assert!(!claim_of(&project).exists(), "{point:?}");
    for name in ["child", "other"] {
        if let Some(pid) = scene.repo.text(name) {
            assert!(!alive(pid.trim()), "{point:?}: {name}");
        }
    }
}

/// The volumes of its containers that nothing but these names.
async fn nameless_volumes(project: &str) -> Vec<String> {
    let filter = format!("label=com.docker.compose.project={project}");
    let format = "{{range .Mounts}}{{.Name}} {{end}}";
    let mut volumes = Vec::new();
    let ids = docker(&["ps", "--all", "--quiet", "--filter", &filter]).await;
    for id in ids.split_whitespace() {
        // While it is going, it cannot always be asked about.
        let asked = Command::new("docker").args(["inspect", "--format", format, id]);
        if let Ok(mounts) = asked.run(&CancellationToken::new()).await {
            let mounts = mounts.stdout_text();
            let names = mounts.split_whitespace();
            volumes.extend(names.filter(|it| it.len() == 64).map(str::to_owned));
        }
    }
    volumes
}

fn claim_of(project: &str) -> PathBuf {
    let user = rustix::process::geteuid().as_raw();
    PathBuf::from(format!("/var/tmp/pipeline-accept-{user}")).join(project)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_that_is_killed_is_cleaned_up_by_the_next_run() {
    const TEST: &str = "killed::a_contract_that_is_killed_is_cleaned_up_by_the_next_run";
    if as_victim().await {
        return;
    }
    let processor = Processor::new().await;
    let work = OF_CONTRACT.map(async |point| {
        let repo = Repo::bare(None);
        processor.write(&repo, CASES);
        is_cleaned_up_after(point, Scene::new(repo, TEST, &processor.pinned).await).await;
    });
    let ended = futures_util::stream::iter(work).buffer_unordered(AT_ONCE);
    ended.collect::<Vec<()>>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_is_killed_is_cleaned_up_by_the_next_run() {
    const TEST: &str = "killed::a_stack_that_is_killed_is_cleaned_up_by_the_next_run";
    if as_victim().await {
        return;
    }
    let image = Image::new().await;
    let work = OF_STACK.map(async |point| {
        let repo = Repo::new(&image, HEALTHY, None);
        if !matches!(point, Point::Suite) {
            std::fs::write(repo.path("go"), "").unwrap();
        }
        is_cleaned_up_after(point, Scene::new(repo, TEST, "").await).await;
    });
    let ended = futures_util::stream::iter(work).buffer_unordered(AT_ONCE);
    ended.collect::<Vec<()>>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_under_way_is_left_alone() {
    const TEST: &str = "killed::a_run_that_is_under_way_is_left_alone";
    if as_victim().await {
        return;
    }
    let image = Image::new().await;
    let first = Scene::new(Repo::new(&image, HEALTHY, None), TEST, "").await;
    let mut second = Scene::new(Repo::bare(None), TEST, "").await;
    second.address.clone_from(&first.address);
    let cancel = CancellationToken::new();
    let one = first.program();
    let work = async {
        first.repo.wait_for("other").await;
        let project = first.project().await;
        let before = left_of(&project).await;
        assert_eq!(before.len(), 3, "{before:?}");
        second.next_run().await;
        assert_eq!(left_of(&project).await, before);
        for name in ["child", "other"] {
            assert!(alive(&first.repo.wait_for(name).await), "{name}");
        }
        std::fs::write(first.repo.path("go"), "").unwrap();
        project
    };
    let (ran, project) = tokio::join!(one.run(&cancel), work);
    assert!(ran.unwrap().stdout_text().contains("1 passed"));
    assert_eq!(left_of(&project).await, [""; 0]);
    assert_eq!(first.folders(), [""; 0]);
    // This one left the group of the suite.
    assert!(!alive(&first.repo.wait_for("other").await));
}

/// The name of a project that was made so many hours ago.
fn made(hours: u32) -> String {
    let made = std::time::SystemTime::now() - Duration::from_secs(3600) * hours;
    let made = made.duration_since(std::time::UNIX_EPOCH).unwrap();
    let chance = std::process::id();
    format!("pipeline-accept-{:012x}-{chance:08x}", made.as_millis())
}

/// Makes one thing of each kind.
async fn make(project: &str, image: &Image) {
    let label = format!("com.docker.compose.project={project}");
    docker(&["create", "--label", &label, &image.0, "true"]).await;
    for kind in ["network", "volume"] {
        docker(&[kind, "create", "--label", &label, project]).await;
    }
    docker(&["tag", &image.0, &format!("{project}:holder")]).await;
}

/// As on an engine that other machines and users have, too.
#[tokio::test]
async fn of_runs_that_cannot_be_seen_only_the_old_are_removed() {
    let image = Image::new().await;
    let repo = Repo::bare(Some("true"));
    // The first one makes the folder of claims.
    repo.accept(&[], &CancellationToken::new()).await.unwrap();
    let [old, young, busy] = [25, 23, 26].map(made);
    let claim = std::fs::File::create(claim_of(&busy)).unwrap();
    claim.lock().unwrap();
    for project in [&old, &young, &busy] {
        make(project, &image).await;
    }
    repo.accept(&[], &CancellationToken::new()).await.unwrap();
    assert_eq!(everything_left_of(&old).await, [""; 0]);
    let kept = [&young, &busy];
    let mut left = Vec::new();
    for project in kept {
        left.push(everything_left_of(project).await);
    }
    for (project, left) in kept.iter().zip(&left) {
        for kind in ["container", "network", "volume"] {
            let list: &[&str] = if kind == "container" {
                &["ps", "--all"]
            } else {
                &[kind, "ls"]
            };
            let filter = format!("label=com.docker.compose.project={project}");
            let ids = docker(&[list, &["--quiet", "--filter", &filter]].concat()).await;
            for id in ids.split_whitespace() {
                docker(&[kind, "rm", id]).await;
            }
        }
        docker(&["image", "rm", &format!("{project}:holder")]).await;
        assert_eq!(left.len(), 4, "{project}: {left:?}");
    }
    std::fs::remove_file(claim_of(&busy)).unwrap();
}
