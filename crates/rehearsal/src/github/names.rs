use std::path::Path;

/// Whether git takes `name` for a reference: a whole one, as `refs/heads/x`. The rules are those of
/// `git check-ref-format`.
pub(super) fn is_ref_name(name: &str) -> bool {
    let bad = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
    let bad_part = |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
    name.starts_with("refs/")
        && !name.contains(bad)
        && !name.contains("..")
        && !name.contains("@{")
        && !name.ends_with('.')
        && !name.split('/').any(bad_part)
}

/// Whether the text is a whole object id.
pub(super) fn is_object_id(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Where the reference of that name points, as it stands in the files of a bare repository. The
/// name must be one that [`is_ref_name`] takes.
pub(super) fn read_ref(dir: &Path, name: &str) -> std::io::Result<Option<String>> {
    if let Some(found) = loose(dir, name)? {
        return Ok(Some(found));
    }
    if let Some(found) = packed(dir, name)? {
        return Ok(Some(found));
    }
    // `git pack-refs` may have undone one file and written another in between.
    loose(dir, name)
}

fn loose(dir: &Path, name: &str) -> std::io::Result<Option<String>> {
    use std::io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
    match std::fs::read_to_string(dir.join(name)) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|text| is_object_id(text))),
        Err(error) if [NotFound, NotADirectory, IsADirectory].contains(&error.kind()) => Ok(None),
        Err(error) => Err(error),
    }
}

fn packed(dir: &Path, name: &str) -> std::io::Result<Option<String>> {
    let text = match std::fs::read_to_string(dir.join("packed-refs")) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut entries = text.lines().filter_map(|line| line.split_once(' '));
    Ok(entries
        .find(|(id, found)| *found == name && is_object_id(id))
        .map(|(id, _)| id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_util::sync::CancellationToken;

    #[tokio::test]
    async fn names_are_judged_as_git_does() {
        for name in [
            "refs/heads/dev",
            "refs/heads/bot/pin-1",
            "refs/heads/ä",
            "refs/heads/50%-#1+é",
            "refs/heads/-x",
            "refs/heads/@",
            "refs/heads/a@b",
            "refs/heads/",
            "refs/heads//a",
            "refs/heads/../x",
            "refs/heads/a..b",
            "refs/heads/.a",
            "refs/heads/a.",
            "refs/heads/a.lock",
            "refs/heads/a.lock/b",
            "refs/heads/a b",
            "refs/heads/a\tb",
            "refs/heads/a\u{7f}",
            "refs/heads/a~1",
            "refs/heads/a^",
            "refs/heads/a:b",
            "refs/heads/a?",
            "refs/heads/a*",
            "refs/heads/a[",
            "refs/heads/a\\b",
            "refs/heads/a@{b",
        ] {
            let git = process::Command::new("git").args(["check-ref-format", name]);
            let taken = git.run(&CancellationToken::new()).await.is_ok();
            assert_eq!(is_ref_name(name), taken, "{name:?}");
        }
        for other in ["", "HEAD", "dev", "/etc/passwd", "refs/heads/a\0b"] {
            assert!(!is_ref_name(other), "{other:?}");
        }
    }

    #[test]
    fn references_are_read_from_both_places() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        std::fs::create_dir_all(folder.path().join("refs/heads/x")).unwrap();
        std::fs::write(folder.path().join("refs/heads/new"), format!("{a}\n")).unwrap();
        let packed =
            format!("# pack-refs with: peeled\n{b} refs/heads/new\n{b} refs/heads/old\n^{a}\n");
        std::fs::write(folder.path().join("packed-refs"), packed).unwrap();
        let read = |name| read_ref(folder.path(), name).unwrap();
        assert_eq!(read("refs/heads/new"), Some(a));
        assert_eq!(read("refs/heads/old"), Some(b));
        for missing in ["refs/heads/x", "refs/heads/no", "refs/heads/new/below"] {
            assert_eq!(read(missing), None, "{missing}");
        }
    }
}
