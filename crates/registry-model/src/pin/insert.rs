//! Keys that are not there yet.

use std::ops::Range;

use saphyr_parser::{Event, ScalarStyle};

use super::edit::Plan;
use super::entry::Parsed;
use super::error::{PinError, Refusal};
use super::span::{self, Colon};
use crate::yaml::NodeId;

/// How far a mapping is indented within another where the file shows no example.
const STEP: usize = 2;

/// The image, wrapped into the mappings of `keys`, as events.
fn events(keys: &[&str], image: &str, style: ScalarStyle) -> Vec<Event<'static>> {
    let scalar = |text: &str| Event::Scalar(text.to_owned().into(), style, 0, None);
    let mut events = Vec::new();
    for (depth, key) in keys.iter().enumerate() {
        if depth > 0 {
            events.push(Event::MappingStart(0, None));
        }
        events.push(scalar(key));
    }
    events.push(scalar(image));
    events.extend((1..keys.len()).map(|_| Event::MappingEnd));
    events
}

/// The same as a mapping of its own.
fn events_in_map(keys: &[&str], image: &str, style: ScalarStyle) -> Vec<Event<'static>> {
    let mut all = vec![Event::MappingStart(0, None)];
    all.extend(events(keys, image, style));
    all.push(Event::MappingEnd);
    all
}

/// The image, wrapped into the mappings of `keys`, with braces: `platforms: {amd64: image}`.
fn flow(keys: &[&str], image: &str, quote: &str) -> String {
    let mut text = String::new();
    for (depth, key) in keys.iter().enumerate() {
        let brace = if depth > 0 { "{" } else { "" };
        text.push_str(&format!("{brace}{quote}{key}{quote}: "));
    }
    text.push_str(&format!("{quote}{image}{quote}"));
    text.push_str(&"}".repeat(keys.len().saturating_sub(1)));
    text
}

/// The image, wrapped into the mappings of `keys`, a line each.
fn block(keys: &[&str], image: &str, indent: usize, step: usize, line_break: &str) -> String {
    let mut lines = Vec::new();
    for (depth, key) in keys.iter().enumerate() {
        let value = if depth + 1 == keys.len() { image } else { "" };
        let line = format!("{}{key}: {value}", " ".repeat(indent + depth * step));
        lines.push(line.trim_end().to_owned());
    }
    lines.join(line_break)
}

/// The splice that writes a value after a key that has none.
pub(super) fn after_colon(
    parsed: &Parsed<'_>,
    key: NodeId,
    path: &str,
    text: &str,
) -> Result<(Range<usize>, String), PinError> {
    let colon = span::colon(&parsed.source, &parsed.tree, key, path);
    let place = match colon.map_err(|refusal| parsed.refuse(key, refusal))? {
        Colon::After(byte) => (byte..byte, format!(" {text}")),
        Colon::None(byte) => {
            let next = parsed.source.bytes().get(byte..).unwrap_or_default();
            let next = next.iter().find(|b| !b.is_ascii_whitespace());
            if !matches!(next, Some(b',' | b'}')) {
                let refusal = Refusal::ExplicitKey(path.to_owned());
                return Err(parsed.refuse(key, refusal));
            }
            (byte..byte, format!(": {text}"))
        }
    };
    Ok(place)
}

/// Whether the keys of a mapping are written as in JSON.
fn quote(parsed: &Parsed<'_>, map: NodeId) -> (&'static str, ScalarStyle) {
    let first = parsed.tree.pairs(map).and_then(|pairs| pairs.first());
    match first.and_then(|(key, _)| parsed.tree.scalar(*key)) {
        Some((_, ScalarStyle::DoubleQuoted)) => ("\"", ScalarStyle::DoubleQuoted),
        _ => ("", ScalarStyle::Plain),
    }
}

/// A value for `image:` or `platforms:` that has none; `depth` keys lead to it.
pub(super) fn into_null(
    parsed: &Parsed<'_>,
    (key, value): (NodeId, NodeId),
    in_map: NodeId,
    keys: &[&str],
    depth: usize,
    image: &str,
) -> Result<Plan, PinError> {
    let (source, tree) = (&parsed.source, &parsed.tree);
    let (path, rest) = (keys[..depth].join("."), &keys[depth..]);
    let event = tree.node(value).event;
    let plan = |bytes, text, style| Plan {
        bytes,
        text,
        events: event..event + 1,
        expected: events_in_map(rest, image, style),
    };
    let refuse = |refusal| parsed.refuse(key, refusal);

    let (quotes, style) = quote(parsed, in_map);
    let in_braces = format!("{{{}}}", flow(rest, image, quotes));
    if let Some(null) = span::of_scalar(source, tree, value, &path).map_err(refuse)? {
        return Ok(plan(null.outer, in_braces, style));
    }
    if span::is_flow(source, tree, in_map) {
        let (bytes, text) = after_colon(parsed, key, &path, &in_braces)?;
        return Ok(plan(bytes, text, style));
    }
    let Colon::After(colon) = span::colon(source, tree, key, &path).map_err(refuse)? else {
        return Err(refuse(Refusal::ExplicitKey(path)));
    };
    let step = step(parsed);
    let indent = tree.node(in_map).start.col() + step;
    let lines = |line_break: &str| block(rest, image, indent, step, line_break);
    let (bytes, text) = new_lines(parsed, colon, lines);
    Ok(plan(bytes, text, ScalarStyle::Plain))
}

/// A key for a mapping that lacks it; `depth` keys lead to the mapping, the last of them is `key`.
pub(super) fn into_map(
    parsed: &Parsed<'_>,
    map: NodeId,
    key: Option<NodeId>,
    keys: &[&str],
    depth: usize,
    image: &str,
) -> Result<Plan, PinError> {
    let (source, tree, rest) = (&parsed.source, &parsed.tree, &keys[depth..]);
    let no_place = || parsed.refuse(map, Refusal::NoPlace(keys.join(".")));
    let start = source.byte(tree.node(map).start).ok_or_else(no_place)?;
    if span::is_flow(source, tree, map) {
        let (quotes, style) = quote(parsed, map);
        let empty = tree.pairs(map).is_none_or(<[_]>::is_empty);
        let (byte, text) = into_braces(source.bytes(), start, empty, &flow(rest, image, quotes));
        let event = tree.node(map).event + 1;
        return Ok(Plan {
            bytes: byte..byte,
            text,
            events: event..event,
            expected: events(rest, image, style),
        });
    }
    // After a line of the mapping if there is one that is surely complete, else after its key.
    let (anchor, event) = match (sibling(parsed, map, depth), key) {
        (Some(found), _) => found,
        (None, Some(key)) => {
            let byte = source.byte(tree.node(key).start).ok_or_else(no_place)?;
            if source.next_line(byte).is_none_or(|next| next > start) {
                return Err(no_place());
            }
            (byte, tree.node(map).event + 1)
        }
        (None, None) => return Err(no_place()),
    };
    let step = step(parsed);
    let indent = tree.node(map).start.col();
    let lines = |line_break: &str| block(rest, image, indent, step, line_break);
    let (bytes, text) = new_lines(parsed, anchor, lines);
    Ok(Plan {
        bytes,
        text,
        events: event..event,
        expected: events(rest, image, ScalarStyle::Plain),
    })
}

/// A byte in the line of an entry of `map` that takes one line, and the event after the entry:
/// of `ref` in the document itself, else of the last such entry.
fn sibling(parsed: &Parsed<'_>, map: NodeId, depth: usize) -> Option<(usize, usize)> {
    let (source, tree) = (&parsed.source, &parsed.tree);
    let one_line = |(key, value): &(NodeId, NodeId)| {
        let node = tree.node(*value);
        tree.scalar(*value)?;
        let start = source.byte(tree.node(*key).start)?;
        let end = span::end_of_value(source, tree, (*key, *value), "").ok()?;
        let same_line = source.line_start(start) == source.line_start(end);
        (same_line && !node.anchored && !node.tagged).then_some((end, node.last_event + 1))
    };
    let pairs = tree.pairs(map)?;
    let reference = tree.find(map, "ref").filter(|_| depth == 0);
    reference
        .and_then(|pair| one_line(&pair))
        .or_else(|| pairs.iter().rev().find_map(one_line))
}

/// The splice that adds `lines` after the line of `byte`.
fn new_lines(
    parsed: &Parsed<'_>,
    byte: usize,
    lines: impl Fn(&str) -> String,
) -> (Range<usize>, String) {
    let source = &parsed.source;
    let next = source.next_line(byte);
    let line_break = source.line_break(next);
    let lines = lines(line_break);
    match next {
        Some(next) => (next..next, format!("{lines}{line_break}")),
        None => {
            let end = source.bytes().len();
            (end..end, format!("{line_break}{lines}"))
        }
    }
}

/// The splice that puts `entry` first between the braces that open at `brace`.
fn into_braces(bytes: &[u8], brace: usize, empty: bool, entry: &str) -> (usize, String) {
    let inside = &bytes[brace + 1..];
    let blanks = inside
        .iter()
        .take_while(|b| matches!(b, b' ' | b'\t'))
        .count();
    if empty {
        let space = if blanks > 0 { " " } else { "" };
        return (brace + 1, format!("{space}{entry}"));
    }
    let line_ends = matches!(inside.get(blanks), Some(b'\n' | b'\r'));
    let comma = if line_ends { "," } else { ", " };
    (brace + 1 + blanks, format!("{entry}{comma}"))
}

/// How far the file indents a mapping within the document.
fn step(parsed: &Parsed<'_>) -> usize {
    let (source, tree) = (&parsed.source, &parsed.tree);
    let outer = tree.node(parsed.root).start.col();
    let pairs = tree.pairs(parsed.root).unwrap_or_default().iter();
    let inner = pairs.map(|(_, value)| *value).find(|value| {
        let node = tree.node(*value);
        let props = node.anchored || node.tagged;
        tree.pairs(*value).is_some() && !props && !span::is_flow(source, tree, *value)
    });
    let column = inner.map_or(0, |inner| tree.node(inner).start.col());
    if column > outer { column - outer } else { STEP }
}
