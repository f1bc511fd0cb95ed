use std::os::unix::fs::PermissionsExt;

use pr_checks::{Check, Verdict};
use serde_json::json;

use crate::support::{Repository, check};

/// Leaves a line in `ran` outside of its inputs, and passes when `code/a.py` is not `bad`.
fn counted() -> Check {
    check(json!({
        "name": "lint", "paths": ["code/**"], "inputs": ["settings.toml"],
        "versions": [["cat", ".git/version"]],
        "command": ["sh", "-c", "echo >> .git/ran; ! grep -q bad code/a.py"],
    }))
}

async fn repository() -> Repository {
    let repository = Repository::new().await;
    repository.write("code/a.py", "good");
    repository.write("README.md", "");
    repository.write(".git/version", "1");
    repository
}

async fn verdict(repository: &Repository, check: &Check) -> Verdict {
    repository.run(std::slice::from_ref(check)).await.checks[0].verdict
}

fn runs(repository: &Repository) -> usize {
    repository.read(".git/ran").lines().count()
}

use Verdict::{Failed, Passed, Reused};

#[tokio::test]
async fn unchanged_inputs_are_not_checked_again() {
    let repository = repository().await;
    let lint = counted();
    assert_eq!(verdict(&repository, &lint).await, Passed);
    assert_eq!(verdict(&repository, &lint).await, Reused);
    repository.write("README.md", "other");
    repository.commit().await;
    assert_eq!(verdict(&repository, &lint).await, Reused);
    assert_eq!(runs(&repository), 1);
}

#[tokio::test]
async fn whatever_it_depends_on_makes_it_run_again() {
    let repository = repository().await;
    let lint = counted();
    assert_eq!(verdict(&repository, &lint).await, Passed);
    // Back and forth: what was known stays known.
    for (file, text) in [
        ("code/a.py", "better"),
        ("code/new.py", ""),
        ("settings.toml", "x"),
        (".git/version", "2"),
    ] {
        repository.write(file, text);
        assert_eq!(verdict(&repository, &lint).await, Passed, "{file}");
        assert_eq!(verdict(&repository, &lint).await, Reused, "{file}");
    }
    let file = repository.root().join("code/a.py");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(verdict(&repository, &lint).await, Passed);
    std::fs::remove_file(repository.root().join("code/new.py")).unwrap();
    assert_eq!(verdict(&repository, &lint).await, Passed);
    let other = Check {
        env: [("A".to_owned(), "b".to_owned())].into(),
        ..lint.clone()
    };
    assert_eq!(verdict(&repository, &other).await, Passed);
    assert_eq!(verdict(&repository, &lint).await, Reused);
}

#[tokio::test]
async fn what_failed_is_checked_again() {
    let repository = repository().await;
    let lint = counted();
    repository.write("code/a.py", "bad");
    assert_eq!(verdict(&repository, &lint).await, Failed);
    assert_eq!(verdict(&repository, &lint).await, Failed);
    assert_eq!(runs(&repository), 2);
}

#[tokio::test]
async fn warnings_come_back_with_what_is_reused() {
    let repository = repository().await;
    let warns = check(json!({
        "name": "warns", "paths": ["code/**"], "versions": [["true"]],
        "command": ["echo", "code/a.py:1: warning: hm"],
        "parser": {"kind": "pattern",
            "expression": "^(?P<file>.*):(?P<line>1): (?P<severity>warning): (?P<message>.*)$"},
    }));
    let first = repository.run(std::slice::from_ref(&warns)).await;
    let second = repository.run(std::slice::from_ref(&warns)).await;
    assert_eq!(second.checks[0].verdict, Reused);
    assert_eq!(first.findings.len(), 1);
    assert_eq!(first.findings, second.findings);
}

#[tokio::test]
async fn a_check_that_changes_what_it_looks_at_is_not_kept() {
    let repository = repository().await;
    let writes = Check {
        command: ["sh", "-c", "date +%N >> code/a.py"]
            .map(str::to_owned)
            .to_vec(),
        ..counted()
    };
    assert_eq!(verdict(&repository, &writes).await, Passed);
    assert_eq!(std::fs::read_dir(repository.cache()).unwrap().count(), 0);
}

#[tokio::test]
async fn what_names_no_files_or_has_no_version_is_never_reused() {
    let repository = repository().await;
    let nameless = Check {
        paths: Vec::new(),
        inputs: Vec::new(),
        ..counted()
    };
    let versionless = Check {
        versions: vec![vec!["false".to_owned()]],
        ..counted()
    };
    for check in [nameless, versionless] {
        assert_eq!(verdict(&repository, &check).await, Passed);
        assert_eq!(verdict(&repository, &check).await, Passed);
    }
}

#[tokio::test]
async fn what_another_that_it_needs_depends_on_counts() {
    let repository = repository().await;
    let first = counted();
    let second = check(json!({
        "name": "second", "paths": ["docs/**"], "versions": [["true"]], "needs": ["lint"],
        "command": ["true"],
    }));
    let checks = [first, second];
    repository.run(&checks).await;
    assert_eq!(repository.run(&checks).await.checks[1].verdict, Reused);
    repository.write("code/a.py", "better");
    assert_eq!(repository.run(&checks).await.checks[1].verdict, Passed);
}

#[tokio::test]
async fn a_damaged_entry_costs_a_run_and_no_more() {
    let repository = repository().await;
    let lint = counted();
    verdict(&repository, &lint).await;
    for entry in std::fs::read_dir(repository.cache()).unwrap() {
        std::fs::write(entry.unwrap().path(), "{").unwrap();
    }
    assert_eq!(verdict(&repository, &lint).await, Passed);
    assert_eq!(verdict(&repository, &lint).await, Reused);
}

#[tokio::test]
async fn without_git_nothing_is_reused() {
    let repository = repository().await;
    std::fs::remove_dir_all(repository.root().join(".git")).unwrap();
    let lint = Check {
        command: vec!["true".to_owned()],
        ..counted()
    };
    assert_eq!(verdict(&repository, &lint).await, Passed);
    assert_eq!(verdict(&repository, &lint).await, Passed);
}
