use tokio_util::sync::CancellationToken;

use super::EmbeddedGithubError;

/// Makes sure that there is a git which can merge without a working tree.
pub(super) async fn check(cancel: &CancellationToken) -> Result<(), EmbeddedGithubError> {
    let output = process::Command::new("git")
        .arg("--version")
        .run(cancel)
        .await
        .map_err(|source| EmbeddedGithubError::Git {
            operation: "find git".to_owned(),
            source,
        })?;
    let text = output.stdout_text();
    if is_new_enough(&text) {
        Ok(())
    } else {
        Err(EmbeddedGithubError::GitTooOld {
            found: text.trim().trim_start_matches("git version ").to_owned(),
        })
    }
}

/// `git merge-tree --write-tree` came with 2.38.
fn is_new_enough(version: &str) -> bool {
    let mut numbers = version
        .trim()
        .trim_start_matches("git version ")
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let found = (
        numbers.next().unwrap_or_default(),
        numbers.next().unwrap_or_default(),
    );
    found >= (2, 38)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_versions() {
        for good in [
            "git version 2.38.0",
            "git version 2.47.3 (Apple Git-1)",
            "git version 3.0",
        ] {
            assert!(is_new_enough(good), "{good}");
        }
        for old in ["git version 2.37.9", "git version 1.99", "what?", ""] {
            assert!(!is_new_enough(old), "{old}");
        }
    }
}
