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

#[cfg(test)]
mod tests {
    use saphyr_parser::{Event, ScalarStyle};

    use super::*;

    const TEXT: &str = "ref: a/b@1\nimage:\n  oci: old\nx: y\n";

    /// Splices `text` over the bytes of `part`, where only `old` should become `new`.
    fn outcome(part: &str, text: &str) -> Result<String, &'static str> {
        let parsed = Parsed::read(TEXT.as_bytes()).unwrap();
        let start = TEXT.find(part).unwrap();
        let old = |(event, _): &(Event<'_>, _)| matches!(event, Event::Scalar(v, ..) if v == "old");
        let event = parsed.tree.events.iter().position(old).unwrap();
        let plan = Plan {
            bytes: start..start + part.len(),
            text: text.to_owned(),
            events: event..event + 1,
            expected: vec![Event::Scalar("new".into(), ScalarStyle::Plain, 0, None)],
        };
        match splice(&parsed, &plan, Position::START) {
            Ok(new) => Ok(String::from_utf8(new).unwrap()),
            Err(PinError::Unproven { detail, .. }) => Err(detail),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn an_edit_that_does_anything_else_is_not_accepted() {
        assert_eq!(outcome("old", "new"), Ok(TEXT.replace("old", "new")));
        let other = Err("the new text says something else beside the pin");
        assert_eq!(outcome("old", "newer"), other);
        assert_eq!(outcome("old", "'new'"), other);
        assert_eq!(outcome("old", "new\nz: 1"), other);
        assert_eq!(outcome("old\nx: y", "new\nx: z"), other);
        assert_eq!(outcome("old\nx: y\n", "new\n"), other);
        assert_eq!(outcome("x: y", "x: new"), other);
        assert_eq!(outcome("old", "new # "), Ok(TEXT.replace("old", "new # ")));
        let broken = outcome("old\nx: y\n", "new\nx: y\n}");
        assert_eq!(broken, Err("the new text is not YAML"));
    }
}
