use registry_model::Digest;

/// Modal takes 50 characters, and a digest has 64: half of it is plenty to tell two apart.
const DIGITS: usize = 32;
const COMMIT_DIGITS: usize = 12;

/// The tag of a deployment: `pin-<32 digits of the digest>.<12 of the commit>`, so that Modal's
/// history tells what each version was made of.
pub(super) fn tag(digest: &Digest, commit: Option<&str>) -> String {
    let pin = &digest.hex()[..DIGITS];
    let commit = commit
        .and_then(|commit| commit.get(..COMMIT_DIGITS))
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    match commit {
        Some(commit) => format!("pin-{pin}.{commit}"),
        None => format!("pin-{pin}"),
    }
}

/// Whether `tag` is of a deployment of `digest`; `None` when it is none of ours.
pub(crate) fn names(tag: &str, digest: &Digest) -> Option<bool> {
    Some(digest.hex().starts_with(digits(tag)?))
}

/// The first digits of the digest that `tag` names; `None` when it is none of ours.
pub(crate) fn digits(tag: &str) -> Option<&str> {
    let pin = tag.strip_prefix("pin-")?.get(..DIGITS)?;
    let ours = pin.bytes().all(|b| b.is_ascii_hexdigit());
    ours.then_some(pin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_names_digest_and_commit_within_50_characters() {
        let digest: Digest = format!("sha256:{}", "ab".repeat(32)).parse().unwrap();
        let other: Digest = format!("sha256:{}", "cd".repeat(32)).parse().unwrap();
        let full = tag(&digest, Some("0123456789abcdef0123"));
        assert_eq!(full, "pin-abababababababababababababababab.0123456789ab");
        assert_eq!(full.len(), 49);
        let plain = "pin-abababababababababababababababab";
        for commit in [None, Some("abc"), Some("not a commit"), Some("äöüäöüäöü")] {
            assert_eq!(tag(&digest, commit), plain);
        }
        for tag in [full.as_str(), plain] {
            assert_eq!(names(tag, &digest), Some(true));
            assert_eq!(names(tag, &other), Some(false));
        }
        for foreign in ["", "v1.2", "pin-abab", "pin-äöüäöüäöüäöüäöüäöüäöü"] {
            assert_eq!(names(foreign, &digest), None);
        }
    }
}
