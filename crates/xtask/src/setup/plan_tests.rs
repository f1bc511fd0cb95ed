use super::super::privilege::Privilege;
use super::super::python::Python;
use super::*;
use crate::tools::Tools;
use crate::version::Version;

fn version(text: &str) -> Version {
    Version::find(text).unwrap()
}

/// A machine of that system with Rust, Python and nothing else.
fn bare(system: &str, release: &str, candidates: &[(&str, &str)]) -> Facts {
    Facts {
        system: system.to_owned(),
        release: Some(version(release)),
        privilege: Privilege::Root,
        apt: true,
        lists_refreshed: true,
        candidates: candidates
            .iter()
            .map(|(name, text)| ((*name).to_owned(), version(text)))
            .collect(),
        installed: BTreeSet::new(),
        engine: Engine::Silent,
        docker_host: None,
        dockerd: None,
        client: false,
        buildx: None,
        compose: None,
        systemd: false,
        control_groups: true,
        programs: BTreeSet::new(),
        python: Some(Python {
            path: "/usr/bin/python3".into(),
            version: version("3.11.2"),
        }),
        modal: false,
        s3s_fs: false,
        modal_clients: BTreeSet::new(),
        images: BTreeSet::new(),
    }
}

fn bookworm() -> Facts {
    bare(
        "debian",
        "12",
        &[
            ("docker.io", "20.10.24"),
            ("docker-compose", "1.29.2"),
            ("python3", "3.11.2"),
            ("tini", "0.19.0"),
        ],
    )
}

/// A machine that has all.
fn ready() -> Facts {
    let mut facts = bookworm();
    facts.engine = Engine::Answers(version("28.2.2"));
    facts.dockerd = Some(("/usr/sbin/dockerd".into(), version("28.2.2")));
    facts.client = true;
    facts.buildx = Some(version("0.13.1"));
    facts.compose = Some(version("2.26.1"));
    facts.programs = BTreeSet::from([
        "make",
        "git",
        "docker-registry",
        "cargo-deny",
        "cosign",
        "google-chrome",
        "docker",
    ]);
    facts.modal = true;
    facts.s3s_fs = true;
    facts.images = IMAGES.into_iter().collect();
    facts.installed.insert("busybox-static".to_owned());
    facts
}

fn lines(facts: &Facts, purpose: Purpose) -> String {
    let tools = Tools::at("/tools");
    let steps = plan(facts, purpose);
    let lines = steps
        .iter()
        .map(|step| step.announce(&tools, facts.privilege));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_ready_machine_needs_nothing() {
    assert_eq!(plan(&ready(), Purpose::Test), []);
}

#[test]
fn tests_need_busybox_even_when_the_images_are_there() {
    let mut facts = ready();
    facts.installed.clear();
    assert_eq!(plan(&facts, Purpose::Rehearse), []);
    assert!(lines(&facts, Purpose::Test).contains("busybox-static"));
}

#[test]
fn tests_need_one_browser_and_rehearsals_none() {
    let mut facts = ready();
    for browser in BROWSERS {
        facts.programs.retain(|program| !BROWSERS.contains(program));
        facts.programs.insert(browser);
        assert_eq!(plan(&facts, Purpose::Test), [], "{browser}");
    }
    facts.programs.retain(|program| !BROWSERS.contains(program));
    assert_eq!(plan(&facts, Purpose::Rehearse), []);
    insta::assert_snapshot!(lines(&facts, Purpose::Test), @"installing packages: apt-get install --yes --no-install-recommends chromium");
    facts.system = "ubuntu".to_owned();
    let steps = plan(&facts, Purpose::Test);
    assert!(
        matches!(&steps[..], [Step::ByHand { what, .. }] if what == "Chrome"),
        "{steps:?}"
    );
}

#[test]
fn an_engine_that_runs_is_used_as_it_is() {
    let mut facts = ready();
    facts.engine = Engine::Answers(version("20.10.24"));
    facts.dockerd = None;
    facts.docker_host = Some("tcp://10.0.0.1:2375".to_owned());
    assert_eq!(plan(&facts, Purpose::Rehearse), []);
}

#[test]
fn bookworm_takes_docker_from_the_newer_release() {
    insta::assert_snapshot!(lines(&bookworm(), Purpose::Test), @r"
    installing packages: apt-get install --yes --no-install-recommends busybox-static chromium containerd git iptables make runc tini
    installing Docker engine, Docker client, buildx, compose, cosign: apt-get download docker.io docker-cli docker-buildx docker-compose cosign from Debian trixie, as those of this release are too old or missing, and unpack
    installing docker-registry: apt-get download docker-registry, and unpack into /tools
    starting the Docker engine: dockerd >/tools/engine.log 2>&1 &
    installing Modal's client 1.6.4: python3 -m venv /tools/modal-1.6.4, /tools/modal-1.6.4/bin/python -m pip install modal==1.6.4
    installing S3 service s3s-fs 0.14.1: cargo install --locked s3s-fs@0.14.1 --features binary --root /tools (about 2 minutes)
    making the example's images: examples/processors/images/build.sh all
    installing cargo-deny: cargo install --locked cargo-deny --root /tools (about 4 minutes)
    ");
}

#[test]
fn lists_come_first_and_are_fetched_once() {
    let mut facts = bookworm();
    facts.lists_refreshed = false;
    assert_eq!(plan(&facts, Purpose::Test)[0], Step::RefreshLists);
    let mut facts = ready();
    facts.lists_refreshed = false;
    facts.s3s_fs = false;
    facts.images.clear();
    facts.installed.insert("busybox-static".to_owned());
    assert!(!plan(&facts, Purpose::Test).contains(&Step::RefreshLists));
}

#[test]
fn trixie_and_ubuntu_have_all_in_their_own_packages() {
    let mut trixie = bare(
        "debian",
        "13",
        &[
            ("docker.io", "26.1.5"),
            ("docker-cli", "26.1.5"),
            ("docker-buildx", "0.13.1"),
            ("docker-compose", "2.26.1"),
            ("python3", "3.13.5"),
        ],
    );
    trixie.systemd = true;
    trixie.python = Some(Python {
        path: "/usr/bin/python3".into(),
        version: version("3.13.5"),
    });
    insta::assert_snapshot!(lines(&trixie, Purpose::Rehearse), @r"
    installing packages: apt-get install --yes --no-install-recommends busybox-static docker-buildx docker-cli docker-compose docker.io git make
    installing docker-registry: apt-get download docker-registry, and unpack into /tools
    starting the Docker engine: systemctl start docker
    installing Modal's client 1.6.4: python3 -m venv /tools/modal-1.6.4, /tools/modal-1.6.4/bin/python -m pip install modal==1.6.4
    installing S3 service s3s-fs 0.14.1: cargo install --locked s3s-fs@0.14.1 --features binary --root /tools (about 2 minutes)
    making the example's images: examples/processors/images/build.sh all
    ");
    let mut noble = bare(
        "ubuntu",
        "24.04",
        &[
            ("docker.io", "28.2.2"),
            ("docker-buildx", "0.21.3"),
            ("docker-compose-v2", "2.37.1"),
            ("docker-compose", "1.29.2"),
            ("python3", "3.12.3"),
        ],
    );
    noble.systemd = true;
    noble.python = None;
    noble.privilege = Privilege::Sudo;
    insta::assert_snapshot!(lines(&noble, Purpose::Rehearse), @r"
    installing packages: sudo apt-get install --yes --no-install-recommends busybox-static docker-buildx docker-compose-v2 docker.io git make python3 python3-venv
    installing docker-registry: apt-get download docker-registry, and unpack into /tools
    starting the Docker engine: sudo systemctl start docker
    installing Modal's client 1.6.4: python3 -m venv /tools/modal-1.6.4, /tools/modal-1.6.4/bin/python -m pip install modal==1.6.4
    installing S3 service s3s-fs 0.14.1: cargo install --locked s3s-fs@0.14.1 --features binary --root /tools (about 2 minutes)
    making the example's images: examples/processors/images/build.sh all
    ");
}

#[test]
fn what_a_fresh_machine_offers_is_known_before_its_lists_are() {
    let mut trixie = bare("debian", "13", &[]);
    trixie.lists_refreshed = false;
    let newer = |facts: &Facts| {
        plan(facts, Purpose::Test)
            .iter()
            .any(|step| matches!(step, Step::Newer { .. }))
    };
    assert!(!newer(&trixie));
    let mut bookworm = bare("debian", "12", &[]);
    bookworm.lists_refreshed = false;
    assert!(newer(&bookworm));
}

#[test]
fn an_installed_engine_is_started_only() {
    let mut facts = ready();
    facts.engine = Engine::Silent;
    facts.images.clear();
    facts.installed.insert("busybox-static".to_owned());
    facts.dockerd = Some(("/usr/sbin/dockerd".into(), version("26.1.5")));
    facts.systemd = true;
    insta::assert_snapshot!(lines(&facts, Purpose::Rehearse), @r"
    starting the Docker engine: systemctl start docker
    making the example's images: examples/processors/images/build.sh all
    ");
    facts.dockerd = Some(("/tools/engine/dockerd".into(), version("26.1.5")));
    facts.control_groups = false;
    insta::assert_snapshot!(lines(&facts, Purpose::Rehearse), @r"
    installing packages: apt-get install --yes --no-install-recommends cgroupfs-mount
    mounting control groups for the Docker engine: cgroupfs-mount
    starting the Docker engine: dockerd >/tools/engine.log 2>&1 &
    making the example's images: examples/processors/images/build.sh all
    ");
}

#[test]
fn an_engine_that_runs_elsewhere_is_no_program_for_the_tests() {
    let mut facts = ready();
    facts.dockerd = None;
    let engine = Step::Newer {
        parts: BTreeSet::from([Part::Engine]),
    };
    let steps = plan(&facts, Purpose::Test);
    assert!(steps.contains(&engine), "{steps:?}");
    assert!(!steps.contains(&Step::StartEngine(Start::Detached)));
    assert!(!plan(&facts, Purpose::Rehearse).contains(&engine));
    facts.dockerd = Some(("/tools/engine/dockerd".into(), version("26.1.5")));
    assert!(!plan(&facts, Purpose::Test).contains(&engine));
}

#[test]
fn an_old_engine_that_does_not_run_is_left_alone() {
    let mut facts = ready();
    facts.engine = Engine::Silent;
    facts.dockerd = Some(("/usr/sbin/dockerd".into(), version("20.10.24")));
    facts.systemd = true;
    let steps = plan(&facts, Purpose::Rehearse);
    assert!(steps.contains(&Step::Newer {
        parts: BTreeSet::from([Part::Engine])
    }));
    assert!(steps.contains(&Step::StartEngine(Start::Detached)));
}

#[test]
fn what_belongs_to_the_user_is_left_to_the_user() {
    let mut facts = ready();
    facts.engine = Engine::Silent;
    facts.docker_host = Some("tcp://10.0.0.1:2375".to_owned());
    insta::assert_snapshot!(missing(&facts), @"a Docker engine at DOCKER_HOST=tcp://10.0.0.1:2375: start it, or unset DOCKER_HOST so that set-up starts one");
    facts.docker_host = None;
    facts.engine = Engine::Refuses("permission denied".to_owned());
    insta::assert_snapshot!(missing(&facts), @r#"a Docker engine for this user (permission denied): sudo usermod --append --groups docker "$USER", then log in again"#);
    let mut fedora = bare("fedora", "42", &[]);
    fedora.apt = false;
    fedora.privilege = Privilege::Sudo;
    insta::assert_snapshot!(missing(&fedora), @r"
    make: use the package manager of this machine
    git: use the package manager of this machine
    busybox-static: use the package manager of this machine
    docker-registry: use the package manager of this machine
    Docker client: see https://docs.docker.com/engine/install/
    buildx 0.13 or newer: see https://docs.docker.com/engine/install/
    Docker Compose 2 or newer: see https://docs.docker.com/engine/install/
    Docker engine 23 or newer: see https://docs.docker.com/engine/install/
    a running Docker engine: sudo dockerd >/tools/engine.log 2>&1 &
    Modal's client 1.6.4: python3 -m venv /tools/modal-1.6.4, /tools/modal-1.6.4/bin/python -m pip install modal==1.6.4
    S3 service s3s-fs 0.14.1: cargo install --locked s3s-fs@0.14.1 --features binary --root /tools (about 2 minutes)
    images pipeline-example/python:slim, pipeline-example/postgres:debian, pipeline-example/redis:debian, pipeline-example/s3:debian: examples/processors/images/build.sh all
    ");
}

fn missing(facts: &Facts) -> String {
    let tools = Tools::at("/tools");
    let steps = plan(facts, Purpose::Rehearse);
    let lines = steps
        .iter()
        .filter_map(|step| step.missing(&tools, facts.privilege));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn an_old_plugin_is_replaced_and_a_new_one_kept() {
    let mut facts = ready();
    facts.buildx = Some(version("0.11.2"));
    insta::assert_snapshot!(lines(&facts, Purpose::Rehearse), @"installing buildx: apt-get download docker-buildx from Debian trixie, as those of this release are too old or missing, and unpack");
    facts
        .candidates
        .insert("docker-buildx-plugin".to_owned(), version("0.21.0"));
    insta::assert_snapshot!(lines(&facts, Purpose::Rehearse), @"installing packages: apt-get install --yes --no-install-recommends docker-buildx-plugin");
}

#[test]
fn containers_with_another_python_get_their_own_client() {
    let mut facts = ready();
    facts.python = Some(Python {
        path: "/opt/python3.13".into(),
        version: version("3.13.1"),
    });
    insta::assert_snapshot!(lines(&facts, Purpose::Rehearse), @"installing Modal's client 1.6.4 for cp311 containers: pip install --target /tools/modal-client-cp311 modal==1.6.4");
    facts.modal_clients.insert("cp311".to_owned());
    assert_eq!(plan(&facts, Purpose::Rehearse), []);
}

#[test]
fn the_script_makes_the_images_that_are_asked_for() {
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/processors/images/build.sh");
    let script = std::fs::read_to_string(script).unwrap();
    for image in IMAGES {
        assert!(script.contains(&format!("={image}")), "{image}");
    }
}
