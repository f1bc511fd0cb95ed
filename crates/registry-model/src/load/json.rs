//! A part of a document as the JSON value that it stands for.

use serde_json::{Map, Value};

use super::document;
use super::reader::Reader;
use crate::finding::code;
use crate::yaml::{Kind, NodeId, Tree};

/// Aliases within aliases can be deeper than the tree.
const MAX_DEPTH: usize = 128;
/// More than fits into a call: nodes and text together, with aliases written out.
const LARGEST: usize = 1 << 20;
/// What a node counts beside its text.
const NODE: usize = 16;

enum Problem {
    TooLarge,
    TooDeep,
    NotJson(&'static str),
}

struct Converter<'t, 'e> {
    tree: &'t Tree<'e>,
    left: usize,
}

/// The value of `node`; when JSON has none for it, a finding where the trouble is, with the code
/// `bad`.
pub(super) fn value(
    reader: &mut Reader<'_>,
    bad: &'static str,
    node: NodeId,
    field: &str,
) -> Option<Value> {
    let mut converter = Converter {
        tree: reader.tree,
        left: LARGEST,
    };
    match converter.value(node, 0) {
        Ok(value) => Some(value),
        Err((at, problem)) => {
            let (code, what) = match problem {
                Problem::TooLarge => (code::ALIAS_EXPANSION, "is too large to be sent"),
                Problem::TooDeep => (code::ALIAS_EXPANSION, "is nested too deeply"),
                Problem::NotJson(what) => (bad, what),
            };
            reader.error(at, code, format!("`{field}` {what}"), None);
            None
        }
    }
}

impl Converter<'_, '_> {
    fn value(&mut self, id: NodeId, depth: usize) -> Result<Value, (NodeId, Problem)> {
        let tree = self.tree;
        let id = tree.target(id);
        let text = tree.scalar(id).map_or(0, |(text, _)| text.len());
        if depth > MAX_DEPTH {
            return Err((id, Problem::TooDeep));
        }
        let left = self.left.checked_sub(NODE + text);
        self.left = left.ok_or((id, Problem::TooLarge))?;
        match &tree.node(id).kind {
            Kind::Alias(_) => Err((id, Problem::TooDeep)),
            Kind::Scalar => scalar(tree, id),
            Kind::Sequence(items) => items
                .iter()
                .map(|item| self.value(*item, depth + 1))
                .collect(),
            Kind::Mapping(pairs) => self.map(pairs, depth).map(Value::Object),
        }
    }

    fn map(
        &mut self,
        pairs: &[(NodeId, NodeId)],
        depth: usize,
    ) -> Result<Map<String, Value>, (NodeId, Problem)> {
        let tree = self.tree;
        let (merges, own): (Vec<_>, Vec<_>) = pairs
            .iter()
            .copied()
            .partition(|(key, _)| tree.is_merge(*key));
        let mut map = Map::new();
        for (key, value) in own {
            let Some((name, _)) = tree.scalar(tree.target(key)) else {
                let what = "has a key that is no text, which JSON does not know";
                return Err((key, Problem::NotJson(what)));
            };
            map.insert(name.to_owned(), self.value(value, depth + 1)?);
        }
        // What stands in the mapping itself wins over what is merged into it.
        for (key, merged) in merges {
            let merged = match self.value(merged, depth + 1)? {
                Value::Array(maps) => maps,
                one => vec![one],
            };
            for merged in merged {
                let Value::Object(merged) = merged else {
                    return Err((key, Problem::NotJson("merges something that is no mapping")));
                };
                for (name, value) in merged {
                    map.entry(name).or_insert(value);
                }
            }
        }
        Ok(map)
    }
}

fn scalar(tree: &Tree<'_>, id: NodeId) -> Result<Value, (NodeId, Problem)> {
    let unknown = (id, Problem::NotJson("has a number that JSON does not know"));
    match document::scalar(tree, id) {
        serde_yaml::Value::Number(number) if !number.as_f64().is_some_and(f64::is_finite) => {
            Err(unknown)
        }
        plain => serde_json::to_value(plain).map_err(|_| unknown),
    }
}
