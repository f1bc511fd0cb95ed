use pr_checks::{Changes, ChecksError};
use tokio_util::sync::CancellationToken;

use crate::support::Repository;

async fn between(repository: &Repository, base: &str) -> Result<Changes, ChecksError> {
    Changes::between(&repository.root(), base, "HEAD", &CancellationToken::new()).await
}

#[tokio::test]
async fn what_a_branch_changes_since_it_left() {
    let repository = Repository::new().await;
    repository.write("a.py", "1\n2\n3\n4\n5\n");
    repository.write("gone.py", "x\n");
    repository.write("moved.py", "1\n2\n3\n");
    repository.commit().await;
    repository.git(&["switch", "--quiet", "-c", "work"]).await;
    repository.write("a.py", "1\ntwo\n3\n5\nsix\nseven");
    repository.write("ä \"b\"\n.py", "++ b/x\n@@ -1 +1 @@\n");
    repository.git(&["mv", "moved.py", "sub.py"]).await;
    repository.git(&["rm", "--quiet", "gone.py"]).await;
    repository.commit().await;
    repository.git(&["switch", "--quiet", "dev"]).await;
    repository.write("other.py", "not of the branch\n");
    repository.commit().await;
    repository.git(&["switch", "--quiet", "work"]).await;
    // What a user has configured.
    for (name, value) in [
        ("diff.noprefix", "true"),
        ("diff.mnemonicPrefix", "true"),
        ("color.ui", "always"),
        ("diff.renames", "copies"),
        ("diff.external", "false"),
    ] {
        repository.git(&["config", name, value]).await;
    }
    let changes = between(&repository, "dev").await.unwrap();
    insta::assert_debug_snapshot!(changes, @r#"
    Changes {
        paths: {
            "a.py",
            "gone.py",
            "moved.py",
            "sub.py",
            "ä \"b\"\n.py",
        },
        lines: {
            "a.py": [
                (
                    2,
                    2,
                ),
                (
                    5,
                    6,
                ),
            ],
            "ä \"b\"\n.py": [
                (
                    1,
                    2,
                ),
            ],
        },
    }
    "#);
}

#[tokio::test]
async fn commits_that_are_none_are_errors() {
    let repository = Repository::new().await;
    repository.write("a.py", "");
    repository.commit().await;
    for bad in ["", "--output=x", "a..b"] {
        assert!(
            matches!(
                between(&repository, bad).await,
                Err(ChecksError::Commit { .. })
            ),
            "{bad}"
        );
    }
    let error = between(&repository, "nowhere").await.unwrap_err();
    insta::assert_snapshot!(error, @"find out what has changed since `nowhere`");
    assert!(error.hint().unwrap().contains("fetch-depth: 0"));
    let cancel = CancellationToken::new();
    cancel.cancel();
    let cancelled = Changes::between(&repository.root(), "dev", "HEAD", &cancel).await;
    assert!(cancelled.unwrap_err().is_cancelled());
}
