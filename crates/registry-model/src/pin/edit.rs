use std::ops::Range;

use saphyr_parser::{Event, ScalarStyle};

use super::entry::{Found, Parsed};
use super::error::{PinError, Refusal};
use super::{insert, proof, span};
use crate::finding::Position;
use crate::{PinPlace, PinnedImage, Platform};

/// What an edit makes of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// The pin is already this image.
    Unchanged,
    /// The whole new text.
    Changed(Vec<u8>),
}

/// One splice, and what it must do to the events of the document.
pub(super) struct Plan {
    /// The bytes that go.
    pub(super) bytes: Range<usize>,
    /// What comes in their place.
    pub(super) text: String,
    /// The events that go.
    pub(super) events: Range<usize>,
    /// What comes in their place.
    pub(super) expected: Vec<Event<'static>>,
}

/// Sets one pin in the text of a registry file, and proves that nothing else changed.
///
/// Only the bytes of the value change; its quotes stay. An empty value is filled in, and a key
/// that is missing is added in the file's own indentation and line ending. The new text is parsed
/// again, and must give the same events as the old one but for the pin.
///
/// # Errors
/// When the text is no YAML, when the pin can't be edited safely (see [`Refusal`]), and when the
/// proof fails.
pub fn edit(text: &[u8], place: &PinPlace, image: &PinnedImage) -> Result<Edit, PinError> {
    if let PinPlace::Platform(platform) = place
        && Platform::linux(platform.arch()).as_ref() != Some(platform)
    {
        let refusal = Refusal::Platform(platform.to_string());
        return Err(PinError::refused(Position::START, refusal));
    }
    let parsed = Parsed::read(text)?;
    let keys = place.keys();
    let image = image.to_string();
    let found = parsed.find(place, &keys)?;
    let (plan, at) = match found {
        Found::Value(key, value) => {
            if parsed
                .tree
                .scalar(value)
                .is_some_and(|(old, _)| old == image)
            {
                return Ok(Edit::Unchanged);
            }
            (replace(&parsed, (key, value), &keys, &image)?, value)
        }
        Found::Null {
            pair,
            in_map,
            depth,
        } => {
            let keys = &keys[..];
            (
                insert::into_null(&parsed, pair, in_map, keys, depth, &image)?,
                pair.0,
            )
        }
        Found::Missing { map, key, depth } => (
            insert::into_map(&parsed, map, key, &keys, depth, &image)?,
            map,
        ),
    };
    let at = Position::of(parsed.tree.node(at).start);
    proof::splice(&parsed, &plan, at).map(Edit::Changed)
}

/// Another value in the place of the old one.
fn replace(
    parsed: &Parsed<'_>,
    (key, value): (usize, usize),
    keys: &[&str],
    image: &str,
) -> Result<Plan, PinError> {
    let path = keys.join(".");
    let (source, tree) = (&parsed.source, &parsed.tree);
    // The parser puts a block scalar where its text begins; people look for its key.
    let refuse = |refusal| parsed.refuse(key, refusal);
    let span = span::of_scalar(source, tree, value, &path).map_err(refuse)?;
    let (bytes, text) = match span {
        Some(span) => (span.inner, image.to_owned()),
        None => insert::after_colon(parsed, key, &path, image)?,
    };
    let event = tree.node(value).event;
    let style = tree
        .scalar(value)
        .map_or(ScalarStyle::Plain, |(_, style)| style);
    Ok(Plan {
        bytes,
        text,
        events: event..event + 1,
        expected: vec![Event::Scalar(image.to_owned().into(), style, 0, None)],
    })
}
