//! The patch that `git diff --unified=0` writes, read for the lines that are new.

use std::collections::BTreeMap;

type Lines = BTreeMap<String, Vec<(u64, u64)>>;

/// The new lines of each file, first and last. Lines of a hunk are counted, not looked at: they may
/// look like anything.
pub(crate) fn lines(patch: &[u8]) -> Result<Lines, String> {
    let mut found = Lines::new();
    let mut file: Option<String> = None;
    let mut inside: u64 = 0;
    for (at, line) in patch.split(|byte| *byte == b'\n').enumerate() {
        if inside > 0 {
            match line.first() {
                Some(b'+' | b'-') => inside -= 1,
                // `\ No newline at end of file` counts as none.
                Some(b'\\') => {}
                _ => return Err(format!("line {} of the patch is not in its hunk", at + 1)),
            }
        } else if let Some(name) = line.strip_prefix(b"+++ ") {
            file = name_of(name);
        } else if line.starts_with(b"@@ ") {
            let hunk = std::str::from_utf8(line).ok().and_then(hunk).or_else(|| {
                // After the numbers, git shows a line of the file, in whatever encoding.
                let end = line.windows(3).position(|three| three == b" @@")?;
                hunk(std::str::from_utf8(&line[..end + 3]).ok()?)
            });
            let Some((removed, (first, added))) = hunk else {
                return Err(format!("line {} of the patch is no hunk", at + 1));
            };
            inside = removed.saturating_add(added);
            if let Some(file) = file.as_ref().filter(|_| added > 0) {
                let last = first.saturating_add(added - 1);
                found.entry(file.clone()).or_default().push((first, last));
            }
        } else if line.starts_with(b"diff ") {
            file = None;
        }
    }
    match inside {
        0 => Ok(found),
        _ => Err("the patch ends within a hunk".to_owned()),
    }
}

/// `@@ -1,2 +3,4 @@`: how many lines go; where those begin that come, and how many.
fn hunk(line: &str) -> Option<(u64, (u64, u64))> {
    let mut words = line.split(' ').skip(1);
    let range = |word: &str, sign: char| {
        let word = word.strip_prefix(sign)?;
        let (start, count) = word.split_once(',').unwrap_or((word, "1"));
        Some((start.parse::<u64>().ok()?, count.parse::<u64>().ok()?))
    };
    let (_, removed) = range(words.next()?, '-')?;
    let added = range(words.next()?, '+')?;
    (words.next()? == "@@").then_some((removed, added))
}

/// `b/a.py`, `"b/\303\244.py"`; none for `/dev/null`.
fn name_of(text: &[u8]) -> Option<String> {
    // Git puts a tab behind a name with a space.
    let text = text.strip_suffix(b"\t").unwrap_or(text);
    let name = match text.strip_prefix(b"\"") {
        Some(quoted) => unquoted(quoted.strip_suffix(b"\"")?)?,
        None => text.to_vec(),
    };
    let name = name.strip_prefix(b"b/")?;
    Some(String::from_utf8_lossy(name).into_owned())
}

/// Without C's escapes.
fn unquoted(text: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            plain.push(byte);
            continue;
        }
        plain.push(match bytes.next()? {
            b'a' => 7,
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 11,
            b'f' => 12,
            b'r' => b'\r',
            first @ b'0'..=b'3' => {
                let mut value = first - b'0';
                for _ in 0..2 {
                    let digit = bytes.next().filter(|digit| matches!(digit, b'0'..=b'7'))?;
                    value = value * 8 + (digit - b'0');
                }
                value
            }
            other => other,
        });
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PATCH: &str = "diff --git a/a.py b/a.py\nindex 1..2 100644\n--- a/a.py\n+++ b/a.py\n\
        @@ -3 +3,2 @@ def f():\n-x\n+++ b/evil.py\n+@@ -1 +1 @@\n@@ -9,2 +10,0 @@\n--- a/y\n-z\n\
        diff --git a/gone.py b/gone.py\n--- a/gone.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n\
        \\ No newline at end of file\n\
        diff --git \"a/\\303\\244\\\"b.py\" \"b/\\303\\244\\\"b.py\"\n--- /dev/null\n\
        +++ \"b/\\303\\244\\\"b.py\"\n@@ -0,0 +1 @@\n+x\n\
        diff --git a/b c.py b/b c.py\n--- a/b c.py\t\n+++ b/b c.py\t\n@@ -0,0 +7 @@\n+x\n";

    #[test]
    fn new_lines_of_each_file_whatever_they_look_like() {
        let found = lines(PATCH.as_bytes()).unwrap();
        let expected: Lines = [
            ("a.py".to_owned(), vec![(3, 4)]),
            ("ä\"b.py".to_owned(), vec![(1, 1)]),
            ("b c.py".to_owned(), vec![(7, 7)]),
        ]
        .into();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_patch_that_ends_early_is_an_error() {
        assert!(lines(b"+++ b/a\n@@ -1 +1,9 @@\n+x\n+y").is_err());
        assert!(lines(b"@@ -1 +x @@\n").is_err());
        assert!(lines(b"+++ b/a\n@@ -0,0 +1,2 @@\n+x\nelse\n").is_err());
        assert!(lines(b"+++ b/a\n@@ -0,0 +1,18446744073709551615 @@\n+x\n").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_panic(
            noise in proptest::collection::vec(any::<u8>(), 0..9), at in 0..PATCH.len(),
        ) {
            let mut patch = PATCH.as_bytes().to_vec();
            patch.splice(at..at, noise);
            let _ = lines(&patch);
            let _ = lines(&patch[..at]);
        }

        #[test]
        fn content_changes_nothing(content in proptest::collection::vec("[-+@ab/ ]{0,9}", 1..9)) {
            let body: String = content.iter().map(|line| format!("+{line}\n")).collect();
            let count = content.len() as u64;
            let patch = format!("diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -0,0 +1,{count} @@\n{body}");
            let expected: Lines = [("a".to_owned(), vec![(1, count)])].into();
            prop_assert_eq!(lines(patch.as_bytes()).unwrap(), expected);
        }
    }
}
