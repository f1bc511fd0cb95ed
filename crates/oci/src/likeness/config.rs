use serde_json::{Map, Value};

/// Labels that differ from build to build of the same source, or from commit to commit with the
/// same files (image specification, "Pre-Defined Annotation Keys").
const PASSING_LABELS: [&str; 2] = [
    "org.opencontainers.image.created",
    "org.opencontainers.image.revision",
];
/// BuildKit's notes on the build and its cache, which nothing reads when the image runs.
const NOTES: &str = "moby.buildkit.";
const LONGEST_INSTRUCTION: usize = 80;

/// An image's config without what passes, and apart from it what says which layers it has.
pub(super) struct Config {
    lasting: Map<String, Value>,
    diff_ids: Vec<Value>,
}

impl Config {
    pub(super) fn new(config: Value) -> Self {
        let mut lasting = match config {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        lasting.retain(|name, _| name != "created" && !name.starts_with(NOTES));
        let diff_ids = match lasting
            .get_mut("rootfs")
            .and_then(|it| it.get_mut("diff_ids"))
        {
            Some(Value::Array(ids)) => std::mem::take(ids),
            _ => Vec::new(),
        };
        for step in steps_mut(&mut lasting) {
            if let Some(step) = step.as_object_mut() {
                step.remove("created");
            }
        }
        if let Some(settings) = lasting.get_mut("config").and_then(Value::as_object_mut) {
            let mut empty = false;
            if let Some(labels) = settings.get_mut("Labels").and_then(Value::as_object_mut) {
                labels.retain(|name, _| !PASSING_LABELS.contains(&name.as_str()));
                empty = labels.is_empty();
            }
            if empty {
                settings.remove("Labels");
            }
        }
        Self { lasting, diff_ids }
    }

    /// The digests of the uncompressed layers.
    pub(super) fn diff_ids(&self) -> impl Iterator<Item = &Value> {
        self.diff_ids.iter()
    }

    /// The instruction that made the layer at `place`.
    pub(super) fn made_by(&self, place: usize) -> String {
        let mut with_layers = self
            .steps()
            .iter()
            .filter(|step| step["empty_layer"].as_bool() != Some(true));
        match with_layers.nth(place) {
            Some(step) => instruction(step),
            None => format!("step {}", place + 1),
        }
    }

    pub(super) fn first_difference(&self, new: &Self) -> Option<String> {
        let pairs = self.steps().iter().zip(new.steps());
        for (old, new) in pairs {
            if old != new {
                return Some(format!("the instruction {}", instruction(new)));
            }
        }
        let (before, after) = (self.steps().len(), new.steps().len());
        if before != after {
            return Some(format!("{before} instructions → {after}"));
        }
        let name = first_unequal(&self.lasting, &new.lasting)?;
        let inner = |config: &Self, name| {
            let value = config.lasting.get(name)?;
            value.as_object().cloned()
        };
        let (Some(old), Some(new)) = (inner(self, name), inner(new, name)) else {
            return Some(format!("`{name}` in the config"));
        };
        let Some(setting) = first_unequal(&old, &new) else {
            return Some(format!("`{name}` in the config"));
        };
        if setting == "Labels" {
            let labels = |of: &Map<String, Value>| of["Labels"].as_object().cloned();
            let all = |of: &Map<String, Value>| {
                of.contains_key("Labels")
                    .then(|| labels(of))
                    .flatten()
                    .unwrap_or_default()
            };
            if let Some(label) = first_unequal(&all(&old), &all(&new)) {
                return Some(format!("the label `{}`", short(label)));
            }
        }
        Some(format!("`{setting}` in the config"))
    }

    fn steps(&self) -> &[Value] {
        match self.lasting.get("history") {
            Some(Value::Array(steps)) => steps,
            _ => &[],
        }
    }
}

fn steps_mut(config: &mut Map<String, Value>) -> impl Iterator<Item = &mut Value> {
    let steps = config.get_mut("history").and_then(Value::as_array_mut);
    steps.into_iter().flatten()
}

/// The first name, in the order of the alphabet, whose values differ.
fn first_unequal<'a>(old: &'a Map<String, Value>, new: &'a Map<String, Value>) -> Option<&'a str> {
    let names = old.keys().chain(new.keys());
    let unequal = names.filter(|name| old.get(*name) != new.get(*name));
    unequal.min().map(String::as_str)
}

fn instruction(step: &Value) -> String {
    let text = step["created_by"].as_str().unwrap_or("(unknown)");
    let text = text.strip_suffix(" # buildkit").unwrap_or(text);
    format!("`{}`", short(text))
}

/// One line that fits into a report, whoever wrote the text.
pub(super) fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut letters = line.chars().filter(|letter| !letter.is_control());
    let mut shown: String = letters.by_ref().take(LONGEST_INSTRUCTION).collect();
    if letters.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config() -> Value {
        json!({
            "created": "2026-01-01T00:00:00Z", "os": "linux", "architecture": "amd64",
            "moby.buildkit.cache.v0": "x",
            "config": { "Env": ["A=1"], "Labels": {
                "a": "b", "org.opencontainers.image.created": "x",
                "org.opencontainers.image.revision": "y",
            }},
            "rootfs": { "type": "layers", "diff_ids": ["sha256:1", "sha256:2"] },
            "history": [
                { "created": "2026-01-01T00:00:00Z", "created_by": "COPY a b # buildkit" },
                { "created": "2026-01-01T00:00:00Z", "created_by": "ENV A=1", "empty_layer": true },
                { "created": "2026-01-01T00:00:00Z", "created_by": "RUN make\n  all" },
            ],
        })
    }

    fn difference(change: impl FnOnce(&mut Value)) -> Option<String> {
        let mut changed = config();
        change(&mut changed);
        Config::new(config()).first_difference(&Config::new(changed))
    }

    #[test]
    fn what_passes_is_no_difference() {
        let found = difference(|it| {
            it["created"] = json!("2027-01-01T00:00:00Z");
            it["history"][0]["created"] = json!("2027-01-01T00:00:00Z");
            it["config"]["Labels"]["org.opencontainers.image.created"] = json!("z");
            it["config"]["Labels"]["org.opencontainers.image.revision"] = json!("z");
            it["moby.buildkit.cache.v0"] = json!("y");
            it["rootfs"]["diff_ids"][0] = json!("sha256:9");
        });
        assert_eq!(found, None);
        // Labels that pass, and none at all, are the same.
        let none = json!({ "config": {} });
        let passing = json!({ "config": { "Labels": { PASSING_LABELS[0]: "x" } } });
        assert_eq!(
            Config::new(none).first_difference(&Config::new(passing)),
            None
        );
    }

    type Change = fn(&mut Value);

    #[test]
    fn what_lasts_is_named() {
        let changes: [(Change, &str); 8] = [
            (
                |it| it["config"]["Env"] = json!(["A=2"]),
                "`Env` in the config",
            ),
            (
                |it| it["config"]["User"] = json!("app"),
                "`User` in the config",
            ),
            (
                |it| it["config"]["Labels"]["a"] = json!("c"),
                "the label `a`",
            ),
            (|it| it["config"]["Labels"] = json!(null), "the label `a`"),
            (|it| it["os"] = json!("windows"), "`os` in the config"),
            (
                |it| it["rootfs"]["type"] = json!("other"),
                "`type` in the config",
            ),
            (
                |it| it["history"][2]["created_by"] = json!("RUN make some"),
                "the instruction `RUN make some`",
            ),
            (
                |it| it["history"].as_array_mut().unwrap().truncate(2),
                "3 instructions → 2",
            ),
        ];
        for (change, expected) in changes {
            assert_eq!(difference(change).as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_layer_is_named_after_its_instruction() {
        let config = Config::new(config());
        assert_eq!(config.made_by(0), "`COPY a b`");
        assert_eq!(config.made_by(1), "`RUN make all`");
        assert_eq!(config.made_by(2), "step 3");
        assert_eq!(short(&"x".repeat(81)).chars().count(), 81);
    }

    #[test]
    fn configs_of_any_form_can_be_compared() {
        for odd in [
            json!(null),
            json!([]),
            json!({"history": {}, "config": 1, "rootfs": []}),
        ] {
            let odd = Config::new(odd);
            assert_eq!(odd.diff_ids().count(), 0);
            assert_eq!(odd.made_by(0), "step 1");
            assert!(Config::new(config()).first_difference(&odd).is_some());
        }
    }
}
