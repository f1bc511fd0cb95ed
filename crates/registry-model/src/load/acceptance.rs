//! `acceptance`: the cases, with what they leave out filled in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::build::Place;
use super::fields::{last, present, refuse_unknown, sound, word};
use super::reader::Reader;
use super::{json, paths};
use crate::finding::code::{self, BAD_ACCEPTANCE};
use crate::yaml::{Kind, NodeId};
use crate::{
    AcceptanceSpec, ArtifactPath, Budget, Case, CaseInputs, CaseName, Cost, Expect, JsonPointer,
    Limits, MediaType, Mode,
};

const FIELDS: [&str; 3] = ["budget", "limits", "cases"];
const CASE: [&str; 7] = [
    "name",
    "mode",
    "inputs",
    "files",
    "expect",
    "artifacts",
    "budget",
];
const BUDGET: [&str; 4] = ["wall-seconds", "memory-mib", "output-bytes", "cost-units"];
const LIMITS: [&str; 5] = ["seconds", "memory-mib", "cpus", "pids", "output-mib"];
/// Whoever has more cases has a suite.
const MOST_CASES: usize = 100;

type Artifacts = BTreeMap<ArtifactPath, MediaType>;

pub(super) fn read(
    reader: &mut Reader<'_>,
    document: NodeId,
    place: &Place<'_>,
) -> Option<AcceptanceSpec> {
    let section = reader.map(document, "acceptance")?;
    refuse_unknown(reader, section, "acceptance", &FIELDS);
    let budget = budget(reader, section, "acceptance.budget");
    let limits = limits(reader, section);
    let outputs = outputs(reader, document);
    let mut cases: Vec<Case> = Vec::new();
    for (index, node) in items(reader, section, "acceptance.cases")
        .into_iter()
        .enumerate()
    {
        if index == MOST_CASES {
            let message = format!("`acceptance.cases` has more than {MOST_CASES} cases");
            let hint = "leave the rest to the suite";
            reader.error(node, BAD_ACCEPTANCE, message, Some(hint));
            break;
        }
        let shared = Shared {
            budget,
            outputs: &outputs,
            place,
        };
        let Some(case) = case(reader, node, index, &shared) else {
            continue;
        };
        if let Some(first) = cases.iter().find(|known| known.name == case.name) {
            let message = format!("`{}` is already the case in line {}", case.name, first.line);
            let hint = "give it another name";
            reader.error(node, BAD_ACCEPTANCE, message, Some(hint));
        }
        cases.push(case);
    }
    Some(AcceptanceSpec { limits, cases })
}

/// What all cases of an entry share.
struct Shared<'a> {
    budget: Budget,
    outputs: &'a Artifacts,
    place: &'a Place<'a>,
}

fn case(reader: &mut Reader<'_>, node: NodeId, index: usize, shared: &Shared<'_>) -> Option<Case> {
    let field = format!("acceptance.cases[{index}]");
    if reader.tree.pairs(node).is_none() {
        reader.bad_type(&field, node, node, "a mapping");
        return None;
    }
    refuse_unknown(reader, node, &field, &CASE);
    let name: Option<CaseName> = word(reader, BAD_ACCEPTANCE, node, &format!("{field}.name"));
    if present(reader, node, "name").is_none() {
        let message = format!("`{field}` has no `name`");
        let hint = "name what it shows, as in `name: short-text`";
        reader.error(node, BAD_ACCEPTANCE, message, Some(hint));
    }
    let mode = mode(reader, node, &format!("{field}.mode"));
    let inputs = inputs(reader, node, &format!("{field}.inputs"), shared.place);
    let files = files(reader, node, &format!("{field}.files"), shared.place);
    let expect = expect(reader, node, &format!("{field}.expect"));
    let fails = expect.as_ref().is_some_and(expects_error);
    let artifacts = match artifacts(reader, node, &format!("{field}.artifacts")) {
        Some(own) => own,
        None if fails => Artifacts::new(),
        None => shared.outputs.clone(),
    };
    let own = budget(reader, node, &format!("{field}.budget"));
    Some(Case {
        name: name?,
        line: reader.position(node).line,
        mode: mode?,
        inputs: inputs?,
        files,
        expect,
        artifacts,
        budget: Budget {
            wall_seconds: own.wall_seconds.or(shared.budget.wall_seconds),
            memory_mib: own.memory_mib.or(shared.budget.memory_mib),
            output_bytes: own.output_bytes.or(shared.budget.output_bytes),
            cost_units: own.cost_units.or(shared.budget.cost_units),
        },
    })
}

fn expects_error(expect: &Expect) -> bool {
    let mut pairs = expect.iter();
    pairs.any(|(at, value)| at.as_str() == "/status" && value == "error")
}

fn mode(reader: &mut Reader<'_>, case: NodeId, field: &str) -> Option<Mode> {
    let Some((text, at)) = reader.text(case, field) else {
        return Some(Mode::Mock);
    };
    match text {
        "mock" => Some(Mode::Mock),
        "real" => Some(Mode::Real),
        _ => {
            reader.bad_type(field, at, at, "`mock` or `real`");
            None
        }
    }
}

fn inputs(
    reader: &mut Reader<'_>,
    case: NodeId,
    field: &str,
    place: &Place<'_>,
) -> Option<CaseInputs> {
    let Some(value) = present(reader, case, "inputs") else {
        let message = format!("`{field}` is missing");
        let hint = "give what the processor takes, or the path of a JSON file with it";
        reader.error(case, BAD_ACCEPTANCE, message, Some(hint));
        return None;
    };
    if reader.tree.pairs(value).is_some() {
        return match json::value(reader, BAD_ACCEPTANCE, value, field)? {
            Value::Object(map) => Some(CaseInputs::Inline(map)),
            _ => None,
        };
    }
    if reader.tree.scalar(value).is_none() {
        let expected = "a mapping, or the path of a JSON file";
        reader.bad_type(field, value, value, expected);
        return None;
    }
    let given = reader.text_of(field, value, value)?;
    file(reader, value, field, given, place).map(CaseInputs::File)
}

fn files(
    reader: &mut Reader<'_>,
    case: NodeId,
    field: &str,
    place: &Place<'_>,
) -> BTreeMap<ArtifactPath, PathBuf> {
    let mut read = BTreeMap::new();
    for (name, key, value) in named(reader, case, field).unwrap_or_default() {
        let field = format!("{field}.{name}");
        let given = reader.text_of(&field, key, value);
        if let Some(path) = given.and_then(|given| file(reader, value, &field, given, place)) {
            read.insert(name, path);
        }
    }
    read
}

/// The path of a file of the repository, relative to its root.
fn file(
    reader: &mut Reader<'_>,
    at: NodeId,
    field: &str,
    given: &str,
    place: &Place<'_>,
) -> Option<PathBuf> {
    let joined = paths::join(place.base, given);
    match joined.and_then(|path| Ok((place.root.resolve(&path)?, path))) {
        Ok((Some((_, metadata)), path)) if metadata.is_file() => Some(path),
        Ok((_, path)) => {
            let message = format!("`{field}`: there is no file {}", path.display());
            let hint = "paths are relative to the build context";
            reader.error(at, BAD_ACCEPTANCE, message, Some(hint));
            None
        }
        Err(escape) => {
            let message = format!("`{field}`: {}", escape.message(given));
            let hint = "name a path inside the repository";
            reader.error(at, code::PATH_ESCAPES, message, Some(hint));
            None
        }
    }
}

fn expect(reader: &mut Reader<'_>, case: NodeId, field: &str) -> Option<Expect> {
    let map = reader.map(case, field)?;
    for (key, _) in reader.tree.pairs(map).unwrap_or_default() {
        let Some((text, _)) = reader.tree.scalar(reader.tree.target(*key)) else {
            continue;
        };
        let read: Result<JsonPointer, _> = Expect::pointer(text);
        sound(
            reader,
            BAD_ACCEPTANCE,
            *key,
            &format!("`{field}` has the key"),
            read,
        );
    }
    let Value::Object(value) = json::value(reader, BAD_ACCEPTANCE, map, field)? else {
        return None;
    };
    if value.is_empty() {
        let message = format!("`{field}` is empty, so that every answer would do");
        let hint = "leave it out to expect a success";
        reader.error(map, BAD_ACCEPTANCE, message, Some(hint));
    }
    Expect::try_from(value).ok()
}

fn artifacts(reader: &mut Reader<'_>, case: NodeId, field: &str) -> Option<Artifacts> {
    let mut read = Artifacts::new();
    for (name, key, value) in named(reader, case, field)? {
        let field = format!("{field}.{name}");
        let Some(text) = reader.text_of(&field, key, value) else {
            continue;
        };
        let what = format!("`{field}` is");
        if let Some(kind) = sound(reader, BAD_ACCEPTANCE, value, &what, text.parse()) {
            read.insert(name, kind);
        }
    }
    Some(read)
}

/// `outputs` of the entry: `path` and `mime` of each.
fn outputs(reader: &mut Reader<'_>, document: NodeId) -> Artifacts {
    let mut read = Artifacts::new();
    for (index, item) in items(reader, document, "outputs").into_iter().enumerate() {
        let field = format!("outputs[{index}]");
        if reader.tree.pairs(item).is_none() {
            reader.bad_type(&field, item, item, "a mapping");
            continue;
        }
        for name in ["path", "mime"] {
            if present(reader, item, name).is_none() {
                let message = format!("`{field}` has no `{name}`");
                reader.error(item, BAD_ACCEPTANCE, message, None);
            }
        }
        let path = word(reader, BAD_ACCEPTANCE, item, &format!("{field}.path"));
        let kind = word(reader, BAD_ACCEPTANCE, item, &format!("{field}.mime"));
        read.extend(path.zip(kind));
    }
    read
}

fn budget(reader: &mut Reader<'_>, map: NodeId, field: &str) -> Budget {
    let Some(budget) = reader.map(map, field) else {
        return Budget::default();
    };
    refuse_unknown(reader, budget, field, &BUDGET);
    let name = |last: &str| format!("{field}.{last}");
    let units = name("cost-units");
    let cost = reader.number(budget, &units, "an amount");
    Budget {
        wall_seconds: above_zero(reader, budget, &name("wall-seconds"), "a number of seconds"),
        memory_mib: whole(reader, budget, &name("memory-mib"), "a number of MiB"),
        output_bytes: bytes(reader, budget, &name("output-bytes")),
        cost_units: cost.and_then(|cost| {
            let (_, at) = reader.find(budget, "cost-units")?;
            let what = format!("`{units}` is");
            sound(reader, BAD_ACCEPTANCE, at, &what, Cost::try_from(cost))
        }),
    }
}

fn limits(reader: &mut Reader<'_>, section: NodeId) -> Limits {
    let Some(limits) = reader.map(section, "acceptance.limits") else {
        return Limits::default();
    };
    refuse_unknown(reader, limits, "acceptance.limits", &LIMITS);
    let name = |last: &str| format!("acceptance.limits.{last}");
    Limits {
        seconds: whole(reader, limits, &name("seconds"), "a number of seconds"),
        memory_mib: whole(reader, limits, &name("memory-mib"), "a number of MiB"),
        cpus: above_zero(reader, limits, &name("cpus"), "a number of cores"),
        pids: whole(reader, limits, &name("pids"), "a number of processes"),
        output_mib: whole(reader, limits, &name("output-mib"), "a number of MiB"),
    }
}

/// More than any machine has, and far from where arithmetic ends.
const LARGEST: f64 = 1_048_576.0;
/// A TiB.
const MOST_BYTES: f64 = 1_099_511_627_776.0;

fn whole(reader: &mut Reader<'_>, map: NodeId, field: &str, expected: &str) -> Option<u64> {
    let range = format!("whole and from 1 to {LARGEST}");
    within(reader, map, field, (expected, &range), |number| {
        (1.0..=LARGEST).contains(&number) && number.fract() == 0.0
    })
    .map(|number| number as u64)
}

fn bytes(reader: &mut Reader<'_>, map: NodeId, field: &str) -> Option<u64> {
    let range = format!("whole and at most {MOST_BYTES}");
    within(
        reader,
        map,
        field,
        ("a number of bytes", &range),
        |number| (0.0..=MOST_BYTES).contains(&number) && number.fract() == 0.0,
    )
    .map(|number| number as u64)
}

fn above_zero(reader: &mut Reader<'_>, map: NodeId, field: &str, expected: &str) -> Option<f64> {
    let range = format!("more than 0 and at most {LARGEST}");
    within(reader, map, field, (expected, &range), |number| {
        number > 0.0 && number <= LARGEST
    })
}

fn within(
    reader: &mut Reader<'_>,
    map: NodeId,
    field: &str,
    (expected, range): (&str, &str),
    holds: impl Fn(f64) -> bool,
) -> Option<f64> {
    let number = reader.number(map, field, expected)?;
    if holds(number) {
        return Some(number);
    }
    let (key, value) = reader.find(map, last(field))?;
    reader.bad_type(field, key, value, &format!("{expected}, {range}"));
    None
}

/// The items of a list; none when it is absent or null.
fn items(reader: &mut Reader<'_>, map: NodeId, field: &str) -> Vec<NodeId> {
    let Some((key, value)) = reader.find(map, last(field)) else {
        return Vec::new();
    };
    if reader.tree.is_null(value) {
        return Vec::new();
    }
    let tree = reader.tree;
    match &tree.node(value).kind {
        Kind::Sequence(items) => items.iter().map(|item| tree.target(*item)).collect(),
        _ => {
            reader.bad_type(field, key, value, "a list");
            Vec::new()
        }
    }
}

/// The pairs of a mapping whose keys are paths below a folder.
fn named(
    reader: &mut Reader<'_>,
    map: NodeId,
    field: &str,
) -> Option<Vec<(ArtifactPath, NodeId, NodeId)>> {
    let map = reader.map(map, field)?;
    let tree = reader.tree;
    let mut read = Vec::new();
    for (key, value) in tree.pairs(map).unwrap_or_default() {
        let Some((text, _)) = tree.scalar(tree.target(*key)) else {
            reader.bad_type(field, *key, *key, "a mapping from paths");
            continue;
        };
        let what = format!("`{field}` has the key");
        if let Some(path) = sound(reader, BAD_ACCEPTANCE, *key, &what, text.parse()) {
            read.push((path, *key, tree.target(*value)));
        }
    }
    Some(read)
}
