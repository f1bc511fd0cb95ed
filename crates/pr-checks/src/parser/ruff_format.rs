use crate::finding::{Findings, Raw};

/// What `ruff format --check` writes: `Would reformat: <file>`, or in newer versions a rule and a
/// message, and the place in the line after it.
pub(super) fn read(text: &str, to: &mut Findings<'_>) {
    let mut head: Option<(&str, &str)> = None;
    for line in text.lines() {
        if let Some(file) = line.strip_prefix("Would reformat: ") {
            to.add(Raw {
                file: Some(file),
                rule: "unformatted",
                message: "File would be reformatted",
                ..Raw::default()
            });
        } else if let Some(place) = line.trim_start().strip_prefix("--> ")
            && let Some((rule, message)) = head.take()
        {
            let (file, at) = place_of(place);
            to.add(Raw {
                file: Some(file),
                line: at.map(|(line, _)| line),
                column: at.map(|(_, column)| column),
                rule,
                message,
                ..Raw::default()
            });
        } else {
            head = line.split_once(": ").filter(|(rule, _)| is_rule(rule));
        }
    }
}

/// `unformatted`, `invalid-syntax`: not what a line of the shown code looks like.
fn is_rule(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

/// `a.py:3:5`, whose name may hold colons, too.
fn place_of(text: &str) -> (&str, Option<(u64, u64)>) {
    let mut parts = text.rsplitn(3, ':');
    let (column, line, file) = (parts.next(), parts.next(), parts.next());
    let number = |part: Option<&str>| part?.parse().ok();
    match (file, number(line), number(column)) {
        (Some(file), Some(line), Some(column)) => (file, Some((line, column))),
        _ => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::tests::{found, shown};
    use proptest::prelude::*;

    #[test]
    fn what_ruff_writes() {
        let text = include_str!("../../tests/fixtures/ruff-format.txt");
        let ((), findings) = found(|to| read(text, to));
        insta::assert_snapshot!(shown(&findings), @"
        Error code/broken.py:1:7 invalid-syntax: Expected a parameter or the end of the parameter list
        Error code/shop/cart.py:12:25 unformatted: File would be reformatted
        ");
    }

    #[test]
    fn what_older_versions_write() {
        let text = "Would reformat: a.py\nWould reformat: b c.py\n2 files would be reformatted\n";
        let ((), findings) = found(|to| read(text, to));
        insta::assert_snapshot!(shown(&findings), @"
        Error code/a.py:-:- unformatted: File would be reformatted
        Error code/b c.py:-:- unformatted: File would be reformatted
        ");
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in "(Would reformat: |a: |--> |[a:0-9. \n]){0,40}") {
            found(|to| read(&text, to));
        }
    }
}
