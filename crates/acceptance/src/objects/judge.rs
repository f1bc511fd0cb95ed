//! Keys and media types against declarations. Nothing here asks or does anything.

use registry_model::MediaType;

use super::DeclaredObject;
use crate::told::Told;
use crate::{Violation, ViolationCode};

/// The kinds of which an object may be by its key: more than one when several cases or versions
/// declare the same file, none when nobody does.
pub(super) fn of_key<'a>(
    declared: &[&'a DeclaredObject],
    prefix: &str,
    key: &str,
) -> Vec<&'a MediaType> {
    let plain = |part: &str| !matches!(part, "" | "." | "..");
    let Some(rest) = key.strip_prefix(prefix) else {
        return Vec::new();
    };
    // A server may take such parts for another place than they say.
    if !key.split('/').all(plain) {
        return Vec::new();
    }
    let declares = |one: &&&DeclaredObject| {
        let below = rest.strip_prefix(one.reference.unversioned().as_str());
        let file = below.and_then(|below| below.strip_suffix(one.path.as_str()));
        file.is_some_and(|between| between.starts_with('/') && between.ends_with('/'))
    };
    let mut kinds: Vec<&MediaType> = declared
        .iter()
        .filter(declares)
        .map(|one| &one.media_type)
        .collect();
    kinds.dedup();
    kinds
}

/// What is wrong with an object, if something is. `got` is its media type as the server has it.
pub(super) fn violation(
    key: &str,
    kinds: &[&MediaType],
    got: Option<&str>,
    prefix: &str,
    told: &Told,
) -> Option<Violation> {
    let (code, what, expected, got) = if kinds.is_empty() {
        let expected =
            format!("only `{prefix}<processor>/…/<declared path>` of a pinned processor");
        (ViolationCode::ArtifactUndeclared, "object", expected, "it")
    } else {
        let essence = got
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default();
        let essence = essence.trim();
        if kinds
            .iter()
            .any(|kind| kind.as_str().eq_ignore_ascii_case(essence))
        {
            return None;
        }
        let expected: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
        let got = if essence.is_empty() { "none" } else { essence };
        (
            ViolationCode::ArtifactKind,
            "media type",
            expected.join(" or "),
            got,
        )
    };
    Some(Violation {
        code,
        what: what.to_owned(),
        expected: told.line(&expected),
        got: told.line(got),
        artifact: Some(told.line(key)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(reference: &str, path: &str, kind: &str) -> DeclaredObject {
        DeclaredObject {
            reference: reference.parse().unwrap(),
            path: path.parse().unwrap(),
            media_type: kind.parse().unwrap(),
        }
    }

    fn judged(prefix: &str, key: &str, got: &str) -> Option<String> {
        let all = [
            declared("text/sum@1", "metadata.json", "application/json"),
            declared("text/sum@1", "text/out.txt", "text/plain"),
            declared("text/sum@2", "text/out.txt", "text/markdown"),
        ];
        let all: Vec<&DeclaredObject> = all.iter().collect();
        let kinds = of_key(&all, prefix, key);
        let violation = violation(key, &kinds, Some(got), prefix, &Told::new());
        violation.map(|it| it.to_string())
    }

    #[test]
    fn what_a_processor_declares_may_be_there() {
        for (prefix, key, kind) in [
            ("", "text/sum/metadata.json", "application/json"),
            (
                "",
                "text/sum/1/ab/text/out.txt",
                "text/plain; charset=utf-8",
            ),
            ("", "text/sum/2/text/out.txt", "Text/Markdown"),
            ("runs/", "runs/text/sum/1/metadata.json", "application/json"),
        ] {
            assert_eq!(judged(prefix, key, kind), None, "{key}");
        }
    }

    #[test]
    fn nothing_else_may() {
        for (prefix, key) in [
            ("", "metadata.json"),
            ("", "text/other/metadata.json"),
            ("", "text/summary/metadata.json"),
            ("", "text/sum/1/other-metadata.json"),
            ("", "text/sum/1/metadata.json/x"),
            ("", "text/sum/../metadata.json"),
            ("", "text/sum//metadata.json"),
            ("", "/text/sum/metadata.json"),
            ("", "x/text/sum/metadata.json"),
            ("runs/", "text/sum/metadata.json"),
            // The name of the processor is no part of the path that it declares.
            ("", "text/sum"),
            ("", "text/out.txt"),
        ] {
            let said = judged(prefix, key, "application/json");
            let expected = format!(
                "`{key}`: object: expected only `{prefix}<processor>/…/<declared path>` of a pinned \
                 processor, got it"
            );
            assert_eq!(said, Some(expected));
        }
    }

    #[test]
    fn a_declared_object_is_of_its_kind() {
        assert_eq!(
            judged("", "text/sum/1/text/out.txt", "image/png").as_deref(),
            Some(
                "`text/sum/1/text/out.txt`: media type: expected text/plain or text/markdown, got \
                 image/png"
            )
        );
        let none = judged("", "text/sum/metadata.json", "");
        assert!(
            none.unwrap()
                .ends_with("expected application/json, got none")
        );
    }

    #[test]
    fn a_key_cannot_be_a_command_to_a_runner() {
        let said = judged("", "a\n::error::b\u{1b}[2J", "x/y").unwrap();
        assert!(said.starts_with("`a ::error::b [2J`: "), "{said}");
    }
}
