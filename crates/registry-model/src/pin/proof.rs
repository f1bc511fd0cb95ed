//! The proof that an edit did what it should and nothing else.

use super::edit::Plan;
use super::entry::Parsed;
use super::error::{Location, PinError};
use crate::finding::Position;
use crate::yaml::each_event;

/// The new text, if its events are those of the old one with the planned change, and its bytes
/// outside the splice are the old ones.
pub(super) fn splice(
    parsed: &Parsed<'_>,
    plan: &Plan,
    position: Position,
) -> Result<Vec<u8>, PinError> {
    let unproven = |detail| PinError::Unproven {
        at: Location {
            file: None,
            position,
        },
        detail,
    };
    let old = parsed.source.bytes();
    let (head, tail) = match (old.get(..plan.bytes.start), old.get(plan.bytes.end..)) {
        (Some(head), Some(tail)) => (head, tail),
        _ => return Err(unproven("the value lies outside the file")),
    };
    let new = [head, plan.text.as_bytes(), tail].concat();

    let text = std::str::from_utf8(&new).map_err(|_| unproven("the new text is not UTF-8"))?;
    let before = &parsed.tree.events;
    let parts = (
        before.get(..plan.events.start),
        before.get(plan.events.end..),
    );
    let (Some(first), Some(last)) = parts else {
        return Err(unproven("the value lies outside the document"));
    };
    let mut wanted = (first.iter().map(|pair| &pair.0))
        .chain(&plan.expected)
        .chain(last.iter().map(|pair| &pair.0));
    let mut same = true;
    each_event(text, |event, _| {
        same = wanted.next() == Some(&event);
        same
    })
    .map_err(|_| unproven("the new text is not YAML"))?;
    if !same || wanted.next().is_some() {
        return Err(unproven("the new text says something else beside the pin"));
    }
    Ok(new)
}
