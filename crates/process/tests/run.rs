//! Real children: redaction, time-outs, cancellation and what is left behind.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use process::{Command, ProcessError, Stream};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

fn sh(script: &str) -> Command {
    Command::new("sh").arg("-c").arg(script)
}

/// Whether the process is there after a moment: a signal takes effect when the kernel gets to it.
async fn alive(pid: &str) -> bool {
    for _ in 0..100 {
        // A zombie that nobody reaped yet is dead for our purpose.
        let there = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
            .is_ok_and(|stat| !stat.contains(") Z "));
        if !there {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    true
}

#[tokio::test]
async fn a_failure_names_command_code_and_stderr_without_the_secret() {
    let secret = SecretString::from("s3cr3t-value");
    let error = sh("echo \"no luck with $TOKEN\" >&2; exit 7")
        .secret_env("TOKEN", &secret)
        .run(&CancellationToken::new())
        .await
        .unwrap_err();
    let ProcessError::Failed { code, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*code, Some(7));
    let text = format!("{error} {error:?}");
    assert!(text.contains("no luck with ***"), "{text}");
    assert!(!text.contains("s3cr3t"), "{text}");
}

#[tokio::test]
async fn a_long_line_arrives_whole_where_that_is_wanted() {
    let lengths = async |command: Command| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = seen.clone();
        command
            .on_line(move |_, line| sink.lock().unwrap().push(line.len()))
            .run(&CancellationToken::new())
            .await
            .unwrap();
        let seen = seen.lock().unwrap();
        seen.clone()
    };
    let long = || sh("head -c 200000 /dev/zero | tr '\\0' x; echo");
    assert_eq!(lengths(long().longest_line(200_000)).await, [200_000]);
    assert_eq!(lengths(long()).await, [65_536, 65_536, 65_536, 3_392]);
}

#[tokio::test]
async fn lines_arrive_redacted_from_both_streams() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    sh("echo out $TOKEN; echo err >&2")
        .secret_env("TOKEN", &SecretString::from("s3cr3t-value"))
        .on_line(move |stream, line| sink.lock().unwrap().push((stream, line.to_owned())))
        .run(&CancellationToken::new())
        .await
        .unwrap();
    let seen = seen.lock().unwrap();
    assert!(
        seen.contains(&(Stream::Stdout, "out ***".into())),
        "{seen:?}"
    );
    assert!(seen.contains(&(Stream::Stderr, "err".into())), "{seen:?}");
}

#[tokio::test]
async fn a_time_out_ends_grandchildren_that_ignore_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let script = format!(
        "trap '' TERM; sleep 60 & echo $! > {}; wait; sleep 60",
        file.display()
    );
    let started = Instant::now();
    let error = sh(&script)
        .timeout(Duration::from_millis(300))
        .grace(Duration::from_millis(200))
        .run(&CancellationToken::new())
        .await
        .unwrap_err();
    assert!(matches!(error, ProcessError::TimedOut { .. }), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(20));
    let pid = std::fs::read_to_string(file).unwrap();
    assert!(!alive(&pid).await, "the grandchild {pid} is still there");
}

#[tokio::test]
async fn cancellation_and_drop_end_the_group() {
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        stop.cancel();
    });
    let error = sh("sleep 60").run(&cancel).await.unwrap_err();
    assert!(error.is_cancelled());

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let script = format!("sleep 60 & echo $! > {}; wait", file.display());
    let never = CancellationToken::new();
    let dropped = tokio::time::timeout(Duration::from_millis(500), sh(&script).run(&never)).await;
    assert!(dropped.is_err());
    let pid = std::fs::read_to_string(file).unwrap();
    assert!(!alive(&pid).await, "the grandchild {pid} is still there");
}

#[tokio::test]
async fn a_background_grandchild_does_not_hold_the_run_open() {
    let started = Instant::now();
    let output = sh("sleep 60 & echo done")
        .run(&CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(output.stdout_text(), "done\n");
    assert!(started.elapsed() < Duration::from_secs(20));
}

/// Ends with the test, also when that fails.
struct Daemon(String);

impl Drop for Daemon {
    fn drop(&mut self) {
        use rustix::process::{Pid, Signal, kill_process};
        if let Some(pid) = self.0.trim().parse().ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

#[tokio::test]
async fn a_daemon_that_left_the_group_does_not_hold_the_run_open() {
    let folder = tempfile::tempdir().unwrap();
    let ended = async |script: &str, name: &str| {
        let file = folder.path().join(name);
        // It writes all the time, too.
        let daemon = "setsid sh -c 'echo $$ > \"$FILE\"; while sleep 0.1; do echo x; done' &";
        let wait = "until [ -s \"$FILE\" ]; do sleep 0.1; done";
        let script = format!("{daemon} {wait}; echo done; {script}");
        let started = Instant::now();
        let run = sh(&script)
            .env("FILE", &file)
            .timeout(Duration::from_secs(5));
        let never = CancellationToken::new();
        // Or the test would hang.
        let ended = tokio::time::timeout(Duration::from_secs(40), run.run(&never)).await;
        let _daemon = Daemon(std::fs::read_to_string(file).unwrap());
        (ended.expect("the run ends"), started.elapsed())
    };
    let (one, two) = tokio::join!(ended("true", "one"), ended("sleep 60", "two"));
    let output = one.0.unwrap().stdout_text();
    assert!(output.lines().any(|line| line == "done"), "{output}");
    let error = two.0.unwrap_err();
    assert!(matches!(error, ProcessError::TimedOut { .. }), "{error:?}");
    assert!(two.1 < Duration::from_secs(30), "{:?}", two.1);
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let error = Command::new("no-such-program-here")
        .run(&CancellationToken::new())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "start `no-such-program-here`: no such program"
    );
}

#[tokio::test]
async fn standard_input_reaches_the_child() {
    let output = Command::new("cat")
        .stdin("hello")
        .run(&CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(output.stdout, b"hello");
}
