use std::collections::BTreeMap;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::fields::Fields;
use super::inert;

/// Bars that are shown at once. More would not fit on a terminal; the others wait for a place.
const MOST: usize = 16;

/// A bar for each item that is being worked on.
#[derive(Debug, Default)]
pub(super) struct Bars {
    items: BTreeMap<String, Item>,
}

#[derive(Debug, Default)]
struct Item {
    step: Option<(u64, u64)>,
    message: String,
    bar: Option<ProgressBar>,
}

impl Item {
    fn draw(&self) {
        let Some(bar) = &self.bar else { return };
        // How many steps there are is not known before the first of them begins.
        let template = match self.step {
            Some(_) => "  {prefix:<28} {bar:20} {pos}/{len} {wide_msg}",
            None => "  {prefix:<28} {spinner} {wide_msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━━╌"));
        }
        if let Some((step, steps)) = self.step {
            bar.set_length(steps.max(step));
            bar.set_position(step);
        }
        bar.set_message(self.message.clone());
    }
}

impl Bars {
    /// Whether the item of this event has begun.
    pub(super) fn has(&self, fields: &Fields) -> bool {
        let item = fields.item.as_ref();
        item.is_some_and(|item| self.items.contains_key(item))
    }

    /// Takes in news of an item.
    pub(super) fn news(&mut self, fields: &Fields, all: &MultiProgress) {
        let Some(name) = &fields.item else { return };
        if matches!(fields.status.as_deref(), Some("item-done" | "item-failed")) {
            if let Some(bar) = self.items.remove(name).and_then(|item| item.bar) {
                bar.finish_and_clear();
                all.remove(&bar);
            }
        } else {
            let item = self.items.entry(name.clone()).or_default();
            item.message = inert(&fields.message.replace('\n', " "));
            // Stages of one Dockerfile are built side by side, each with its own count.
            item.step = fields.step.or(item.step);
            item.draw();
        }
        self.fill(all);
    }

    /// Gives free places to those that wait.
    fn fill(&mut self, all: &MultiProgress) {
        let shown = self.items.values().filter(|item| item.bar.is_some());
        let free = MOST - shown.count().min(MOST);
        let waiting = self.items.iter_mut().filter(|(_, item)| item.bar.is_none());
        for (name, item) in waiting.take(free) {
            let bar = all.add(ProgressBar::new_spinner());
            bar.set_prefix(inert(name));
            bar.enable_steady_tick(std::time::Duration::from_millis(100));
            item.bar = Some(bar);
            item.draw();
        }
    }

    /// Removes what is left.
    pub(super) fn clear(&mut self, all: &MultiProgress) {
        for bar in std::mem::take(&mut self.items)
            .into_values()
            .filter_map(|item| item.bar)
        {
            bar.finish_and_clear();
            all.remove(&bar);
        }
    }
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressDrawTarget;

    use super::*;

    fn news(bars: &mut Bars, all: &MultiProgress, item: &str, status: Option<&str>) {
        let fields = Fields {
            item: Some(item.into()),
            status: status.map(str::to_owned),
            step: status.is_none().then_some((2, 5)),
            ..Fields::default()
        };
        bars.news(&fields, all);
    }

    #[test]
    fn as_many_bars_as_there_is_room_for() {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        let mut bars = Bars::default();
        let names: Vec<String> = (10..40).map(|n| format!("x/p{n}@1")).collect();
        for name in &names {
            news(&mut bars, &all, name, Some("item-start"));
        }
        let shown = |bars: &Bars| {
            bars.items
                .values()
                .filter(|item| item.bar.is_some())
                .count()
        };
        assert_eq!(shown(&bars), MOST);
        for name in &names[..20] {
            news(&mut bars, &all, name, Some("item-done"));
        }
        // Those that waited have taken the places.
        assert_eq!((shown(&bars), bars.items.len()), (10, 10));
        news(&mut bars, &all, &names[25], None);
        let bar = bars.items[&names[25]].bar.as_ref().unwrap();
        assert_eq!((bar.position(), bar.length()), (2, Some(5)));
        bars.clear(&all);
        assert_eq!(bars.items.len(), 0);
    }
}
