use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::AsyncWriteExt;
use tokio::process::Child;
use tokio_util::sync::CancellationToken;

use crate::lines::{Limits, follow};
use crate::{ProcessError, Redactor, which};

const STDOUT_LIMIT: usize = 64 * 1024 * 1024;
const TAIL: usize = 32 * 1024;
const LONGEST_LINE: usize = 64 * 1024;
const GRACE: Duration = Duration::from_secs(5);
/// What left the process group may hold the pipes open for ever. What it writes later is not read.
const PIPES: Duration = Duration::from_secs(5);

/// Which of its two streams a child wrote a line to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What a child reads from standard input.
#[derive(Clone)]
enum Stdin {
    Nothing,
    Bytes(Vec<u8>),
    File(Arc<File>),
}

type OnLine = Arc<Mutex<dyn FnMut(Stream, &str) + Send>>;

/// A program to run, with everything it gets.
#[derive(Clone)]
pub struct Command {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, Option<OsString>)>,
    secret_env: Vec<(OsString, SecretString)>,
    clear_env: bool,
    cwd: Option<PathBuf>,
    stdin: Stdin,
    timeout: Option<Duration>,
    grace: Duration,
    redactor: Redactor,
    on_line: Option<OnLine>,
    longest_line: usize,
}

/// What a program that ended with 0 printed.
#[derive(Clone, Debug)]
pub struct Output {
    /// Everything it wrote to standard output (at most 64 MiB), not redacted: it is data.
    pub stdout: Vec<u8>,
    /// The last 32 KiB of standard error, redacted.
    pub stderr: String,
}

impl Output {
    /// Standard output as text; bytes that are no UTF-8 are replaced.
    #[must_use]
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

impl Command {
    /// A run of `program`, which is looked up on `PATH` unless it is a path.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            secret_env: Vec::new(),
            clear_env: false,
            cwd: None,
            stdin: Stdin::Nothing,
            timeout: None,
            grace: GRACE,
            redactor: Redactor::new(),
            on_line: None,
            longest_line: LONGEST_LINE,
        }
    }

    /// Adds one argument. Arguments are visible to every user of the machine: never a secret.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable that is no secret.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((name.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    /// Removes an inherited environment variable.
    #[must_use]
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), None));
        self
    }

    /// Sets an environment variable to a secret, which is then replaced in all that is shown.
    #[must_use]
    pub fn secret_env(mut self, name: impl AsRef<OsStr>, value: &SecretString) -> Self {
        self.redactor.add(value);
        self.secret_env
            .push((name.as_ref().to_owned(), value.clone()));
        self
    }

    /// Starts from an empty environment instead of this process's own.
    #[must_use]
    pub fn clear_env(mut self) -> Self {
        self.clear_env = true;
        self
    }

    /// The folder to run in; default: this process's own.
    #[must_use]
    pub fn current_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cwd = Some(folder.into());
        self
    }

    /// What the child reads from standard input; default: nothing.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Stdin::Bytes(bytes.into());
        self
    }

    /// The same from where `file` stands now. Unlike a pipe, the child can open it once more as
    /// `/dev/stdin`, and need not be given its name: it may have none.
    #[must_use]
    pub fn stdin_file(mut self, file: File) -> Self {
        self.stdin = Stdin::File(Arc::new(file));
        self
    }

    /// Ends the process group when it runs longer than this; default: no limit.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// How long the group may take to end after SIGTERM before it gets SIGKILL; default 5 s.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Also replaces these secrets in all that is shown.
    #[must_use]
    pub fn redact(mut self, secret: &SecretString) -> Self {
        self.redactor.add(secret);
        self
    }

    /// Called for every line, redacted, while the program runs.
    #[must_use]
    pub fn on_line(mut self, call: impl FnMut(Stream, &str) + Send + 'static) -> Self {
        self.on_line = Some(Arc::new(Mutex::new(call)));
        self
    }

    /// A line of more bytes than this comes in pieces; default 64 KiB.
    #[must_use]
    pub fn longest_line(mut self, bytes: usize) -> Self {
        self.longest_line = bytes;
        self
    }

    /// The command line as it may be shown.
    #[must_use]
    pub fn display(&self) -> String {
        let words = std::iter::once(&self.program)
            .chain(&self.args)
            .map(|word| {
                let word = word.to_string_lossy();
                let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
                if !word.is_empty() && word.chars().all(plain) {
                    word.into_owned()
                } else {
                    format!("'{}'", word.replace('\'', "'\\''"))
                }
            });
        self.redactor.apply(&words.collect::<Vec<_>>().join(" "))
    }

    /// Runs it to its end. On time-out, on cancellation and when the returned future is dropped,
    /// the whole process group is ended. What left the group goes on, and is listened to for 5 s
    /// more at most.
    ///
    /// # Errors
    /// Every way not to end with exit code 0 is a [`ProcessError`].
    pub async fn run(self, cancel: &CancellationToken) -> Result<Output, ProcessError> {
        let command = self.display();
        if cancel.is_cancelled() {
            return Err(ProcessError::Cancelled { command });
        }
        let mut child = self.spawn(&command)?;
        let mut group = Group::of(&child);
        let follow_error = |source| ProcessError::Follow {
            command: command.clone(),
            source,
        };

        if let (Stdin::Bytes(bytes), Some(mut pipe)) = (self.stdin.clone(), child.stdin.take()) {
            // A child may end without reading; the broken pipe is then no news.
            tokio::spawn(async move {
                let _ = pipe.write_all(&bytes).await;
            });
        }
        let over = CancellationToken::new();
        let out = child.stdout.take();
        let stdout = self.reader(out, Stream::Stdout, STDOUT_LIMIT, &over);
        let stderr = self.reader(child.stderr.take(), Stream::Stderr, 0, &over);

        let ended = tokio::select! {
            status = child.wait() => Ok(status.map_err(follow_error)?),
            () = cancel.cancelled() => Err(None),
            () = limit(self.timeout) => Err(self.timeout),
        };
        if ended.is_err() {
            group.signal(Signal::TERM);
            if tokio::time::timeout(self.grace, child.wait())
                .await
                .is_err()
            {
                group.signal(Signal::KILL);
                let _ = child.wait().await;
            }
        }
        // What the head left behind must not hold the pipes open, nor outlive it.
        group.end();
        let mut read = std::pin::pin!(async { tokio::join!(stdout, stderr) });
        let (stdout, stderr) = match tokio::time::timeout(PIPES, &mut read).await {
            Ok(read) => read,
            Err(_) => {
                over.cancel();
                read.await
            }
        };
        let (out, out_tail) = stdout.unwrap_or_default();
        let (_, stderr) = stderr.unwrap_or_default();

        match ended {
            Ok(status) if status.success() => Ok(Output {
                stdout: out,
                stderr,
            }),
            Ok(status) => Err(ProcessError::Failed {
                command,
                status: describe(status),
                code: status.code(),
                stderr,
                stdout: out_tail,
            }),
            Err(Some(after)) => Err(ProcessError::TimedOut {
                command,
                after,
                stderr,
            }),
            Err(None) => Err(ProcessError::Cancelled { command }),
        }
    }

    /// Starts it as a service that goes on until the returned guard is dropped.
    ///
    /// Its output goes to [`Command::on_line`] or nowhere.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(self) -> Result<Service, ProcessError> {
        let command = self.display();
        let mut child = self.spawn(&command)?;
        let group = Group::of(&child);
        let to_the_end = CancellationToken::new();
        drop(self.reader(child.stdout.take(), Stream::Stdout, 0, &to_the_end));
        drop(self.reader(child.stderr.take(), Stream::Stderr, 0, &to_the_end));
        Ok(Service { child, group })
    }

    fn spawn(&self, command: &str) -> Result<Child, ProcessError> {
        let program = which(&self.program).ok_or_else(|| ProcessError::NotFound {
            program: self.program.to_string_lossy().into_owned(),
        })?;
        let cannot_start = |source| ProcessError::Start {
            command: command.to_owned(),
            source,
        };
        let stdin = match &self.stdin {
            Stdin::Nothing => Stdio::null(),
            Stdin::Bytes(_) => Stdio::piped(),
            Stdin::File(file) => file.try_clone().map_err(cannot_start)?.into(),
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that starts programs"
        )]
        let mut builder = tokio::process::Command::new(program);
        builder
            .args(&self.args)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if self.clear_env {
            builder.env_clear();
        }
        for (name, value) in &self.env {
            match value {
                Some(value) => builder.env(name, value),
                None => builder.env_remove(name),
            };
        }
        for (name, value) in &self.secret_env {
            builder.env(name, value.expose_secret());
        }
        if let Some(folder) = &self.cwd {
            builder.current_dir(folder);
        }
        builder.spawn().map_err(cannot_start)
    }

    /// Reads to the end of the pipe, or until it is `over`.
    fn reader<R: tokio::io::AsyncRead + Unpin + Send + 'static>(
        &self,
        pipe: Option<R>,
        stream: Stream,
        head: usize,
        over: &CancellationToken,
    ) -> tokio::task::JoinHandle<(Vec<u8>, String)> {
        let on_line = self.on_line.clone();
        let limits = Limits {
            head,
            tail: TAIL,
            line: self.longest_line,
        };
        let redactor = self.redactor.clone();
        let over = over.clone();
        tokio::spawn(async move {
            let Some(pipe) = pipe else {
                return Default::default();
            };
            let hand_on = |line: &str| {
                if let Some(on_line) = &on_line
                    && let Ok(mut call) = on_line.lock()
                {
                    call(stream, line);
                }
            };
            follow(pipe, limits, &redactor, &over, hand_on)
                .await
                .unwrap_or_default()
        })
    }
}

/// A running program whose process group ends with this value.
#[derive(Debug)]
pub struct Service {
    child: Child,
    group: Group,
}

impl Service {
    /// The exit status, if it has ended already.
    pub fn ended(&mut self) -> Option<String> {
        self.child.try_wait().ok().flatten().map(describe)
    }

    /// Ends the process group: SIGTERM, then SIGKILL after `grace`.
    pub async fn stop(mut self, grace: Duration) {
        self.group.signal(Signal::TERM);
        let _ = tokio::time::timeout(grace, self.child.wait()).await;
        self.group.end();
        let _ = self.child.wait().await;
    }
}

/// A process group that is killed when this value goes.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(
            child
                .id()
                .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)),
        )
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // An empty group is the aim, not an error.
            let _ = kill_process_group(group, signal);
        }
    }

    fn end(&mut self) {
        self.signal(Signal::KILL);
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

async fn limit(timeout: Option<Duration>) {
    match timeout {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "ended without a status".to_owned(),
    }
}
