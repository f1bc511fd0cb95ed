//! A file as a tree whose nodes know where they stand. Nodes live in one list and aliases point
//! into it, so that neither nesting nor aliases can make the tree larger than the file.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span};

use super::source::{Problem, Source};
use crate::finding::{Position, code};

/// Deeper nesting than any schema needs; the limit keeps every recursion short.
const MAX_DEPTH: usize = 100;

pub(crate) type NodeId = usize;

pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// Where it starts: its anchor or tag if it has one.
    pub(crate) start: Marker,
    /// Its first event, and the last.
    pub(crate) event: usize,
    pub(crate) last_event: usize,
    pub(crate) anchored: bool,
    pub(crate) tagged: bool,
}

pub(crate) enum Kind {
    Scalar,
    Alias(NodeId),
    Sequence(Vec<NodeId>),
    Mapping(Vec<(NodeId, NodeId)>),
}

pub(crate) struct Tree<'a> {
    pub(crate) events: Vec<(Event<'a>, Span)>,
    pub(crate) nodes: Vec<Node>,
    /// The root of each document.
    pub(crate) documents: Vec<NodeId>,
    pub(crate) has_aliases: bool,
}

/// A collection whose end has not come yet.
struct Open {
    node: NodeId,
    /// Where its children begin among those of all open collections.
    from: usize,
    mapping: bool,
}

fn syntax(at: Marker, message: impl Into<String>) -> Problem {
    Problem {
        code: code::YAML_SYNTAX,
        at: Position::of(at),
        message: message.into(),
        hint: None,
    }
}

fn scan_problem(error: &ScanError) -> Problem {
    syntax(*error.marker(), error.info())
}

/// Hands the events of `text` on, one by one, as long as it is not nested too deeply and `take`
/// says `true`.
pub(crate) fn each_event<'a>(
    text: &'a str,
    mut take: impl FnMut(Event<'a>, Span) -> bool,
) -> Result<(), Problem> {
    let mut depth = 0_usize;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| scan_problem(&error))?;
        match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => depth += 1,
            Event::MappingEnd | Event::SequenceEnd => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(syntax(
                span.start,
                format!("nested more than {MAX_DEPTH} levels deep"),
            ));
        }
        if !take(event, span) {
            return Ok(());
        }
    }
    Ok(())
}

impl<'a> Tree<'a> {
    pub(crate) fn read(source: &Source<'a>) -> Result<Self, Problem> {
        let mut events = Vec::with_capacity(source.text().len() / 12 + 8);
        each_event(source.text(), |event, span| {
            events.push((event, span));
            true
        })?;
        let mut tree = Self {
            nodes: Vec::with_capacity(events.len()),
            events,
            documents: Vec::new(),
            has_aliases: false,
        };
        tree.build()?;
        Ok(tree)
    }

    fn build(&mut self) -> Result<(), Problem> {
        let mut open: Vec<Open> = Vec::new();
        let mut children: Vec<NodeId> = Vec::new();
        let mut anchors: HashMap<usize, NodeId> = HashMap::new();
        for index in 0..self.events.len() {
            let (event, span) = &self.events[index];
            let start = span.start;
            let (kind, anchor, tagged) = match event {
                Event::DocumentStart(_) => {
                    anchors.clear();
                    continue;
                }
                Event::MappingEnd | Event::SequenceEnd => {
                    let Some(closed) = open.pop() else {
                        return Err(syntax(start, "a collection ends that never started"));
                    };
                    self.close(&closed, children.drain(closed.from..).as_slice(), index)?;
                    continue;
                }
                Event::Alias(id) => match anchors.get(id) {
                    Some(target) => {
                        self.has_aliases = true;
                        (Kind::Alias(*target), 0, false)
                    }
                    None => return Err(syntax(start, "the alias has no anchor in its document")),
                },
                Event::Scalar(_, _, anchor, tag) => (Kind::Scalar, *anchor, tag.is_some()),
                Event::SequenceStart(anchor, tag) => {
                    (Kind::Sequence(Vec::new()), *anchor, tag.is_some())
                }
                Event::MappingStart(anchor, tag) => {
                    (Kind::Mapping(Vec::new()), *anchor, tag.is_some())
                }
                _ => continue,
            };
            let node = self.nodes.len();
            if anchor > 0 {
                anchors.insert(anchor, node);
            }
            match open.is_empty() {
                false => children.push(node),
                true => self.documents.push(node),
            }
            let mapping = matches!(kind, Kind::Mapping(_));
            if mapping || matches!(kind, Kind::Sequence(_)) {
                open.push(Open {
                    node,
                    from: children.len(),
                    mapping,
                });
            }
            self.nodes.push(Node {
                kind,
                start,
                event: index,
                last_event: index,
                anchored: anchor > 0,
                tagged,
            });
        }
        Ok(())
    }

    fn close(&mut self, closed: &Open, children: &[NodeId], event: usize) -> Result<(), Problem> {
        let node = &mut self.nodes[closed.node];
        node.last_event = event;
        node.kind = if closed.mapping {
            if !children.len().is_multiple_of(2) {
                return Err(syntax(node.start, "a mapping ends after a key"));
            }
            let pairs = children.chunks_exact(2);
            Kind::Mapping(pairs.map(|pair| (pair[0], pair[1])).collect())
        } else {
            Kind::Sequence(children.to_vec())
        };
        Ok(())
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// The node itself, or what an alias stands for.
    pub(crate) fn target(&self, id: NodeId) -> NodeId {
        match self.nodes[id].kind {
            Kind::Alias(target) => target,
            _ => id,
        }
    }

    /// The value of a scalar, whatever its style; `None` for anything else.
    pub(crate) fn scalar(&self, id: NodeId) -> Option<(&str, ScalarStyle)> {
        match &self.events[self.nodes[id].event].0 {
            Event::Scalar(value, style, ..) => Some((value, *style)),
            _ => None,
        }
    }

    /// The pairs of a mapping; `None` for anything else.
    pub(crate) fn pairs(&self, id: NodeId) -> Option<&[(NodeId, NodeId)]> {
        match &self.nodes[id].kind {
            Kind::Mapping(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// The first pair with this key in a mapping; merge keys are not followed.
    pub(crate) fn find(&self, map: NodeId, key: &str) -> Option<(NodeId, NodeId)> {
        let same = |id: NodeId| self.scalar(id).is_some_and(|(value, _)| value == key);
        let mut pairs = self.pairs(map)?.iter().copied();
        pairs.find(|(found, _)| same(*found))
    }

    /// Whether this key is the merge key `<<`.
    pub(crate) fn is_merge(&self, key: NodeId) -> bool {
        let plain = |(value, style)| value == "<<" && style == ScalarStyle::Plain;
        self.scalar(key).is_some_and(plain)
    }

    /// Whether this is nothing: an empty value, `~` or `null`.
    pub(crate) fn is_null(&self, id: NodeId) -> bool {
        let null = |(value, style)| {
            style == ScalarStyle::Plain && matches!(value, "" | "~" | "null" | "Null" | "NULL")
        };
        !self.nodes[id].tagged && self.scalar(id).is_some_and(null)
    }

    /// The documents that look like a registry entry: mappings with `ref` or `image`.
    pub(crate) fn entries(&self) -> Vec<usize> {
        let is_entry =
            |root: NodeId| self.find(root, "ref").is_some() || self.find(root, "image").is_some();
        let numbered = self.documents.iter().enumerate();
        numbered
            .filter(|(_, root)| is_entry(**root))
            .map(|(number, _)| number)
            .collect()
    }
}
