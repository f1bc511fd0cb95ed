//! The whole document as plain data, for fields that have no type of their own.

use saphyr_parser::{Event, ScalarStyle};
use serde_yaml::{Mapping, Value};

use super::reader::Reader;
use crate::finding::code;
use crate::yaml::{Kind, NodeId, Resolved, Tree, resolve};

/// What aliases may add to a document, in nodes and bytes of text together.
const MAX_EXPANSION: usize = 8 << 20;
/// A tree is less deep than this; aliases within aliases can be deeper.
const MAX_DEPTH: usize = 128;
/// What a node costs beside its text.
const NODE: usize = 64;

pub(super) fn value(reader: &mut Reader<'_>, root: NodeId) -> Option<Value> {
    let tree = reader.tree;
    let plain = tree.nodes.len() * NODE + tree.events.len() * NODE;
    let mut budget = plain + MAX_EXPANSION;
    match convert(tree, root, &mut budget, 0) {
        Ok(value) => Some(value),
        Err(at) => {
            let message = "aliases make the document far larger than the file";
            reader.error(
                at,
                code::ALIAS_EXPANSION,
                message,
                Some("write the values out"),
            );
            None
        }
    }
}

/// The value of a node, or the node where the budget ran out.
fn convert(tree: &Tree<'_>, id: NodeId, budget: &mut usize, depth: usize) -> Result<Value, NodeId> {
    let id = tree.target(id);
    let text = tree.scalar(id).map_or(0, |(text, _)| text.len());
    let cost = NODE + text;
    if *budget < cost || depth > MAX_DEPTH {
        return Err(id);
    }
    *budget -= cost;
    let plain = match &tree.node(id).kind {
        Kind::Alias(_) => return Err(id),
        Kind::Scalar => scalar(tree, id),
        Kind::Sequence(items) => {
            let items = items.iter();
            let values = items.map(|item| convert(tree, *item, budget, depth + 1));
            Value::Sequence(values.collect::<Result<_, _>>()?)
        }
        Kind::Mapping(pairs) => {
            let mut mapping = Mapping::with_capacity(pairs.len());
            for (key, value) in pairs {
                let key = convert(tree, *key, budget, depth + 1)?;
                mapping.insert(key, convert(tree, *value, budget, depth + 1)?);
            }
            Value::Mapping(mapping)
        }
    };
    Ok(plain)
}

fn scalar(tree: &Tree<'_>, id: NodeId) -> Value {
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
