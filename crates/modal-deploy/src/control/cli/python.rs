//! The Python that the program `modal` runs in, where Modal's package is.

use std::io::Read;
use std::path::{Path, PathBuf};

use process::{Command, Output};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;

use super::CliControl;
use crate::ModalError;
use crate::deploy::as_client;

/// What of the program is looked into; the lines in question are at its very start.
const HEAD: u64 = 4096;

/// The interpreter that `program` names in its first lines, else the one beside it.
///
/// Installers write `#!/folder/python`, `#!/usr/bin/env python3`, or, where a folder is too long
/// or has a space in it, a line of shell: `'''exec' "/long folder/python" "$0" "$@"`.
///
/// # Errors
/// [`ModalError::PythonMissing`].
pub(super) fn of(program: &Path) -> Result<PathBuf, ModalError> {
    let mut head = Vec::new();
    let read = std::fs::File::open(program).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    let head = match read {
        Ok(_) => String::from_utf8_lossy(&head).into_owned(),
        Err(_) => String::new(),
    };
    let beside = || {
        let real = program.canonicalize().ok()?;
        Some(real.parent()?.join("python3"))
    };
    named(&head)
        .and_then(process::which)
        .or_else(|| process::which(beside()?))
        .ok_or_else(|| ModalError::PythonMissing {
            program: program.display().to_string(),
        })
}

/// A run of `program`, a text of ours, with Modal's own package, and with `request` on standard
/// input. What is not for every user of the machine is thus on no command line. The folder must
/// stay until it has ended.
pub(super) fn run_of(
    control: &CliControl,
    program: &str,
    request: &Value,
    what: &str,
) -> Result<(TempDir, Command), ModalError> {
    let python = of(control.cli.program())?;
    let failed = |source| ModalError::TempFile {
        what: what.to_owned(),
        source,
    };
    // A folder of its own, as Python looks for modules beside the file it runs.
    let folder = tempfile::Builder::new()
        .prefix("pipeline-python-")
        .tempdir()
        .map_err(failed)?;
    let file = folder.path().join("program.py");
    std::fs::write(&file, program).map_err(failed)?;
    let command = as_client(Command::new(python), &control.options)
        .arg(&file)
        .stdin(request.to_string());
    Ok((folder, command))
}

/// The JSON object in the last line of what such a program printed.
pub(super) fn answer<T: DeserializeOwned>(output: &Output, what: &str) -> Result<T, ModalError> {
    let text = output.stdout_text();
    let last = text.lines().next_back().unwrap_or_default();
    serde_json::from_str(last).map_err(|error| ModalError::CliAnswer {
        what: what.to_owned(),
        problem: error.to_string(),
    })
}

fn named(head: &str) -> Option<PathBuf> {
    let mut lines = head.lines();
    let first = lines.next()?.strip_prefix("#!")?.trim();
    let is_python = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        name.starts_with("python")
    };
    if let Some(exec) = lines.next().and_then(|line| line.strip_prefix("'''exec' ")) {
        let path = match exec.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?.0,
            None => exec.split_once(' ')?.0,
        };
        return is_python(path).then(|| path.into());
    }
    let path = match first.strip_prefix("/usr/bin/env ") {
        Some(rest) => rest
            .split_whitespace()
            .find(|word| !word.starts_with('-'))?,
        None => first,
    };
    is_python(path).then(|| path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_installers_are_read() {
        for (head, expected) in [
            ("#!/a/bin/python\n# -*-\nimport re\n", Some("/a/bin/python")),
            ("#!/usr/bin/python3.12\n", Some("/usr/bin/python3.12")),
            ("#!/a folder/bin/python3\n", Some("/a folder/bin/python3")),
            ("#!/usr/bin/env python3\n", Some("python3")),
            ("#!/usr/bin/env -S python3 -E\n", Some("python3")),
            (
                "#!/bin/sh\n'''exec' \"/a b/python\" \"$0\" \"$@\"\n' '''\n",
                Some("/a b/python"),
            ),
            (
                "#!/bin/sh\n'''exec' /ab/python3 \"$0\" \"$@\"\n' '''\n",
                Some("/ab/python3"),
            ),
            ("#!/bin/sh\nexec modal \"$@\"\n", None),
            ("\u{7f}ELF\n", None),
            ("", None),
        ] {
            assert_eq!(named(head).as_deref(), expected.map(Path::new), "{head}");
        }
    }

    #[test]
    fn a_program_that_names_none_is_an_error_with_a_cure() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("modal");
        std::fs::write(&program, "#!/bin/sh\n").unwrap();
        let error = of(&program).unwrap_err();
        assert!(error.to_string().contains(program.to_str().unwrap()));
        assert!(error.hint().is_some());
    }
}
