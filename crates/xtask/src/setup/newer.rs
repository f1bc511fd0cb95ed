//! Programs out of Debian packages that are unpacked, not installed.
//!
//! For Docker and cosign on a release whose own is too old or missing, and for the registry, whose
//! package would also start a service. apt verifies every file against the archive's signed lists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use process::Command;
use tokio_util::sync::CancellationToken;

use super::privilege::Privilege;
use super::step::Part;
use crate::error::Error;
use crate::tools::Tools;

/// The release that the newer Docker comes from.
const RELEASE: &str = "trixie";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const MIRROR: &str = "http://deb.debian.org/debian";

/// The end of the name of what is still growing.
pub(crate) const PARTIAL: &str = ".partial";

/// Fetches the packages of `parts` from the newer release and puts their programs into place.
///
/// # Errors
/// When a package cannot be had, or a program cannot be put where it belongs.
pub(crate) async fn parts(
    tools: &Tools,
    parts: &BTreeSet<Part>,
    privilege: Privilege,
    cancel: &CancellationToken,
) -> Result<(), Error> {
    let work = work_folder(tools)?;
    let configuration = private_apt(work.path(), cancel).await?;
    let apt = |args: &[&str]| {
        Command::new("apt-get")
            .env("APT_CONFIG", &configuration)
            .current_dir(work.path())
            .arg("--quiet")
            .args(args)
    };
    apt(&["-o", "APT::Update::Error-Mode=any", "update"])
        .run(cancel)
        .await?;
    let packages: Vec<&str> = parts.iter().map(|part| part.package()).collect();
    apt(&["download"]).args(packages).run(cancel).await?;
    let root = unpack(work.path(), cancel).await?;
    for part in parts {
        match part {
            Part::Engine => place_engine(tools, &root)?,
            Part::Client => {
                let folder = match privilege {
                    Privilege::Root => PathBuf::from("/usr/local/bin"),
                    Privilege::Sudo | Privilege::None => tools.bin(),
                };
                place(&root.join("usr/bin/docker"), &folder, "docker.io")?;
            }
            Part::Buildx | Part::Compose => {
                let program = root
                    .join("usr/libexec/docker/cli-plugins")
                    .join(part.package());
                place(&program, &plugin_folder(privilege)?, part.package())?;
            }
            Part::Cosign => place(&root.join("usr/bin/cosign"), &tools.bin(), part.package())?,
        }
    }
    Ok(())
}

/// Fetches the registry of this release and puts it into the tools folder.
///
/// # Errors
/// When it cannot be had.
pub(crate) async fn registry(tools: &Tools, cancel: &CancellationToken) -> Result<(), Error> {
    let work = work_folder(tools)?;
    Command::new("apt-get")
        .current_dir(work.path())
        .args(["--quiet", "-o", "APT::Sandbox::User=root"])
        .args(["download", "docker-registry"])
        .run(cancel)
        .await?;
    let root = unpack(work.path(), cancel).await?;
    let program = root.join("usr/bin/docker-registry");
    place(&program, &tools.bin(), "docker-registry")
}

/// Beside what it becomes, so that a rename puts it into place.
fn work_folder(tools: &Tools) -> Result<tempfile::TempDir, Error> {
    let folder = tools.folder();
    std::fs::create_dir_all(folder)
        .and_then(|()| {
            tempfile::Builder::new()
                .prefix("unpack-")
                .tempdir_in(folder)
        })
        .map_err(|error| Error::io(format!("make a folder in {}", folder.display()), error))
}

/// A configuration that knows only the newer release, and keeps its lists to itself.
async fn private_apt(work: &Path, cancel: &CancellationToken) -> Result<PathBuf, Error> {
    let mirror = mirror(cancel).await?;
    let folder = work.display();
    let configuration = format!(
        "Dir::Etc::sourcelist \"{folder}/sources.list\";\n\
         Dir::Etc::sourceparts \"-\";\n\
         Dir::State::lists \"{folder}/lists\";\n\
         Dir::Cache \"{folder}/cache\";\n\
         Acquire::Languages \"none\";\n\
         APT::Sandbox::User \"root\";\n"
    );
    let sources = format!("deb [signed-by={KEYRING}] {mirror} {RELEASE} main\n");
    let file = work.join("apt.conf");
    let write = || {
        std::fs::create_dir_all(work.join("lists/partial"))?;
        std::fs::create_dir_all(work.join("cache/archives/partial"))?;
        std::fs::write(work.join("sources.list"), sources)?;
        std::fs::write(&file, configuration)
    };
    write().map_err(|error| Error::io(format!("write {}", file.display()), error))?;
    Ok(file)
}

/// Where this machine gets Debian itself from.
async fn mirror(cancel: &CancellationToken) -> Result<String, Error> {
    let output = Command::new("apt-get")
        .args(["indextargets", "--no-release-info"])
        .args(["--format", "$(COMPONENT) $(CODENAME) $(REPO_URI)"])
        .arg("Created-By: Packages")
        .run(cancel)
        .await?;
    Ok(pick_mirror(&output.stdout_text()).unwrap_or_else(|| MIRROR.to_owned()))
}

fn pick_mirror(targets: &str) -> Option<String> {
    targets
        .lines()
        .filter_map(|line| line.strip_prefix("main ")?.split_whitespace().last())
        .map(|uri| uri.trim_end_matches('/'))
        .find(|uri| uri.ends_with("/debian"))
        .map(str::to_owned)
}

async fn unpack(work: &Path, cancel: &CancellationToken) -> Result<PathBuf, Error> {
    let root = work.join("root");
    let entries = std::fs::read_dir(work)
        .map_err(|error| Error::io(format!("read {}", work.display()), error))?;
    for entry in entries.flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            Command::new("dpkg-deb")
                .arg("--extract")
                .args([&path, &root])
                .run(cancel)
                .await?;
        }
    }
    Ok(root)
}

/// The engine's own folder appears as a whole or not at all.
fn place_engine(tools: &Tools, root: &Path) -> Result<(), Error> {
    let engine = tools.engine();
    let partial = engine.with_extension(PARTIAL.trim_start_matches('.'));
    for folder in [&partial, &engine] {
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io(format!("remove {}", folder.display()), error));
            }
            _ => {}
        }
    }
    for program in ["dockerd", "docker-proxy"] {
        place(&root.join("usr/sbin").join(program), &partial, "docker.io")?;
    }
    // The engine looks for `docker-init`, which is another package's tini.
    let init = tools
        .find("tini-static")
        .ok_or_else(|| Error::NotInPackage {
            file: "tini-static".to_owned(),
            package: "tini".to_owned(),
        })?;
    std::os::unix::fs::symlink(init, partial.join("docker-init"))
        .and_then(|()| std::fs::rename(&partial, &engine))
        .map_err(|error| Error::io(format!("make {}", engine.display()), error))
}

fn plugin_folder(privilege: Privilege) -> Result<PathBuf, Error> {
    if privilege == Privilege::Root {
        return Ok("/usr/local/lib/docker/cli-plugins".into());
    }
    let configuration = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker"));
    let folder = configuration.or_else(home).ok_or(Error::NoToolsFolder)?;
    Ok(folder.join("cli-plugins"))
}

/// Copies a program into `folder` under a passing name, and renames it when it is whole.
fn place(program: &Path, folder: &Path, package: &str) -> Result<(), Error> {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    if !program.is_file() {
        return Err(Error::NotInPackage {
            file: program.display().to_string(),
            package: package.to_owned(),
        });
    }
    let partial = folder.join(format!(".{name}{PARTIAL}"));
    let to = folder.join(&*name);
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::copy(program, &partial))
        .and_then(|_| std::fs::rename(&partial, &to))
        .map_err(|error| Error::io(format!("write {}", to.display()), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_mirror_that_the_machine_uses() {
        let targets = "main bookworm-security http://mirror.example/debian-security/\n\
                       contrib bookworm http://mirror.example/debian/\n\
                       main bookworm http://mirror.example/debian/\n";
        assert_eq!(
            pick_mirror(targets).as_deref(),
            Some("http://mirror.example/debian")
        );
        assert_eq!(
            pick_mirror("main noble http://archive.ubuntu.com/ubuntu/\n"),
            None
        );
    }

    #[test]
    fn a_program_appears_whole_and_executable() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("tool");
        std::fs::write(&program, "x").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let bin = folder.path().join("bin");
        place(&program, &bin, "tools").unwrap();
        let names: Vec<_> = std::fs::read_dir(&bin)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["tool"]);
        assert!(process::which(bin.join("tool")).is_some());
        let error = place(&folder.path().join("none"), &bin, "tools").unwrap_err();
        assert!(error.to_string().contains("in the package tools"));
    }
}
