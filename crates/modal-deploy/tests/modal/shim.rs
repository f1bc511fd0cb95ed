//! A program `modal` that does what the name of the app tells it to.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The program: a file of its own, because one that was just written cannot always be started
/// while other tests start theirs.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/modal/modal.sh");

pub(crate) struct Shim {
    folder: tempfile::TempDir,
}

impl Shim {
    /// In a repository with `code/modal_app.py`.
    pub(crate) fn new() -> Self {
        let shim = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for folder in ["behave", "calls", "live", "repository/code"] {
            fs::create_dir_all(shim.folder.path().join(folder)).unwrap();
        }
        fs::write(shim.repository().join("code/modal_app.py"), "").unwrap();
        shim.version("modal client version: 1.6.4");
        fs::write(shim.folder.path().join("leak"), "").unwrap();
        symlink(PROGRAM, shim.program()).unwrap();
        shim
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.folder.path().join("modal")
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    pub(crate) fn live(&self) -> PathBuf {
        self.folder.path().join("live")
    }

    pub(crate) fn version(&self, text: &str) {
        fs::write(self.folder.path().join("version"), text).unwrap();
    }

    /// What deploys of `app` do from now on, whatever its name begins with.
    pub(crate) fn behave(&self, app: &str, how: &str) {
        fs::write(self.folder.path().join("behave").join(app), how).unwrap();
    }

    /// Lets the deploy of `app` go on that waits.
    pub(crate) fn go(&self, app: &str) {
        fs::write(self.folder.path().join(format!("go-{app}")), "").unwrap();
    }

    /// Whether the deploy of `app` waits.
    pub(crate) fn waits(&self, app: &str) -> bool {
        self.folder.path().join(format!("waiting-{app}")).exists()
    }

    /// The apps that were deployed since this was last asked, sorted.
    pub(crate) fn deployed(&self) -> Vec<String> {
        let file = self.folder.path().join("started");
        let text = fs::read_to_string(&file).unwrap_or_default();
        let _ = fs::remove_file(file);
        let names = text.lines().filter_map(|line| {
            let mut words = line.split(' ').skip_while(|word| *word != "--name");
            words.nth(1).map(str::to_owned)
        });
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// Changes the app file.
    pub(crate) fn edit(&self, text: &str) {
        fs::write(self.repository().join("code/modal_app.py"), text).unwrap();
    }

    /// Somebody else deploys `app`.
    pub(crate) fn meddle(&self, app: &str) {
        let file = self.live().join(app);
        let mut text = fs::read_to_string(&file).unwrap_or_default();
        text.push_str("manual ghcr.io/somebody/else@sha256:0000\n");
        fs::write(file, text).unwrap();
    }

    /// What a failing deploy prints besides the token.
    pub(crate) fn leak(&self, text: &str) {
        fs::write(self.folder.path().join("leak"), text).unwrap();
    }

    /// The folder and arguments of the deploy of `app`, and its environment.
    pub(crate) fn call(&self, app: &str) -> Option<(String, String)> {
        let text = fs::read_to_string(self.folder.path().join("calls").join(app)).ok()?;
        let (arguments, environment) = text.split_once("---\n")?;
        Some((arguments.to_owned(), environment.to_owned()))
    }

    /// The process of a deploy that hangs.
    pub(crate) fn pid(&self) -> Option<String> {
        let text = fs::read_to_string(self.folder.path().join("pid")).ok()?;
        Some(text.trim().to_owned()).filter(|pid| !pid.is_empty())
    }

    pub(crate) fn runs(pid: &str) -> bool {
        let status = fs::read_to_string(Path::new("/proc").join(pid).join("status"));
        // A zombie has ended; its parent has only not asked yet.
        status.is_ok_and(|status| !status.contains("State:\tZ"))
    }
}
