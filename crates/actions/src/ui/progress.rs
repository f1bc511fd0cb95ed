use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::bars::Bars;
use super::fields::Fields;
use super::groups::Groups;
use super::inert;
use crate::runner::{Annotation, Level};

/// The target of the events that are meant for people. The libraries emit them; this is the one
/// place that shows them.
const TARGET: &str = "pipeline::progress";

/// The target of the lines that the programs of an item print.
const LOG: &str = "pipeline::log";

/// The crates whose warnings are for people. Others warn about their own inner life.
const OURS: [&str; 11] = [
    "registry_model",
    "image_factory",
    "acceptance",
    "modal_deploy",
    "promotion",
    "pr_checks",
    "oci",
    "github",
    "process",
    "rehearsal",
    "actions",
];

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// One line when a stage ends: for pipes and logs.
    Lines,
    /// A spinner with the elapsed time while a stage runs, and a bar for each processor: for
    /// terminals.
    Live,
    /// Lines, and one more for each thing that happens within a stage, with the processor.
    Verbose,
}

/// Shows progress events on standard error.
pub(crate) struct Progress {
    style: Style,
    in_workflow: bool,
    bars: MultiProgress,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: HashMap<String, Running>,
    /// On a terminal.
    items: Bars,
    /// In a workflow.
    groups: Groups,
}

struct Running {
    since: Instant,
    bar: Option<ProgressBar>,
}

impl Style {
    /// Live on a terminal, lines elsewhere, unless more is asked for.
    #[must_use]
    pub(crate) fn choose(verbose: bool) -> Self {
        if verbose {
            Self::Verbose
        } else if std::io::stderr().is_terminal() && std::env::var_os("CI").is_none() {
            Self::Live
        } else {
            Self::Lines
        }
    }
}

impl Progress {
    /// A layer for `tracing_subscriber`. In a workflow, warnings are annotations.
    #[must_use]
    pub(crate) fn new(style: Style, in_workflow: bool) -> Self {
        Self {
            style,
            in_workflow,
            bars: MultiProgress::new(),
            state: Mutex::new(State::default()),
        }
    }

    fn show(&self, fields: &Fields) {
        let Ok(mut state) = self.state.lock() else {
            return;
        };
        let State {
            running,
            items,
            groups,
        } = &mut *state;
        match fields.status.as_deref() {
            Some("item-start" | "item-done" | "item-failed") => self.item(items, groups, fields),
            None if groups.has(fields) || items.has(fields) => self.item(items, groups, fields),
            Some("start") => {
                let bar = (self.style == Style::Live).then(|| self.spinner(&fields.stage));
                running.insert(
                    fields.stage.clone(),
                    Running {
                        since: Instant::now(),
                        bar,
                    },
                );
            }
            Some(status) => {
                items.clear(&self.bars);
                self.raw(&groups.rest());
                let ended = running.remove(&fields.stage);
                let elapsed = ended
                    .as_ref()
                    .map_or(Duration::ZERO, |stage| stage.since.elapsed());
                if let Some(bar) = ended.and_then(|stage| stage.bar) {
                    bar.finish_and_clear();
                }
                let mark = match status {
                    "done" => "✓",
                    "failed" => "✗",
                    _ => "–",
                };
                let seconds = elapsed.as_secs_f64();
                let line = format!(
                    "{mark} {:<22} {:>6.1} s  {}",
                    fields.stage, seconds, fields.message
                );
                self.line(line.trim_end());
            }
            None => self.within(running, fields),
        }
    }

    /// News of one item among several that are worked on side by side.
    fn item(&self, items: &mut Bars, groups: &mut Groups, fields: &Fields) {
        if self.in_workflow {
            self.raw(&groups.news(fields).unwrap_or_default());
            return;
        }
        if self.style == Style::Live {
            items.news(fields, &self.bars);
        }
        let item = fields.item.as_deref().unwrap_or_default();
        let (stage, text) = (&fields.stage, &fields.message);
        match (fields.status.as_deref(), fields.step, self.style) {
            (Some("item-failed"), ..) => self.line(&format!("  ✗ {item}: {text}")),
            (_, Some((step, steps)), Style::Verbose) => {
                self.line(&format!("  {stage}: {item}: {step}/{steps} {text}"));
            }
            (_, None, Style::Verbose) => self.line(&format!("  {stage}: {item}: {text}")),
            _ => {}
        }
    }

    /// A line that a program of an item printed.
    fn log(&self, fields: &Fields) {
        if self.in_workflow {
            if let Ok(mut state) = self.state.lock() {
                state.groups.log(fields);
            }
        } else if self.style == Style::Verbose {
            let item = fields.item.as_deref().unwrap_or_default();
            self.line(&format!("  {item} | {}", fields.message));
        }
    }

    fn within(&self, running: &HashMap<String, Running>, fields: &Fields) {
        let mut text = String::new();
        if let Some(item) = &fields.item {
            let _ = write!(text, "{item}: ");
        }
        text.push_str(&fields.message);
        match self.style {
            Style::Verbose => self.line(&format!("  {}: {text}", fields.stage)),
            Style::Live => {
                // A stage inside another (`deploy` in `deploy dev`) speaks through the outer one.
                let bar = running
                    .get(&fields.stage)
                    .or_else(|| running.values().max_by_key(|stage| stage.since))
                    .and_then(|stage| stage.bar.as_ref());
                if let Some(bar) = bar {
                    bar.set_message(inert(&text));
                }
            }
            Style::Lines => {}
        }
    }

    fn warning(&self, fields: &Fields) {
        let message = fields.text();
        if self.in_workflow {
            let annotation = Annotation {
                level: Level::Warning,
                place: None,
                title: None,
                message,
            };
            // Standard output is for data; the runner reads commands from both.
            let _ = writeln!(std::io::stderr(), "{annotation}");
        } else {
            self.line(&format!("warning: {message}"));
        }
    }

    fn spinner(&self, stage: &str) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new_spinner());
        if let Ok(style) =
            ProgressStyle::with_template("{spinner} {prefix:<22} {elapsed:>6}    {wide_msg}")
        {
            bar.set_style(style);
        }
        bar.set_prefix(stage.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }

    /// Text that is as it should be, in one piece.
    fn raw(&self, text: &str) {
        let show = || {
            let _ = anstream::stderr().write_all(text.as_bytes());
        };
        if !text.is_empty() {
            self.bars.suspend(show);
        }
    }

    fn line(&self, text: &str) {
        let show = || {
            // A closed standard error is no reason to stop.
            let _ = writeln!(anstream::stderr(), "{}", inert(&text.replace('\n', " ")));
        };
        self.bars.suspend(show);
    }
}

impl<S: Subscriber> Layer<S> for Progress {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let target = event.metadata().target();
        let krate = target.split("::").next().unwrap_or_default();
        let level = *event.metadata().level();
        let ours = OURS.contains(&krate);
        let mut fields = Fields::default();
        if target == TARGET {
            event.record(&mut fields);
            self.show(&fields);
        } else if target == LOG {
            event.record(&mut fields);
            self.log(&fields);
        } else if ours && level <= tracing::Level::WARN {
            event.record(&mut fields);
            self.warning(&fields);
        } else if ours && level <= tracing::Level::DEBUG && self.style == Style::Verbose {
            event.record(&mut fields);
            self.line(&format!("  {krate}: {}", fields.text()));
        }
    }
}
