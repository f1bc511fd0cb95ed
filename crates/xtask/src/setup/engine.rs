use std::path::Path;
use std::time::Duration;

use process::Command;
use tokio_util::sync::CancellationToken;

use super::facts::{Facts, engine_answers};
use super::privilege::Privilege;
use super::step::Start;
use crate::error::Error;
use crate::tools::Tools;

/// An engine that is not up after this has a problem.
const LIMIT: Duration = Duration::from_secs(60);
const PID_FILE: &str = "/var/run/docker.pid";

/// Starts the engine and waits until it answers. Returns how to name it to the user.
///
/// # Errors
/// When it cannot be started or does not answer, with the end of its log.
pub(crate) async fn start(
    how: Start,
    tools: &Tools,
    facts: &Facts,
    cancel: &CancellationToken,
) -> Result<String, Error> {
    // Installing its package may have started it already.
    let log = tools.folder().join("engine.log");
    if !engine_answers(cancel).await? {
        match how {
            Start::Systemd => {
                facts
                    .privilege
                    .command(&[], &["systemctl", "start", "docker"])
                    .run(cancel)
                    .await?;
            }
            Start::Detached => detached(tools, &log, facts.privilege, cancel).await?,
        }
        wait(&log, cancel).await?;
    }
    let stop = match how {
        Start::Systemd => "systemctl stop docker.socket docker".to_owned(),
        Start::Detached => match std::fs::read_to_string(PID_FILE) {
            Ok(pid) => format!("kill {}", pid.trim()),
            Err(_) => "service docker stop".to_owned(),
        },
    };
    Ok(format!(
        "Docker engine, which this set-up started; stop it with `{}`",
        facts.privilege.shown(&stop)
    ))
}

/// Starts the engine in a session of its own, so that it outlives this program.
async fn detached(
    tools: &Tools,
    log: &Path,
    privilege: Privilege,
    cancel: &CancellationToken,
) -> Result<(), Error> {
    let engine = tools.engine();
    let own = process::which(engine.join("dockerd"));
    let dockerd = own.or_else(|| tools.find("dockerd")).ok_or_else(|| {
        Error::from(process::ProcessError::NotFound {
            program: "dockerd".to_owned(),
        })
    })?;
    let inherited = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{inherited}:/usr/sbin:/sbin", engine.display());
    let mut words = vec![
        "start-stop-daemon".to_owned(),
        "--start".to_owned(),
        "--background".to_owned(),
        format!("--pidfile={PID_FILE}"),
        format!("--exec={}", dockerd.display()),
        format!("--output={}", log.display()),
        "--".to_owned(),
    ];
    if privilege == Privilege::Sudo {
        // Else only root could use what root started.
        let group = rustix::process::getgid();
        words.push(format!("--group={}", group.as_raw()));
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    privilege
        .command(&[("PATH", &path)], &words)
        .run(cancel)
        .await?;
    Ok(())
}

async fn wait(log: &Path, cancel: &CancellationToken) -> Result<(), Error> {
    let until = tokio::time::Instant::now() + LIMIT;
    while tokio::time::Instant::now() < until {
        if engine_answers(cancel).await? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Err(Error::EngineSilent {
        seconds: LIMIT.as_secs(),
        log: std::fs::read_to_string(log).unwrap_or_default(),
    })
}

/// Mounts control groups the way Debian's own script does.
///
/// # Errors
/// When that fails.
pub(crate) async fn mount_control_groups(
    privilege: Privilege,
    cancel: &CancellationToken,
) -> Result<(), Error> {
    Command::run(privilege.command(&[], &["cgroupfs-mount"]), cancel).await?;
    Ok(())
}
