//! Where the page may lead to.

use url::Url;

/// The address, if it leads to a page of the web and tells no password.
pub(super) fn web(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    let tells = !url.username().is_empty() || url.password().is_some();
    (is_web && !tells).then(|| url.into())
}

/// The address of the commits of a repository, to which the commit is added.
pub(super) fn commits(repository: &str) -> Option<String> {
    let mut url = Url::parse(&web(repository)?).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    Some(format!("{}/commit/", url.as_str().trim_end_matches('/')))
}

/// Whether it is a name that git gives a commit: the address of one is made with it.
pub(super) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_web_is_linked() {
        for bad in [
            "javascript:alert(1)",
            " java\nscript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "//example.com/x",
            "https://user:secret@example.com/",
            "https://",
            "vbscript:x",
            "",
        ] {
            assert_eq!(web(bad), None, "{bad}");
        }
        assert_eq!(
            web("https://example.com/a\"><b>").as_deref(),
            Some("https://example.com/a%22%3E%3Cb%3E")
        );
    }

    #[test]
    fn commits_are_below_their_repository() {
        let expected = Some("https://github.com/acme/models/commit/");
        assert_eq!(
            commits("https://github.com/acme/models").as_deref(),
            expected
        );
        assert_eq!(
            commits("https://github.com/acme/models/?a#b").as_deref(),
            expected
        );
        assert_eq!(commits("ssh://git@github.com/acme/models"), None);
    }

    #[test]
    fn a_commit_is_no_path() {
        assert!(is_commit(&"a0".repeat(20)) && is_commit(&"0f".repeat(32)));
        assert!(!is_commit("../../settings") && !is_commit(&"A0".repeat(20)) && !is_commit("abc"));
    }
}
