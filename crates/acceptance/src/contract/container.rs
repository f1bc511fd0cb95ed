//! One run of one image.

use std::time::Duration;

use bollard::container::{AttachContainerResults, LogOutput};
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, ContainerState};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, WaitContainerOptions,
};
use futures_util::{StreamExt, future::try_join};
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use super::engine::{Engine, failed};
use super::memory;
use crate::AcceptanceError;

/// More is no answer.
pub(super) const LARGEST_ANSWER: usize = 1 << 20;
/// More on standard error is a flood as well; what is said last is kept.
pub(super) const MOST_TALK: usize = 16 << 20;
const KEPT_TALK: usize = 64 << 10;
/// For the engine to end what was killed.
const GRACE: Duration = Duration::from_secs(30);

/// How a run ended, and what it said.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) end: End,
    /// From the start of the process to its end, in seconds.
    pub(super) wall_seconds: Option<f64>,
    pub(super) peak_memory: Option<u64>,
    pub(super) stdout: Vec<u8>,
    /// Its last part.
    pub(super) stderr: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By itself, with this code.
    Exited(i64),
    /// Killed by somebody else than us.
    Killed,
    /// By the time limit.
    TimedOut,
    /// Because it printed too much.
    Flooded,
}

/// What a container printed.
#[derive(Default)]
struct Said {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    talk: usize,
}

/// Why a run does not go on.
enum Stop {
    Flooded,
    Engine(Error),
}

/// Runs a container that was created, with `request` on its standard input. `neighbour` is one that
/// runs.
pub(super) async fn run(
    engine: &Engine,
    name: &str,
    neighbour: &str,
    request: &str,
    limit: Duration,
    cancel: &CancellationToken,
) -> Result<Ran, AcceptanceError> {
    let docker = &engine.docker;
    let options = AttachContainerOptionsBuilder::new()
        .stream(true)
        .stdin(true)
        .stdout(true)
        .stderr(true)
        .build();
    let AttachContainerResults {
        mut output,
        mut input,
    } = docker
        .attach_container(name, Some(options))
        .await
        .map_err(|error| failed(format!("attach to {name}"), error))?;
    let (mut said, mut peak) = (Said::default(), None);
    let place = memory::place(docker, name, neighbour).await;
    let started = tokio::select! {
        started = docker.start_container(name, None) => started,
        () = memory::watch_start(place.as_deref(), &mut peak) => Ok(()),
    };
    started.map_err(|error| failed(format!("start {name}"), error))?;

    let feed = async {
        // Whether it reads the request is its own business.
        let _ = input.write_all(request.as_bytes()).await;
        let _ = input.shutdown().await;
        Ok(())
    };
    let drain = async {
        while let Some(part) = output.next().await {
            said.add(part.map_err(Stop::Engine)?)?;
        }
        Ok(())
    };
    let flow = async {
        try_join(feed, drain).await?;
        wait(engine, name).await.map_err(Stop::Engine)
    };
    let stopped = tokio::select! {
        () = cancel.cancelled() => return Err(AcceptanceError::Cancelled),
        () = tokio::time::sleep(limit) => Some(End::TimedOut),
        flow = flow => match flow {
            Ok(()) => None,
            Err(Stop::Flooded) => Some(End::Flooded),
            Err(Stop::Engine(error)) => return Err(failed(format!("follow {name}"), error)),
        },
        () = memory::watch(docker, name, place.as_deref(), &mut peak) => None,
    };
    // While somebody listens and does not read, the engine does not see the end.
    drop((output, input));
    if stopped.is_some() {
        kill(engine, name).await?;
    }
    let details = docker
        .inspect_container(name, None)
        .await
        .map_err(|error| failed(format!("inspect {name}"), error))?;
    let state = details.state.unwrap_or_default();
    Ok(Ran {
        end: stopped.unwrap_or_else(|| end(&state)),
        wall_seconds: wall_seconds(&state),
        peak_memory: peak,
        stdout: said.stdout,
        stderr: said.stderr,
    })
}

/// Creates a container; from then on it is found by its label.
pub(super) async fn create(
    engine: &Engine,
    name: &str,
    body: ContainerCreateBody,
) -> Result<(), AcceptanceError> {
    let options = CreateContainerOptionsBuilder::new().name(name).build();
    match engine.docker.create_container(Some(options), body).await {
        Ok(_) => Ok(()),
        Err(error) => Err(failed(format!("create {name}"), error)),
    }
}

impl Said {
    fn add(&mut self, part: LogOutput) -> Result<(), Stop> {
        match part {
            LogOutput::StdErr { message } => {
                self.talk += message.len();
                self.stderr.extend_from_slice(&message);
                if self.stderr.len() > 2 * KEPT_TALK {
                    self.stderr.drain(..self.stderr.len() - KEPT_TALK);
                }
            }
            LogOutput::StdOut { message } | LogOutput::Console { message } => {
                self.stdout.extend_from_slice(&message);
            }
            LogOutput::StdIn { .. } => {}
        }
        match self.stdout.len() > LARGEST_ANSWER || self.talk > MOST_TALK {
            true => Err(Stop::Flooded),
            false => Ok(()),
        }
    }
}

async fn wait(engine: &Engine, name: &str) -> Result<(), Error> {
    let mut answers = engine
        .docker
        .wait_container(name, None::<WaitContainerOptions>)
        .boxed();
    match answers.next().await {
        // Its code is in its state as well.
        Some(Err(Error::DockerContainerWaitError { .. })) | Some(Ok(_)) | None => Ok(()),
        Some(Err(error)) => Err(error),
    }
}

async fn kill(engine: &Engine, name: &str) -> Result<(), AcceptanceError> {
    let killed = engine.docker.kill_container(name, None).await;
    // It may have ended just now.
    if let Err(error) = killed {
        tracing::debug!(%error, name, "not killed");
    }
    match tokio::time::timeout(GRACE, wait(engine, name)).await {
        Ok(waited) => waited.map_err(|error| failed(format!("end {name}"), error)),
        Err(_) => Err(failed(format!("end {name}"), Error::RequestTimeoutError)),
    }
}

fn end(state: &ContainerState) -> End {
    const KILLED: i64 = 128 + 9;
    let code = state.exit_code.unwrap_or_default();
    // Not every engine notices why the kernel killed it.
    if state.oom_killed.unwrap_or_default() || code == KILLED {
        End::Killed
    } else {
        End::Exited(code)
    }
}

fn wall_seconds(state: &ContainerState) -> Option<f64> {
    let at = |text: &Option<String>| text.as_deref()?.parse::<jiff::Timestamp>().ok();
    let took = at(&state.finished_at)?.duration_since(at(&state.started_at)?);
    // To the millisecond.
    Some((took.as_secs_f64().max(0.0) * 1000.0).round() / 1000.0)
}
