use std::ops::Range;

use super::entry::Parsed;
use super::error::{PinError, Refusal};
use super::span;
use crate::yaml::NodeId;

/// The text without its pins: the keys `image.oci` and `image.platforms.<arch>` and their values
/// are gone, and so are `image` and `platforms` where they hold nothing else.
///
/// Two texts that differ only in what is pinned, or in whether anything is pinned, give the same
/// result; so it can stand for the file in a key that a pin must not change. The result is meant
/// for hashing, not for reading as YAML.
///
/// # Errors
/// When the text is no YAML, or its pins could not be edited either.
pub fn without_pins(text: &[u8]) -> Result<Vec<u8>, PinError> {
    let parsed = Parsed::read(text)?;
    parsed.check_map(parsed.root, "the document")?;
    let mut cut = Cut {
        parsed: &parsed,
        ranges: Vec::new(),
    };
    match parsed.tree.find(parsed.root, "image") {
        Some(image) => cut.container(image, parsed.root, "image")?,
        None => parsed.refuse_merge(parsed.root, "image")?,
    }
    Ok(cut.apply())
}

struct Cut<'a> {
    parsed: &'a Parsed<'a>,
    ranges: Vec<Range<usize>>,
}

impl Cut<'_> {
    /// Cuts the pins out of `image` or `image.platforms`, and all of it if nothing else is in it.
    fn container(
        &mut self,
        pair: (NodeId, NodeId),
        in_map: NodeId,
        path: &str,
    ) -> Result<(), PinError> {
        let (parsed, value) = (self.parsed, pair.1);
        parsed.check_node(value, path)?;
        if parsed.tree.is_null(value) {
            return self.entry(pair, in_map, path);
        }
        let Some(pairs) = parsed.tree.pairs(value) else {
            return Err(parsed.refuse(value, Refusal::NotAMapping(path.to_owned())));
        };
        parsed.check_map(value, path)?;
        parsed.refuse_merge(value, path)?;
        let flow = span::is_flow(&parsed.source, &parsed.tree, value);
        let only_pins = self.only_pins(value, path);
        if only_pins && flow {
            return self.entry(pair, in_map, path);
        }
        if only_pins {
            self.key_line(pair.0, path)?;
        }
        for pair in pairs {
            let Some((key, _)) = parsed.tree.scalar(pair.0) else {
                continue;
            };
            match (path, key) {
                ("image", "platforms") => self.container(*pair, value, "image.platforms")?,
                ("image", "oci") | ("image.platforms", _) => {
                    let path = format!("{path}.{key}");
                    parsed.check_node(pair.1, &path)?;
                    if parsed.tree.scalar(pair.1).is_none() {
                        return Err(parsed.refuse(pair.1, Refusal::NotAScalar(path)));
                    }
                    self.entry(*pair, value, &path)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn only_pins(&self, map: NodeId, path: &str) -> bool {
        let tree = &self.parsed.tree;
        let is_pin = |(key, value): &(NodeId, NodeId)| match (path, tree.scalar(*key)) {
            ("image.platforms", Some(_)) | ("image", Some(("oci", _))) => true,
            ("image", Some(("platforms", _))) => {
                tree.is_null(*value)
                    || tree
                        .pairs(*value)
                        .is_some_and(|_| self.only_pins(*value, "image.platforms"))
            }
            _ => false,
        };
        tree.pairs(map).is_none_or(|pairs| pairs.iter().all(is_pin))
    }

    /// Cuts one key with its value: whole lines, or what stands between two commas.
    fn entry(
        &mut self,
        (key, value): (NodeId, NodeId),
        in_map: NodeId,
        path: &str,
    ) -> Result<(), PinError> {
        let (source, tree) = (&self.parsed.source, &self.parsed.tree);
        let refuse = |refusal| self.parsed.refuse(key, refusal);
        let no_place = || refuse(Refusal::NoPlace(path.to_owned()));
        let start = source.byte(tree.node(key).start).ok_or_else(no_place)?;
        let end = span::end_of_value(source, tree, (key, value), path).map_err(refuse)?;
        let range = if span::is_flow(source, tree, in_map) {
            self.between_commas(start..end, key, in_map)
        } else {
            self.lines(start..end)
        };
        self.ranges.push(range);
        Ok(())
    }

    fn key_line(&mut self, key: NodeId, path: &str) -> Result<(), PinError> {
        let parsed = self.parsed;
        let byte = parsed.source.byte(parsed.tree.node(key).start);
        let byte = byte.ok_or_else(|| parsed.refuse(key, Refusal::NoPlace(path.to_owned())))?;
        self.ranges.push(self.lines(byte..byte));
        Ok(())
    }

    fn lines(&self, bytes: Range<usize>) -> Range<usize> {
        let source = &self.parsed.source;
        let end = source.next_line(bytes.end).unwrap_or(source.bytes().len());
        source.line_start(bytes.start)..end
    }

    /// An entry with the comma after it and the space after that, or with all that separates it
    /// from the entry before it when it is the last.
    fn between_commas(&self, bytes: Range<usize>, key: NodeId, map: NodeId) -> Range<usize> {
        let (source, tree) = (&self.parsed.source, &self.parsed.tree);
        let rest = &source.bytes()[bytes.end..];
        let blanks = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
        if rest.get(blanks) == Some(&b',') {
            let space = usize::from(rest.get(blanks + 1) == Some(&b' '));
            return bytes.start..bytes.end + blanks + 1 + space;
        }
        let pairs = tree.pairs(map).unwrap_or_default();
        let before = pairs.iter().take_while(|(other, _)| *other != key).last();
        let end = before.and_then(|pair| span::end_of_value(source, tree, *pair, "").ok());
        end.unwrap_or(bytes.start)..bytes.end
    }

    fn apply(mut self) -> Vec<u8> {
        self.ranges.sort_by_key(|range| (range.start, range.end));
        let bytes = self.parsed.source.bytes();
        let mut kept = Vec::with_capacity(bytes.len());
        let mut from = 0;
        for range in &self.ranges {
            kept.extend_from_slice(&bytes[from.min(range.start)..range.start]);
            from = from.max(range.end);
        }
        kept.extend_from_slice(&bytes[from..]);
        // Lines that were added to a text without a final line break brought one along.
        let cut_last = !self.ranges.is_empty() && from == bytes.len();
        if cut_last && !bytes.ends_with(b"\n") && !bytes.ends_with(b"\r") {
            let text = kept.strip_suffix(b"\n").unwrap_or(&kept);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            kept.truncate(text.len());
        }
        kept
    }
}
