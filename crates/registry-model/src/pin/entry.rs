//! The way to a pin in a document, and everything that makes the way unsafe.

use std::collections::HashSet;

use super::error::{PinError, Refusal};
use crate::PinPlace;
use crate::finding::Position;
use crate::yaml::{NodeId, Source, Tree};

/// A parsed file and the registry entry in it.
pub(super) struct Parsed<'a> {
    pub(super) source: Source<'a>,
    pub(super) tree: Tree<'a>,
    pub(super) root: NodeId,
}

/// Where a pin stands, or how far the way to it goes.
pub(super) enum Found {
    /// The key and the value are there; the value may be empty.
    Value(NodeId, NodeId),
    /// A mapping on the way has no value; `depth` keys of the way lead to it.
    Null {
        pair: (NodeId, NodeId),
        in_map: NodeId,
        depth: usize,
    },
    /// A mapping has no such key; `depth` keys lead to the mapping, the last of which is `key`.
    Missing {
        map: NodeId,
        key: Option<NodeId>,
        depth: usize,
    },
}

impl<'a> Parsed<'a> {
    pub(super) fn read(text: &'a [u8]) -> Result<Self, PinError> {
        let source = Source::new(text)?;
        let tree = Tree::read(&source)?;
        let document = match tree.entries()[..] {
            [one] => one,
            [] => return Err(PinError::refused(Position::START, Refusal::NoEntry)),
            [_, second, ..] => {
                let at = Position::of(tree.node(tree.documents[second]).start);
                return Err(PinError::refused(at, Refusal::SeveralEntries));
            }
        };
        let root = tree.documents[document];
        Ok(Self { source, tree, root })
    }

    pub(super) fn refuse(&self, at: NodeId, refusal: Refusal) -> PinError {
        PinError::refused(Position::of(self.tree.node(at).start), refusal)
    }

    /// Refuses a mapping that says anything in more than one place.
    pub(super) fn check_map(&self, map: NodeId, path: &str) -> Result<(), PinError> {
        self.check_node(map, path)?;
        let mut seen = HashSet::new();
        for (key, _) in self.tree.pairs(map).unwrap_or_default() {
            let name = self.tree.scalar(self.tree.target(*key));
            let Some((name, _)) = name else { continue };
            self.check_node(*key, name)?;
            if !seen.insert(name) {
                return Err(self.refuse(*key, Refusal::DuplicateKey(name.to_owned())));
            }
        }
        Ok(())
    }

    /// Refuses what stands in several places, or has a type of its own.
    pub(super) fn check_node(&self, id: NodeId, path: &str) -> Result<(), PinError> {
        let node = self.tree.node(id);
        let path = || path.to_owned();
        if self.tree.target(id) != id {
            Err(self.refuse(id, Refusal::Alias(path())))
        } else if node.anchored {
            Err(self.refuse(id, Refusal::Anchor(path())))
        } else if node.tagged {
            Err(self.refuse(id, Refusal::Tag(path())))
        } else {
            Ok(())
        }
    }

    pub(super) fn refuse_merge(&self, map: NodeId, path: &str) -> Result<(), PinError> {
        let pairs = self.tree.pairs(map).unwrap_or_default().iter();
        match pairs
            .map(|(key, _)| *key)
            .find(|key| self.tree.is_merge(*key))
        {
            Some(key) => Err(self.refuse(key, Refusal::MergeKey(path.to_owned()))),
            None => Ok(()),
        }
    }

    /// Follows `keys`, the keys of `place`, as far as they go.
    pub(super) fn find(&self, place: &PinPlace, keys: &[&str]) -> Result<Found, PinError> {
        let mut map = self.root;
        let mut via = None;
        for depth in 0..keys.len() {
            let path = match depth {
                0 => "the document".to_owned(),
                _ => keys[..depth].join("."),
            };
            self.check_map(map, &path)?;
            // The entry as a whole may take fields from elsewhere, as long as the pin is its own.
            if depth > 0 {
                self.refuse_merge(map, &path)?;
            }
            let Some(pair) = self.tree.find(map, keys[depth]) else {
                self.refuse_merge(map, &keys[..=depth].join("."))?;
                if depth == 1 {
                    self.check_layout(map, place)?;
                }
                let key = via;
                return Ok(Found::Missing { map, key, depth });
            };
            let path = keys[..=depth].join(".");
            let value = pair.1;
            self.check_node(value, &path)?;
            if depth + 1 == keys.len() {
                return match self.tree.scalar(value) {
                    Some(_) => Ok(Found::Value(pair.0, value)),
                    None => Err(self.refuse(value, Refusal::NotAScalar(path))),
                };
            }
            if self.tree.is_null(value) {
                let depth = depth + 1;
                return Ok(Found::Null {
                    pair,
                    in_map: map,
                    depth,
                });
            }
            if self.tree.pairs(value).is_none() {
                return Err(self.refuse(value, Refusal::NotAMapping(path)));
            }
            (map, via) = (value, Some(pair.0));
        }
        Err(self.refuse(map, Refusal::NoPlace(keys.join("."))))
    }

    /// A file pins either by `oci` or by platform; the other is not begun by an edit.
    fn check_layout(&self, image: NodeId, place: &PinPlace) -> Result<(), PinError> {
        let other = match place {
            PinPlace::Oci => self
                .tree
                .find(image, "platforms")
                .map(|p| ("image.platforms", p)),
            PinPlace::Platform(_) => self.tree.find(image, "oci").map(|p| ("image.oci", p)),
        };
        match other {
            Some((found, (key, _))) => {
                let wanted = place.to_string();
                Err(self.refuse(key, Refusal::OtherLayout { found, wanted }))
            }
            None => Ok(()),
        }
    }
}
