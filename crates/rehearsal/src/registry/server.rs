use std::collections::VecDeque;
use std::fs::{File, Permissions};
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use process::{Command, Service, Stream, which};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::RegistryError;
use super::config::{self, NAME_HEADER};

const PROGRAMS: [&str; 2] = ["docker-registry", "registry"];
const READY_LIMIT: Duration = Duration::from_secs(20);
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(25);
/// Another program may take the free port between our look and the registry's start.
const PORT_ATTEMPTS: usize = 5;
/// Every upload is on the disk when it is answered, so there is little to wait for.
const STOP_GRACE: Duration = Duration::from_secs(2);
const KEPT_LINES: usize = 20;

/// What kind of registry to start.
#[derive(Clone, Debug, Default)]
pub struct RegistryOptions {
    /// Where to store the images, and keep them afterwards. Default: a temporary folder that goes
    /// with the registry.
    pub folder: Option<PathBuf>,
    /// The port on 127.0.0.1. Default: a free one.
    pub port: Option<u16>,
}

/// A running registry. Dropping it kills the program and removes the temporary folder.
#[derive(Debug)]
pub struct EmbeddedRegistry {
    // Before the folder: fields are dropped in order, and the program writes into the folder.
    service: Service,
    folder: PathBuf,
    temporary: Option<TempDir>,
    port: u16,
}

type Lines = Arc<Mutex<VecDeque<String>>>;

impl EmbeddedRegistry {
    /// Starts a registry and waits, 20 s at most, until it answers.
    ///
    /// # Errors
    /// When there is no registry program, its folder or port cannot be used, it does not come up,
    /// or the caller cancels. Nothing is left behind then.
    pub async fn start(
        options: &RegistryOptions,
        cancel: &CancellationToken,
    ) -> Result<Self, RegistryError> {
        let program = PROGRAMS
            .iter()
            .find_map(which)
            .ok_or(RegistryError::Missing)?;
        let (folder, temporary) = match &options.folder {
            Some(folder) => (prepare(folder)?, None),
            None => {
                let temporary = tempfile::Builder::new()
                    .prefix("pipeline-registry-")
                    // Images may hold private code.
                    .permissions(Permissions::from_mode(0o700))
                    .tempdir()
                    .map_err(|source| RegistryError::Folder {
                        path: std::env::temp_dir(),
                        source,
                    })?;
                (temporary.path().to_path_buf(), Some(temporary))
            }
        };
        for attempt in 1.. {
            let port = match options.port {
                Some(port) => port,
                None => free_port()?,
            };
            let started = tokio::select! {
                started = launch(&program, &folder, port) => started,
                () = cancel.cancelled() => Err(RegistryError::Cancelled),
            };
            match started {
                Ok(service) => {
                    return Ok(Self {
                        service,
                        folder,
                        temporary,
                        port,
                    });
                }
                Err(RegistryError::PortTaken { .. })
                    if options.port.is_none() && attempt < PORT_ATTEMPTS => {}
                Err(error) => return Err(error),
            }
        }
        unreachable!("the last attempt returns")
    }

    /// `127.0.0.1:<port>`: the host part of the images in it.
    #[must_use]
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where it keeps its configuration, its images (`data`) and its access log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// One line a request, in the combined log format. Lines arrive shortly after the answers.
    #[must_use]
    pub fn access_log(&self) -> PathBuf {
        access_log(&self.folder)
    }

    /// The exit status, when it has ended by itself.
    pub fn ended(&mut self) -> Option<String> {
        self.service.ended()
    }

    /// Ends the program in peace and removes the temporary folder.
    ///
    /// # Errors
    /// When the temporary folder cannot be removed; the program has ended in any case.
    pub async fn stop(self) -> Result<(), RegistryError> {
        self.service.stop(STOP_GRACE).await;
        match self.temporary {
            Some(temporary) => temporary.close().map_err(|source| RegistryError::Folder {
                path: self.folder,
                source,
            }),
            None => Ok(()),
        }
    }
}

fn prepare(folder: &Path) -> Result<PathBuf, RegistryError> {
    std::fs::create_dir_all(folder)
        .and_then(|()| folder.canonicalize())
        .map_err(|source| RegistryError::Folder {
            path: folder.to_path_buf(),
            source,
        })
}

fn access_log(folder: &Path) -> PathBuf {
    folder.join("access.log")
}

fn free_port() -> Result<u16, RegistryError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|source| RegistryError::Port { source })
}

async fn launch(program: &Path, folder: &Path, port: u16) -> Result<Service, RegistryError> {
    let folder_error = |path: &Path| {
        let path = path.to_path_buf();
        move |source| RegistryError::Folder { path, source }
    };
    let name = uuid::Uuid::new_v4().to_string();
    let file = folder.join("config.yml");
    std::fs::write(&file, config::render(&folder.join("data"), port, &name))
        .map_err(folder_error(&file))?;
    let log = access_log(folder);
    let mut log_file = File::options()
        .create(true)
        .append(true)
        .open(&log)
        .map_err(folder_error(&log))?;
    let lines = Lines::default();
    let kept = lines.clone();
    let mut service = Command::new(program)
        .arg("serve")
        .arg(&file)
        // Any `REGISTRY_…` variable would change the configuration.
        .clear_env()
        .on_line(move |stream, line| match stream {
            // A full disk shows in the registry itself.
            Stream::Stdout => drop(writeln!(log_file, "{line}")),
            Stream::Stderr => keep(&kept, line),
        })
        .start()
        .map_err(|source| RegistryError::Start { source })?;

    let host = format!("127.0.0.1:{port}");
    let limit = Instant::now() + READY_LIMIT;
    while !answers(&host, &name).await {
        if let Some(status) = service.ended() {
            let output = last_words(&lines).await;
            if output.contains("address already in use") {
                return Err(RegistryError::PortTaken { port });
            }
            return Err(RegistryError::Ended { status, output });
        }
        if Instant::now() > limit {
            return Err(RegistryError::NotReady {
                host,
                after: READY_LIMIT,
                output: text(&lines),
            });
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(service)
}

/// Whether our own registry, known by `name`, answers at `host`.
async fn answers(host: &str, name: &str) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(host).await?;
        let request = format!("GET /v2/ HTTP/1.0\r\nHost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(16 * 1024).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).to_ascii_lowercase())
    };
    match tokio::time::timeout(Duration::from_secs(2), ask).await {
        Ok(Ok(answer)) => {
            let ours = format!("{}: {name}", NAME_HEADER.to_ascii_lowercase());
            let status = answer.lines().next().unwrap_or_default();
            status.contains(" 200 ") && answer.lines().any(|line| line == ours)
        }
        _ => false,
    }
}

/// What an ended program printed: its last line comes over a pipe, shortly after its end.
async fn last_words(lines: &Lines) -> String {
    let limit = Instant::now() + LAST_WORDS_LIMIT;
    loop {
        let text = text(lines);
        if text.contains("level=fatal") || Instant::now() > limit {
            return text;
        }
        tokio::time::sleep(POLL).await;
    }
}

fn keep(lines: &Lines, line: &str) {
    let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.len() == KEPT_LINES {
        lines.pop_front();
    }
    lines.push_back(line.to_owned());
}

fn text(lines: &Lines) -> String {
    let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().cloned().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn its_temporary_folder_is_for_its_user_only() {
        let options = RegistryOptions::default();
        let registry = EmbeddedRegistry::start(&options, &CancellationToken::new())
            .await
            .unwrap();
        let mode = registry.folder().metadata().unwrap().permissions().mode();
        registry.stop().await.unwrap();
        assert_eq!(mode & 0o777, 0o700);
    }
}
