//! The whole document as plain data, for fields that have no type of their own.

use saphyr_parser::{Event, ScalarStyle};
use serde_yaml::Value;

use super::reader::Reader;
use crate::finding::code;
use crate::yaml::{Kind, NodeId, Resolved, Source, Tree, resolve};

/// What aliases may add to a document, in nodes and bytes of text together.
const MAX_EXPANSION: usize = 8 << 20;
/// A tree is less deep than this; aliases within aliases can be deeper.
const MAX_DEPTH: usize = 128;
/// What a node costs beside its text.
const NODE: usize = 64;

/// Refuses a document that its aliases make far larger than the file.
pub(super) fn check(reader: &mut Reader<'_>, root: NodeId) {
    let tree = reader.tree;
    if !tree.has_aliases {
        return;
    }
    let plain = tree.nodes.len() * NODE + tree.events.len() * NODE;
    let mut budget = plain + MAX_EXPANSION;
    if let Err(at) = spend(tree, root, &mut budget, 0) {
        let message = "aliases make the document far larger than the file";
        reader.error(
            at,
            code::ALIAS_EXPANSION,
            message,
            Some("write the values out"),
        );
    }
}

/// Takes what the value of a node costs from the budget; or the node where that ran out.
fn spend(tree: &Tree<'_>, id: NodeId, budget: &mut usize, depth: usize) -> Result<(), NodeId> {
    let id = tree.target(id);
    let text = tree.scalar(id).map_or(0, |(text, _)| text.len());
    let cost = NODE + text;
    if *budget < cost || depth > MAX_DEPTH {
        return Err(id);
    }
    *budget -= cost;
    let mut spend = |id: &NodeId| spend(tree, *id, budget, depth + 1);
    match &tree.node(id).kind {
        Kind::Alias(_) => Err(id),
        Kind::Scalar => Ok(()),
        Kind::Sequence(items) => items.iter().try_for_each(spend),
        Kind::Mapping(pairs) => pairs.iter().try_for_each(|(key, value)| {
            spend(key)?;
            spend(value)
        }),
    }
}

/// The entry in a text that was checked; nothing in any other.
pub(crate) fn value(text: &str) -> Value {
    let source = Source::new(text.as_bytes());
    let tree = source.and_then(|source| Tree::read(&source));
    let value = |tree: Tree<'_>| {
        let [number] = tree.entries()[..] else {
            return Value::Null;
        };
        convert(&tree, tree.documents[number])
    };
    tree.map_or(Value::Null, value)
}

fn convert(tree: &Tree<'_>, id: NodeId) -> Value {
    let id = tree.target(id);
    match &tree.node(id).kind {
        Kind::Alias(_) => Value::Null,
        Kind::Scalar => scalar(tree, id),
        Kind::Sequence(items) => items.iter().map(|item| convert(tree, *item)).collect(),
        Kind::Mapping(pairs) => {
            let pairs = pairs.iter();
            let pairs = pairs.map(|(key, value)| (convert(tree, *key), convert(tree, *value)));
            Value::Mapping(pairs.collect())
        }
    }
}

pub(super) fn scalar(tree: &Tree<'_>, id: NodeId) -> Value {
    let Some((text, mut style)) = tree.scalar(id) else {
        return Value::Null;
    };
    if let Event::Scalar(_, _, _, Some(tag)) = &tree.events[tree.node(id).event].0 {
        let is_text = tag.is_yaml_core_schema() && tag.suffix == "str";
        style = if is_text {
            ScalarStyle::DoubleQuoted
        } else {
            style
        };
    }
    match resolve(text, style) {
        Resolved::Null => Value::Null,
        Resolved::Bool(value) => value.into(),
        Resolved::Int(value) => value.into(),
        Resolved::Float(value) => value.into(),
        Resolved::Text(value) => value.into(),
    }
}
