use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::inputs::Made;
use super::model::InputKey;
use super::tree::Tree;

/// What the keys of a plan were made from. A plan is the same with another one, or none.
#[derive(Clone, Default)]
pub(crate) struct Evidence(Option<Arc<Kept>>);

struct Kept {
    made: HashMap<InputKey, Made>,
    trees: Vec<Tree>,
}

impl Evidence {
    pub(crate) fn new(made: Vec<Made>, trees: Vec<Tree>) -> Self {
        let made = made.into_iter().map(|made| (made.key.clone(), made));
        Self(Some(Arc::new(Kept {
            made: made.collect(),
            trees,
        })))
    }

    pub(crate) fn of(&self, key: &InputKey) -> Option<(&Made, &Tree)> {
        let kept = self.0.as_ref()?;
        let made = kept.made.get(key)?;
        Some((made, kept.trees.get(made.tree)?))
    }
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Evidence"
        } else {
            "no evidence"
        })
    }
}

impl PartialEq for Evidence {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Evidence {}
