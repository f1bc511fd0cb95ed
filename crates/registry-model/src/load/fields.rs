//! What the sections that are read in full have in common.

use std::str::FromStr;

use super::reader::Reader;
use crate::NameError;
use crate::finding::code;
use crate::yaml::NodeId;

/// The value of a field, unless it is null.
pub(super) fn present(reader: &Reader<'_>, map: NodeId, key: &str) -> Option<NodeId> {
    let (_, value) = reader.find(map, key)?;
    Some(value).filter(|value| !reader.tree.is_null(*value))
}

/// A text that is one of our own kinds of word.
pub(super) fn word<T: FromStr<Err = NameError>>(
    reader: &mut Reader<'_>,
    code: &'static str,
    map: NodeId,
    field: &str,
) -> Option<T> {
    let (text, at) = reader.text(map, field)?;
    sound(reader, code, at, &format!("`{field}` is"), text.parse())
}

pub(super) fn sound<T>(
    reader: &mut Reader<'_>,
    code: &'static str,
    at: NodeId,
    what: &str,
    read: Result<T, NameError>,
) -> Option<T> {
    match read {
        Ok(value) => Some(value),
        Err(NameError {
            found, expected, ..
        }) => {
            let message = format!("{what} `{found}`, expected {expected}");
            reader.error(at, code, message, None);
            None
        }
    }
}

/// A misspelt field would silently be the default.
pub(super) fn refuse_unknown(reader: &mut Reader<'_>, map: NodeId, field: &str, known: &[&str]) {
    let tree = reader.tree;
    for (key, _) in tree.pairs(map).unwrap_or_default() {
        if tree.is_merge(*key) {
            continue;
        }
        let name = tree.scalar(tree.target(*key)).map_or("?", |(name, _)| name);
        if !known.contains(&name) {
            let shown: String = name.chars().take(80).collect();
            let message = format!("`{shown}` is no field of `{field}`");
            let hint = choice(&name.replace('_', "-"), known, &format!("`{field}`"));
            reader.error(*key, code::UNKNOWN_FIELD, message, Some(&hint));
        }
    }
}

/// The nearest of the names that there are, or all of them.
pub(super) fn choice(name: &str, known: &[&str], of: &str) -> String {
    let nearest = known
        .iter()
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .filter(|(similarity, _)| *similarity > 0.8);
    match nearest {
        Some((_, known)) => format!("did you mean `{known}`?"),
        None if known.is_empty() => format!("{of} has none"),
        None => format!("{of} has {}", known.join(", ")),
    }
}

pub(super) fn last(field: &str) -> &str {
    field.rsplit('.').next().unwrap_or(field)
}
