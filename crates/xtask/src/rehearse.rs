use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::ExitCode;

use process::{Command, Stream};
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::say;
use crate::setup::{self, Purpose};
use crate::tools::Tools;
use crate::workspace;

/// `cargo xtask rehearse`: set-up, build, then `pipeline rehearse` on the example repository.
///
/// # Errors
/// When the machine cannot be made ready or the program cannot be built. What the rehearsal
/// itself ends with becomes the exit code.
pub(crate) async fn command(
    no_install: bool,
    args: &[String],
    cancel: &CancellationToken,
) -> Result<ExitCode, Error> {
    let tools = Tools::locate()?;
    let root = workspace::root()?;
    let ready = setup::ensure(&tools, Purpose::Rehearse, no_install, cancel).await?;
    say::line("building pipeline");
    let program = build(
        &root,
        &["--package", "actions", "--bin", "pipeline"],
        cancel,
    )
    .await?;
    ready.say_left_running();
    Err(become_program(&program, &root, args, &tools)?)
}

/// Builds one program and returns where it is. Compiler messages go to standard error.
///
/// # Errors
/// When it does not compile.
pub(crate) async fn build(
    root: &Path,
    args: &[&str],
    cancel: &CancellationToken,
) -> Result<std::path::PathBuf, Error> {
    let command = Command::new("cargo")
        .args([
            "build",
            "--locked",
            "--message-format=json-render-diagnostics",
        ])
        .args(args)
        .current_dir(root)
        .on_line(|stream, line| {
            if stream == Stream::Stderr {
                say::line(line);
            }
        });
    let output = command.run(cancel).await?.stdout_text();
    executable(&output)
        .ok_or_else(|| Error::format("the messages of cargo build", "no executable among them"))
}

/// The last executable that cargo's JSON messages name.
fn executable(messages: &str) -> Option<std::path::PathBuf> {
    let mut found = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(Into::into)
    });
    found.next_back()
}

/// Becomes `pipeline rehearse`, so that it has the terminal, the signals and the exit code.
/// Comes back only when that is not possible.
fn become_program(
    program: &Path,
    root: &Path,
    args: &[String],
    tools: &Tools,
) -> Result<Error, Error> {
    #[expect(
        clippy::disallowed_methods,
        reason = "replaces this process instead of starting another, which needs no supervision"
    )]
    let mut command = std::process::Command::new(program);
    command.arg("rehearse");
    if !names_repository(args) {
        command.arg("--repo").arg(root.join("examples/processors"));
    }
    command.args(args).envs(tools.environment()?);
    Ok(Error::io(
        format!("become {}", program.display()),
        command.exec(),
    ))
}

fn names_repository(args: &[String]) -> bool {
    args.iter()
        .any(|arg| arg == "--repo" || arg.starts_with("--repo="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_only_the_default() {
        let args = |words: &[&str]| words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        assert!(!names_repository(&args(&["--json", "r.json"])));
        assert!(names_repository(&args(&["--keep", "--repo", "."])));
        assert!(names_repository(&args(&["--repo=/x"])));
    }

    #[test]
    fn finds_the_program_that_cargo_built() {
        let messages = "{\"reason\":\"compiler-artifact\",\"executable\":null}\n\
                        not json\n\
                        {\"reason\":\"compiler-artifact\",\"executable\":\"/t/debug/pipeline\"}\n\
                        {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(
            executable(messages),
            Some(std::path::PathBuf::from("/t/debug/pipeline"))
        );
        assert_eq!(executable(""), None);
    }
}
