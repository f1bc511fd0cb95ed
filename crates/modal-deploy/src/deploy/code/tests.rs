use std::fs;
use std::os::unix::fs::symlink;

use super::*;

struct Repository(tempfile::TempDir);

impl Repository {
    fn new() -> Self {
        let repository = Self(tempfile::tempdir().unwrap());
        repository.write("code/modal_app.py", "app");
        repository
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn hash(&self, globs: Option<&[&str]>) -> Result<String, ModalError> {
        let app = AppFile::find(self.0.path(), "code/modal_app.py").unwrap();
        let globs: Option<Vec<String>> =
            globs.map(|globs| globs.iter().map(|glob| (*glob).to_owned()).collect());
        code_hash(self.0.path(), &app, globs.as_deref())
    }

    fn problem(&self, globs: &[&str]) -> String {
        let error = self.hash(Some(globs)).unwrap_err();
        assert_eq!(error.class().exit_code(), 2);
        assert!(error.hint().unwrap().contains("modal.code"));
        error.to_string()
    }
}

#[test]
fn python_below_the_app_counts_and_nothing_else_does() {
    let repository = Repository::new();
    let first = repository.hash(None).unwrap();
    for other in [
        "README.md",
        "other/x.py",
        "code/data.json",
        "code/.hidden/x.py",
        "code/__pycache__/x.py",
        "code/node_modules/gyp/x.py",
        "code/venv/pyvenv.cfg",
        "code/venv/lib/x.py",
    ] {
        repository.write(other, "text");
        assert_eq!(repository.hash(None).unwrap(), first, "{other}");
    }
    repository.write("code/deep/er/x.py", "text");
    let second = repository.hash(None).unwrap();
    assert_ne!(second, first);
    repository.write("code/deep/er/x.py", "other text");
    assert_ne!(repository.hash(None).unwrap(), second);
    fs::remove_dir_all(repository.0.path().join("code/deep")).unwrap();
    assert_eq!(repository.hash(None).unwrap(), first);
    repository.write("code/modal_app.py", "changed");
    assert_ne!(repository.hash(None).unwrap(), first);
}

#[test]
fn patterns_say_what_counts_besides_the_app() {
    let repository = Repository::new();
    let globs: &[&str] = &["./code/*.json", "shared/**", "nothing/here.txt"];
    let first = repository.hash(Some(globs)).unwrap();
    for other in ["code/x.py", "code/deep/x.json", ".git/HEAD", "x.json"] {
        repository.write(other, "text");
        assert_eq!(repository.hash(Some(globs)).unwrap(), first, "{other}");
    }
    for counted in [
        "code/x.json",
        "shared/.hidden",
        "shared/a/b",
        "code/modal_app.py",
    ] {
        let before = repository.hash(Some(globs)).unwrap();
        repository.write(counted, "new text");
        assert_ne!(repository.hash(Some(globs)).unwrap(), before, "{counted}");
    }
}

#[test]
fn content_does_not_move_from_file_to_file() {
    let (one, two) = (Repository::new(), Repository::new());
    one.write("code/a.py", "1");
    one.write("code/b.py", "2");
    two.write("code/b.py", "1");
    two.write("code/a.py", "2");
    assert_ne!(one.hash(None).unwrap(), two.hash(None).unwrap());
    // The same files made in another order, with other times.
    two.write("code/b.py", "2");
    two.write("code/a.py", "1");
    assert_eq!(one.hash(None).unwrap(), two.hash(None).unwrap());
}

#[test]
fn links_count_as_what_they_lead_to_unless_that_is_outside() {
    let repository = Repository::new();
    let root = repository.0.path();
    repository.write("shared/lib.py", "1");
    symlink("../shared/lib.py", root.join("code/lib.py")).unwrap();
    let first = repository.hash(None).unwrap();
    repository.write("shared/lib.py", "2");
    assert_ne!(repository.hash(None).unwrap(), first);
    // A folder that holds itself must not be walked for ever.
    symlink("..", root.join("code/again")).unwrap();
    repository.hash(None).unwrap();

    let outside = tempfile::NamedTempFile::new().unwrap();
    symlink(outside.path(), root.join("code/out.py")).unwrap();
    let problem = repository.problem(&["code/*.py"]);
    assert!(
        problem.ends_with("`code/out.py`: it leads out of the repository"),
        "{problem}"
    );
    assert!(repository.hash(None).is_err());
    fs::remove_file(root.join("code/out.py")).unwrap();
    symlink("nowhere", root.join("code/out.py")).unwrap();
    assert!(
        repository
            .problem(&["code/*.py"])
            .contains("`code/out.py`: No such file")
    );
}

#[test]
fn patterns_stay_inside_and_are_patterns() {
    let repository = Repository::new();
    for (glob, says) in [
        ("", "empty, absolute or has `..`"),
        ("/etc/*", "empty, absolute or has `..`"),
        ("code/../../*", "empty, absolute or has `..`"),
        (
            "code/[a",
            "the pattern `code/[a` is none: unclosed character class",
        ),
    ] {
        let problem = repository.problem(&[glob]);
        assert!(problem.contains(says), "{problem}");
    }
}

#[test]
fn a_folder_of_data_is_not_taken_for_code() {
    let repository = Repository::new();
    let file = File::create(repository.0.path().join("huge.bin")).unwrap();
    file.set_len(MOST_BYTES + 1).unwrap();
    repository.hash(None).unwrap();
    let problem = repository.problem(&["*.bin"]);
    assert!(
        problem.contains("`huge.bin`: with it the files exceed 64 MiB"),
        "{problem}"
    );
    fs::create_dir(repository.0.path().join("many")).unwrap();
    for number in 0..=MOST_FILES {
        fs::write(repository.0.path().join(format!("many/{number}")), "").unwrap();
    }
    let problem = repository.problem(&["many/*"]);
    assert!(problem.contains("more than 10000 files"), "{problem}");
}
