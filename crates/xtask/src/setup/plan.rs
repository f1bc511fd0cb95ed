use std::collections::BTreeSet;

use super::facts::{Engine, Facts};
use super::step::{Part, Start, Step};

/// The oldest engine that maps base images to local ones (`named contexts`).
const ENGINE: [u64; 1] = [23];
/// The oldest buildx with everything the builds use.
const BUILDX: [u64; 2] = [0, 13];
/// The oldest compose with `up --wait`.
const COMPOSE: [u64; 1] = [2];
/// The oldest cosign whose attestations and keys the tests are about.
const COSIGN: [u64; 1] = [2];

/// Packages that a plan may ask about.
pub(crate) const PACKAGES: [&str; 20] = [
    "busybox-static",
    "cgroupfs-mount",
    "chromium",
    "containerd",
    "cosign",
    "docker-buildx",
    "docker-buildx-plugin",
    "docker-cli",
    "docker-compose",
    "docker-compose-plugin",
    "docker-compose-v2",
    "docker-registry",
    "docker.io",
    "git",
    "iptables",
    "make",
    "python3",
    "python3-venv",
    "runc",
    "tini",
];

/// The images that `examples/processors/images/build.sh all` makes.
pub(crate) const IMAGES: [&str; 4] = [
    "pipeline-example/python:slim",
    "pipeline-example/postgres:debian",
    "pipeline-example/redis:debian",
    "pipeline-example/s3:debian",
];

/// Browsers that the tests can tell what to do; one is enough.
pub(crate) const BROWSERS: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// What the machine is made ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A rehearsal on the example.
    Rehearse,
    /// A rehearsal, the tests and the checks.
    Test,
}

/// What must be done on a machine with these `facts`; nothing when all is there.
pub(crate) fn plan(facts: &Facts, purpose: Purpose) -> Vec<Step> {
    let mut draft = Draft {
        facts,
        packages: BTreeSet::new(),
        parts: BTreeSet::new(),
        rest: Vec::new(),
    };
    draft.programs(purpose);
    draft.client();
    draft.plugins();
    draft.cosign(purpose);
    draft.browser(purpose);
    draft.engine(purpose);
    draft.python();
    draft.own_tools(purpose);
    draft.finish()
}

/// A plan in the making: packages and parts are gathered, so that each is fetched in one go.
struct Draft<'a> {
    facts: &'a Facts,
    packages: BTreeSet<&'static str>,
    parts: BTreeSet<Part>,
    rest: Vec<Step>,
}

impl Draft<'_> {
    fn programs(&mut self, purpose: Purpose) {
        for program in ["make", "git"] {
            if !self.facts.programs.contains(program) {
                self.package(program);
            }
        }
        // Images and tests are made of it. A `busybox` on PATH may be the one that needs libraries
        // the image has not.
        let wanted = purpose == Purpose::Test || self.images_missing();
        if wanted && !self.facts.installed.contains("busybox-static") {
            self.package("busybox-static");
        }
        if !self.facts.programs.contains("docker-registry") {
            if self.facts.apt {
                self.rest.push(Step::Registry);
            } else {
                self.package("docker-registry");
            }
        }
    }

    fn client(&mut self) {
        if self.facts.client {
            return;
        }
        if self.offers("docker-cli", &ENGINE) {
            self.package("docker-cli");
        } else if self.offers("docker.io", &ENGINE) {
            self.package("docker.io");
        } else {
            self.newer(Part::Client, "Docker client");
        }
    }

    fn plugins(&mut self) {
        let facts = self.facts;
        if !facts.buildx.as_ref().is_some_and(|it| it.at_least(&BUILDX)) {
            let packages = ["docker-buildx-plugin", "docker-buildx"];
            match packages.into_iter().find(|it| self.offers(it, &BUILDX)) {
                Some(package) => self.package(package),
                None => self.newer(Part::Buildx, "buildx 0.13 or newer"),
            }
        }
        if !facts
            .compose
            .as_ref()
            .is_some_and(|it| it.at_least(&COMPOSE))
        {
            let packages = [
                "docker-compose-plugin",
                "docker-compose-v2",
                "docker-compose",
            ];
            match packages.into_iter().find(|it| self.offers(it, &COMPOSE)) {
                Some(package) => self.package(package),
                None => self.newer(Part::Compose, "Docker Compose 2 or newer"),
            }
        }
    }

    fn cosign(&mut self, purpose: Purpose) {
        if purpose != Purpose::Test || self.facts.programs.contains("cosign") {
            return;
        }
        if self.offers("cosign", &COSIGN) {
            self.package("cosign");
        } else {
            self.newer(Part::Cosign, "cosign 2 or newer");
        }
    }

    fn browser(&mut self, purpose: Purpose) {
        let mut known = BROWSERS.iter();
        if purpose != Purpose::Test || known.any(|it| self.facts.programs.contains(it)) {
            return;
        }
        if self.facts.system == "ubuntu" {
            // Its package is a snap, which does not see the folders of the tests.
            self.by_hand("Chrome".to_owned(), "see https://www.google.com/chrome/");
        } else {
            self.package("chromium");
        }
    }

    fn engine(&mut self, purpose: Purpose) {
        let present = self.facts.dockerd.as_ref();
        let has_program = present.is_some_and(|(_, version)| version.at_least(&ENGINE));
        match &self.facts.engine {
            Engine::Answers(_) => {
                // A test starts an engine of its own, and this one may be anywhere.
                if purpose == Purpose::Test && !has_program {
                    self.newer(Part::Engine, "`dockerd` 23 or newer for a second engine");
                }
                return;
            }
            Engine::Refuses(why) => {
                self.by_hand(
                    format!("a Docker engine for this user ({why})"),
                    "sudo usermod --append --groups docker \"$USER\", then log in again",
                );
                return;
            }
            Engine::Silent => {}
        }
        if let Some(host) = &self.facts.docker_host {
            self.by_hand(
                format!("a Docker engine at DOCKER_HOST={host}"),
                "start it, or unset DOCKER_HOST so that set-up starts one",
            );
            return;
        }
        let mut start = match present {
            // The service manager knows the engines of packages, not the one in the tools folder.
            Some((path, _)) if self.facts.systemd && path.starts_with("/usr") => Start::Systemd,
            None if self.facts.systemd => Start::Systemd,
            _ => Start::Detached,
        };
        if !has_program {
            if self.offers("docker.io", &ENGINE) {
                self.package("docker.io");
            } else {
                start = Start::Detached;
                self.newer(Part::Engine, "Docker engine 23 or newer");
            }
        }
        if start == Start::Detached && !self.facts.control_groups {
            self.package("cgroupfs-mount");
            self.rest.push(Step::ControlGroups);
        }
        self.rest.push(Step::StartEngine(start));
    }

    fn python(&mut self) {
        if self.facts.python.is_none() {
            self.package("python3");
            self.package("python3-venv");
        }
        if !self.facts.modal {
            self.rest.push(Step::Modal);
        }
        // Containers of the example run the distribution's Python, whatever the environment has.
        let container = self.facts.candidates.get("python3");
        let container = container.and_then(crate::version::Version::python_tag);
        let own = self.facts.python.as_ref();
        if let (Some(container), Some(own)) = (container, own)
            && own.version.python_tag().as_ref() != Some(&container)
            && !self.facts.modal_clients.contains(&container)
        {
            self.rest.push(Step::ModalClient { tag: container });
        }
    }

    fn own_tools(&mut self, purpose: Purpose) {
        if !self.facts.s3s_fs && self.images_missing() {
            self.rest.push(Step::S3);
        }
        if self.images_missing() {
            let has = &self.facts.images;
            let missing = IMAGES.into_iter().filter(|image| !has.contains(image));
            self.rest.push(Step::Images {
                missing: missing.collect(),
            });
        }
        if purpose == Purpose::Test && !self.facts.programs.contains("cargo-deny") {
            self.rest.push(Step::CargoDeny);
        }
    }

    fn finish(self) -> Vec<Step> {
        let mut steps = Vec::new();
        let uses_apt = !self.packages.is_empty()
            || !self.parts.is_empty()
            || self.rest.contains(&Step::Registry);
        if uses_apt && !self.facts.lists_refreshed {
            steps.push(Step::RefreshLists);
        }
        if !self.packages.is_empty() {
            steps.push(Step::Install {
                packages: self.packages,
            });
        }
        if !self.parts.is_empty() {
            steps.push(Step::Newer { parts: self.parts });
        }
        steps.extend(self.rest);
        steps
    }

    fn images_missing(&self) -> bool {
        self.facts.images.len() < IMAGES.len()
    }

    /// Whether the distribution has `package` in a version that will do.
    fn offers(&self, package: &str, minimum: &[u64]) -> bool {
        if !self.facts.apt {
            return false;
        }
        if self.facts.candidates.is_empty() {
            return self.expects(package);
        }
        let candidate = self.facts.candidates.get(package);
        candidate.is_some_and(|version| version.at_least(minimum))
    }

    /// The same from memory, for a machine whose package lists were never fetched.
    fn expects(&self, package: &str) -> bool {
        match self.facts.system.as_str() {
            "debian" => {
                let new = self
                    .facts
                    .release
                    .as_ref()
                    .is_none_or(|it| it.at_least(&[13]));
                let named = [
                    "cosign",
                    "docker.io",
                    "docker-cli",
                    "docker-buildx",
                    "docker-compose",
                ];
                new && named.contains(&package)
            }
            "ubuntu" => ["docker.io", "docker-buildx", "docker-compose-v2"].contains(&package),
            _ => false,
        }
    }

    fn package(&mut self, name: &'static str) {
        if self.facts.apt {
            self.packages.insert(name);
        } else {
            self.by_hand(name.to_owned(), "use the package manager of this machine");
        }
    }

    fn newer(&mut self, part: Part, what: &str) {
        // Programs of Debian's next release run on the one before it; on other systems, who knows.
        if !self.facts.apt || self.facts.system != "debian" {
            let page = match part {
                Part::Cosign => "https://docs.sigstore.dev/cosign/system_config/installation/",
                _ => "https://docs.docker.com/engine/install/",
            };
            self.by_hand(what.to_owned(), &format!("see {page}"));
            return;
        }
        self.parts.insert(part);
        if part == Part::Engine {
            for (program, package) in [
                ("containerd", "containerd"),
                ("runc", "runc"),
                ("iptables", "iptables"),
                ("tini-static", "tini"),
            ] {
                if !self.facts.programs.contains(program) {
                    self.package(package);
                }
            }
        }
    }

    fn by_hand(&mut self, what: String, how: &str) {
        self.rest.push(Step::ByHand {
            what,
            how: how.to_owned(),
        });
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
