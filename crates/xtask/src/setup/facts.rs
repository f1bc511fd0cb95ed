use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::newer;
use super::plan::{BROWSERS, IMAGES, PACKAGES};
use super::privilege::Privilege;
use super::probe::{ask, ask_why};
use super::python::{self, Python};
use crate::error::Error;
use crate::tools::{S3S_FS, Tools};
use crate::version::Version;

/// Where an engine listens when nobody says otherwise.
const SOCKET: &str = "/var/run/docker.sock";

/// What set-up knows of the machine.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// `ID` of os-release: `debian`, `ubuntu`.
    pub(crate) system: String,
    /// `VERSION_ID` of os-release; Debian's testing has none.
    pub(crate) release: Option<Version>,
    pub(crate) privilege: Privilege,
    /// Whether there is apt.
    pub(crate) apt: bool,
    /// Whether apt's lists were fetched by this run.
    pub(crate) lists_refreshed: bool,
    /// What apt would install, by package; a package it does not know is absent.
    pub(crate) candidates: BTreeMap<String, Version>,
    pub(crate) installed: BTreeSet<String>,
    pub(crate) engine: Engine,
    /// Set by the user, who then also cares for that engine.
    pub(crate) docker_host: Option<String>,
    /// An engine that could be started.
    pub(crate) dockerd: Option<(PathBuf, Version)>,
    pub(crate) client: bool,
    pub(crate) buildx: Option<Version>,
    pub(crate) compose: Option<Version>,
    pub(crate) systemd: bool,
    /// Whether control groups are mounted.
    pub(crate) control_groups: bool,
    /// Programs that were found, out of those that are asked for.
    pub(crate) programs: BTreeSet<&'static str>,
    pub(crate) python: Option<Python>,
    pub(crate) modal: bool,
    /// Whether the tools folder's S3 service is the pinned one.
    pub(crate) s3s_fs: bool,
    /// Modal's client for containers whose Python is another than the environment's, by tag.
    pub(crate) modal_clients: BTreeSet<String>,
    /// Images of the example that the engine has.
    pub(crate) images: BTreeSet<&'static str>,
}

/// Whether a Docker engine can be used now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Answers(Version),
    /// There is one, but not for this user.
    Refuses(String),
    Silent,
}

/// Programs that must be found on the machine or in the tools folder.
const PROGRAMS: [&str; 10] = [
    "make",
    "git",
    "docker-registry",
    "containerd",
    "runc",
    "iptables",
    "tini-static",
    "cargo-deny",
    "cosign",
    "docker",
];

/// Looks at this machine. Changes nothing.
///
/// # Errors
/// On cancellation.
pub(crate) async fn detect(
    tools: &Tools,
    lists_refreshed: bool,
    cancel: &CancellationToken,
) -> Result<Facts, Error> {
    let docker_host = std::env::var("DOCKER_HOST")
        .ok()
        .filter(|value| !value.is_empty());
    let programs = PROGRAMS
        .into_iter()
        .chain(BROWSERS)
        .filter(|name| tools.find(name).is_some())
        .collect();
    let os_release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let engine = engine(docker_host.as_deref(), cancel).await?;
    let apt = tools.find("apt-get").is_some() && tools.find("dpkg-deb").is_some();
    Ok(Facts {
        system: field(&os_release, "ID").unwrap_or_default(),
        release: field(&os_release, "VERSION_ID").and_then(|id| Version::find(&id)),
        privilege: privilege(cancel).await?,
        apt,
        lists_refreshed,
        candidates: candidates(cancel).await?,
        installed: installed(cancel).await?,
        images: images(&engine, cancel).await?,
        engine,
        docker_host,
        dockerd: dockerd(tools, cancel).await?,
        client: tools.find("docker").is_some(),
        buildx: plugin(tools, &["buildx", "version"], cancel).await?,
        compose: plugin(tools, &["compose", "version", "--short"], cancel).await?,
        systemd: Path::new("/run/systemd/system").is_dir(),
        control_groups: mounts_control_groups(
            &std::fs::read_to_string("/proc/self/mounts").unwrap_or_default(),
        ),
        programs,
        python: python::find(cancel).await?,
        modal: python::is_complete(&tools.modal()),
        s3s_fs: installed_version(tools, "s3s-fs").as_deref() == Some(S3S_FS),
        modal_clients: modal_clients(tools),
    })
}

/// Whether an engine answers this user; so that it can be used or counted on.
///
/// # Errors
/// On cancellation.
pub(crate) async fn engine_answers(cancel: &CancellationToken) -> Result<bool, Error> {
    let host = std::env::var("DOCKER_HOST").ok();
    Ok(matches!(
        engine(host.as_deref(), cancel).await?,
        Engine::Answers(_)
    ))
}

async fn engine(host: Option<&str>, cancel: &CancellationToken) -> Result<Engine, Error> {
    if process::which("docker").is_none() {
        return socket_answer(host).await;
    }
    let answer = ask_why(
        "docker",
        &["version", "--format", "{{.Server.Version}}"],
        cancel,
    )
    .await?;
    Ok(match answer {
        Ok(text) => Version::find(&text).map_or(Engine::Silent, Engine::Answers),
        Err(error) if error.stderr().contains("permission denied") => {
            Engine::Refuses("permission denied".to_owned())
        }
        Err(_) => Engine::Silent,
    })
}

/// Asks the engine's socket itself, for machines that have an engine and no client.
async fn socket_answer(host: Option<&str>) -> Result<Engine, Error> {
    let path = match host {
        None => Path::new(SOCKET),
        Some(host) => match host.strip_prefix("unix://") {
            Some(path) => Path::new(path),
            None => return Ok(Engine::Silent),
        },
    };
    let answer = tokio::time::timeout(std::time::Duration::from_secs(5), get_version(path)).await;
    Ok(match answer {
        Ok(Ok(version)) => Engine::Answers(version),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Engine::Refuses(error.to_string())
        }
        _ => Engine::Silent,
    })
}

async fn get_version(socket: &Path) -> std::io::Result<Version> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::UnixStream::connect(socket).await?;
    stream.write_all(b"GET /version HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let body: serde_json::Value = serde_json::from_str(body.trim())?;
    body["Version"]
        .as_str()
        .and_then(Version::find)
        .ok_or_else(|| std::io::Error::other("no version in the answer"))
}

async fn dockerd(
    tools: &Tools,
    cancel: &CancellationToken,
) -> Result<Option<(PathBuf, Version)>, Error> {
    let own = process::which(tools.engine().join("dockerd"));
    for path in own.into_iter().chain(tools.find("dockerd")) {
        let text = ask(&path, &["--version"], cancel).await?;
        if let Some(version) = text.as_deref().and_then(Version::find) {
            return Ok(Some((path, version)));
        }
    }
    Ok(None)
}

async fn plugin(
    tools: &Tools,
    args: &[&str],
    cancel: &CancellationToken,
) -> Result<Option<Version>, Error> {
    let Some(docker) = tools.find("docker") else {
        return Ok(None);
    };
    let text = ask(docker, args, cancel).await?;
    Ok(text.as_deref().and_then(Version::find))
}

async fn privilege(cancel: &CancellationToken) -> Result<Privilege, Error> {
    if rustix::process::geteuid().is_root() {
        return Ok(Privilege::Root);
    }
    let sudo = ask("sudo", &["-n", "true"], cancel).await?;
    Ok(sudo.map_or(Privilege::None, |_| Privilege::Sudo))
}

async fn candidates(cancel: &CancellationToken) -> Result<BTreeMap<String, Version>, Error> {
    let args: Vec<&str> = std::iter::once("policy").chain(PACKAGES).collect();
    let text = ask("apt-cache", &args, cancel).await?;
    Ok(parse_candidates(&text.unwrap_or_default()))
}

fn parse_candidates(policy: &str) -> BTreeMap<String, Version> {
    let mut package = "";
    let mut candidates = BTreeMap::new();
    for line in policy.lines() {
        if let Some(version) = line.trim().strip_prefix("Candidate:") {
            if let Some(version) = Version::find(version) {
                candidates.insert(package.to_owned(), version);
            }
        } else if !line.starts_with(' ') {
            package = line.trim_end_matches(':');
        }
    }
    candidates
}

async fn installed(cancel: &CancellationToken) -> Result<BTreeSet<String>, Error> {
    let format = ["-W", "-f", "${db:Status-Status} ${Package}\n"];
    let text = ask("dpkg-query", &format, cancel)
        .await?
        .unwrap_or_default();
    Ok(text
        .lines()
        .filter_map(|line| line.strip_prefix("installed "))
        .filter(|package| PACKAGES.contains(package))
        .map(str::to_owned)
        .collect())
}

async fn images(
    engine: &Engine,
    cancel: &CancellationToken,
) -> Result<BTreeSet<&'static str>, Error> {
    if !matches!(engine, Engine::Answers(_)) {
        return Ok(BTreeSet::new());
    }
    let format = ["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"];
    let text = ask("docker", &format, cancel).await?.unwrap_or_default();
    let has = |image: &&str| text.lines().any(|line| line == *image);
    Ok(IMAGES.into_iter().filter(has).collect())
}

fn modal_clients(tools: &Tools) -> BTreeSet<String> {
    let Ok(entries) = std::fs::read_dir(tools.folder()) else {
        return BTreeSet::new();
    };
    let names = entries.flatten().map(|entry| entry.file_name());
    names
        .filter_map(|name| Some(name.to_str()?.strip_prefix("modal-client-")?.to_owned()))
        .filter(|tag| !tag.ends_with(newer::PARTIAL))
        .collect()
}

fn field(os_release: &str, name: &str) -> Option<String> {
    os_release
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .map(|value| value.trim_matches('"').to_owned())
}

fn mounts_control_groups(mounts: &str) -> bool {
    mounts.lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        let place = words.next().unwrap_or_default();
        let kind = words.next().unwrap_or_default();
        place.starts_with("/sys/fs/cgroup") && kind.starts_with("cgroup")
    })
}

/// The version that `cargo install` put into the tools folder.
fn installed_version(tools: &Tools, package: &str) -> Option<String> {
    process::which(tools.bin().join(package))?;
    let text = std::fs::read_to_string(tools.folder().join(".crates2.json")).ok()?;
    let record: serde_json::Value = serde_json::from_str(&text).ok()?;
    record["installs"].as_object()?.keys().find_map(|key| {
        let mut words = key.split_whitespace();
        (words.next()? == package).then(|| words.next().map(str::to_owned))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_apt_would_install() {
        let policy = "docker.io:\n  Installed: (none)\n  Candidate: 20.10.24+dfsg1-1\n  \
                      Version table:\n     20.10.24+dfsg1-1 500\n        500 http://deb.debian.org/debian\n\
                      tini:\n  Installed: (none)\n  Candidate: (none)\n\
                      busybox-static:\n  Installed: (none)\n  Candidate: 1:1.35.0-4\n";
        let found: Vec<String> = parse_candidates(policy)
            .iter()
            .map(|(package, version)| format!("{package} {version}"))
            .collect();
        assert_eq!(found, ["busybox-static 1.35.0", "docker.io 20.10.24"]);
    }

    #[test]
    fn reads_the_system_and_its_mounts() {
        let text = "PRETTY_NAME=\"Debian\"\nVERSION_ID=\"12\"\nID=debian\nID_LIKE=x\n";
        assert_eq!(field(text, "ID").as_deref(), Some("debian"));
        assert_eq!(field(text, "VERSION_ID").as_deref(), Some("12"));
        assert_eq!(field("", "ID"), None);
        assert!(mounts_control_groups(
            "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"
        ));
        assert!(mounts_control_groups(
            "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"
        ));
        assert!(!mounts_control_groups(
            "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n"
        ));
    }

    #[test]
    fn an_installed_program_counts_with_its_version_only() {
        let folder = tempfile::tempdir().unwrap();
        let tools = Tools::at(folder.path());
        let record = r#"{"installs":{"s3s-fs 0.14.1 (registry+https://x)":{"bins":["s3s-fs"]}}}"#;
        std::fs::write(folder.path().join(".crates2.json"), record).unwrap();
        assert_eq!(installed_version(&tools, "s3s-fs"), None);
        std::fs::create_dir(tools.bin()).unwrap();
        let program = tools.bin().join("s3s-fs");
        std::fs::write(&program, "").unwrap();
        assert_eq!(installed_version(&tools, "s3s-fs"), None);
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(
            installed_version(&tools, "s3s-fs").as_deref(),
            Some("0.14.1")
        );
    }
}
