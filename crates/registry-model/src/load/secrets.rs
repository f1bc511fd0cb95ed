//! `secrets`: names of what a processor needs, never values.

use super::reader::Reader;
use crate::SecretNames;
use crate::finding::code;
use crate::yaml::{Kind, NodeId};

pub(super) fn read(reader: &mut Reader<'_>, document: NodeId) -> SecretNames {
    let Some(secrets) = reader.map(document, "secrets") else {
        return SecretNames::default();
    };
    SecretNames {
        required: names(reader, secrets, "secrets.required"),
        optional: names(reader, secrets, "secrets.optional"),
    }
}

/// What Modal takes as the name of a secret and a shell as that of a variable is narrower still;
/// this is what both the secret's name and the variable's may have.
fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

fn names(reader: &mut Reader<'_>, secrets: NodeId, field: &str) -> Vec<String> {
    let name = field.rsplit('.').next().unwrap_or(field);
    let Some((key, value)) = reader.find(secrets, name) else {
        return Vec::new();
    };
    if reader.tree.is_null(value) {
        return Vec::new();
    }
    let Kind::Sequence(items) = &reader.tree.node(value).kind else {
        reader.bad_type(field, key, value, "a list of names");
        return Vec::new();
    };
    let mut names: Vec<String> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let item = reader.tree.target(*item);
        let Some(text) = reader.text_of(&format!("{field}[{index}]"), item, item) else {
            continue;
        };
        if is_name(text) {
            if !names.iter().any(|known| known == text) {
                names.push(text.to_owned());
            }
        } else {
            let shown: String = text.chars().take(80).collect();
            let message = format!("`{shown}` in `{field}` is no name of a secret");
            let hint = "use at most 64 letters, digits, `-`, `_` and `.`";
            reader.error(item, code::BAD_SECRET_NAME, message, Some(hint));
        }
    }
    names
}
