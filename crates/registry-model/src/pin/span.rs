//! From a scalar of the tree to its bytes. The parser's end positions of quoted scalars take in
//! what follows them, so the end is found in the source.

use std::ops::Range;

use saphyr_parser::ScalarStyle;

use super::error::Refusal;
use crate::yaml::{NodeId, Source, Tree};

/// The bytes of a scalar: with its quotes, and of what is between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ScalarSpan {
    pub(super) outer: Range<usize>,
    pub(super) inner: Range<usize>,
}

/// The bytes of a scalar that stands in one line; `None` for an empty one, which has none.
pub(super) fn of_scalar(
    source: &Source<'_>,
    tree: &Tree<'_>,
    id: NodeId,
    path: &str,
) -> Result<Option<ScalarSpan>, Refusal> {
    let several = || Refusal::SeveralLines(path.to_owned());
    let Some((value, style)) = tree.scalar(id) else {
        return Err(Refusal::NotAScalar(path.to_owned()));
    };
    if style == ScalarStyle::Plain && value.is_empty() {
        return Ok(None);
    }
    let start = source.byte(tree.node(id).start).ok_or_else(several)?;
    let bytes = &source.bytes()[start..];
    let (outer, quotes) = match style {
        ScalarStyle::Literal | ScalarStyle::Folded => {
            return Err(Refusal::BlockScalar(path.to_owned()));
        }
        ScalarStyle::Plain if bytes.starts_with(value.as_bytes()) => (value.len(), 0),
        ScalarStyle::Plain => return Err(several()),
        ScalarStyle::SingleQuoted => (single_quoted(bytes).ok_or_else(several)?, 1),
        ScalarStyle::DoubleQuoted => (double_quoted(bytes).ok_or_else(several)?, 1),
    };
    Ok(Some(ScalarSpan {
        outer: start..start + outer,
        inner: start + quotes..start + outer - quotes,
    }))
}

/// The length of the `'…'` that `bytes` start with, if it ends in the same line.
fn single_quoted(bytes: &[u8]) -> Option<usize> {
    let mut index = 1;
    (bytes.first() == Some(&b'\'')).then_some(())?;
    loop {
        match (bytes.get(index)?, bytes.get(index + 1)) {
            (b'\n' | b'\r', _) => return None,
            (b'\'', Some(b'\'')) => index += 2,
            (b'\'', _) => return Some(index + 1),
            _ => index += 1,
        }
    }
}

/// The length of the `"…"` that `bytes` start with, if it ends in the same line.
fn double_quoted(bytes: &[u8]) -> Option<usize> {
    let mut index = 1;
    (bytes.first() == Some(&b'"')).then_some(())?;
    loop {
        match (bytes.get(index)?, bytes.get(index + 1)) {
            (b'\n' | b'\r', _) | (b'\\', Some(b'\n' | b'\r')) => return None,
            (b'\\', _) => index += 2,
            (b'"', _) => return Some(index + 1),
            _ => index += 1,
        }
    }
}

/// Where the `:` after a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colon {
    /// The byte after the `:`.
    After(usize),
    /// There is none, as in `{oci}`; the byte after the key.
    None(usize),
}

/// Looks for the `:` after a key, in the same line.
pub(super) fn colon(
    source: &Source<'_>,
    tree: &Tree<'_>,
    key: NodeId,
    path: &str,
) -> Result<Colon, Refusal> {
    let explicit = || Refusal::ExplicitKey(path.to_owned());
    let end = of_scalar(source, tree, key, path)?
        .ok_or_else(explicit)?
        .outer
        .end;
    let rest = &source.bytes()[end..];
    let blanks = rest
        .iter()
        .take_while(|b| matches!(b, b' ' | b'\t'))
        .count();
    Ok(match rest.get(blanks) {
        Some(b':') => Colon::After(end + blanks + 1),
        _ => Colon::None(end),
    })
}

/// Whether a collection is written with braces.
pub(super) fn is_flow(source: &Source<'_>, tree: &Tree<'_>, map: NodeId) -> bool {
    let start = source.byte(tree.node(map).start);
    let span = &tree.events[tree.node(map).event].1;
    !span.is_empty() && start.is_some_and(|byte| source.bytes().get(byte) == Some(&b'{'))
}

/// The byte after the last one of a scalar or a collection in brackets; of a key without a value,
/// after its `:`.
pub(super) fn end_of_value(
    source: &Source<'_>,
    tree: &Tree<'_>,
    (key, value): (NodeId, NodeId),
    path: &str,
) -> Result<usize, Refusal> {
    let node = tree.node(value);
    if tree.scalar(value).is_some() {
        return Ok(match of_scalar(source, tree, value, path)? {
            Some(span) => span.outer.end,
            None => match colon(source, tree, key, path)? {
                Colon::After(byte) | Colon::None(byte) => byte,
            },
        });
    }
    let last = source.byte(tree.events[node.last_event].1.start);
    let closed = last.and_then(|byte| closing_bracket(source.bytes(), byte));
    closed.ok_or_else(|| Refusal::NoPlace(path.to_owned()))
}

/// The byte after the bracket that closes a collection, looked for from `byte` on: the parser
/// gives the place of a comma before it, if there is one.
fn closing_bracket(bytes: &[u8], mut byte: usize) -> Option<usize> {
    loop {
        match bytes.get(byte)? {
            b'}' | b']' => return Some(byte + 1),
            b'#' => {
                let mut rest = bytes[byte..].iter();
                byte += rest.position(|b| matches!(b, b'\n' | b'\r'))?;
            }
            b',' | b' ' | b'\t' | b'\n' | b'\r' => byte += 1,
            _ => return None,
        }
    }
}
