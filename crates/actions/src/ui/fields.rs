use std::fmt::Write as _;

use tracing::field::{Field, Visit};

/// What an event carries. The crates that emit them say which fields there are.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// The stage that it is about.
    pub(super) stage: String,
    /// The processor that it is about.
    pub(super) item: Option<String>,
    /// What began or ended: of a stage `start`, `done`, `failed`; of an item `item-start` and so on.
    pub(super) status: Option<String>,
    /// The step that begins, counted from 1, of how many.
    pub(super) step: Option<(u64, u64)>,
    /// The text for people.
    pub(super) message: String,
    pub(super) others: Vec<(&'static str, String)>,
    pub(super) number: Option<u64>,
    pub(super) total: Option<u64>,
}

impl Fields {
    /// The message, and whatever else the event carries.
    pub(super) fn text(&self) -> String {
        let mut text = self.message.clone();
        for (name, value) in &self.others {
            let _ = write!(text, "; {name}: {value}");
        }
        text
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "stage" => self.stage = value.to_owned(),
            "item" => self.item = Some(value.to_owned()),
            "status" => self.status = Some(value.to_owned()),
            "step" => self.number = value.parse().ok(),
            "steps" => self.total = value.parse().ok(),
            "message" => self.message = value.to_owned(),
            other => self.others.push((other, value.to_owned())),
        }
        self.step = self.number.zip(self.total);
    }
}
