//! GitHub's own description of its API, and whether a request and its answer are as it says.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

/// Made by `cargo xtask openapi`.
const DESCRIPTION: &str = include_str!("../openapi/github.json");

/// Placeholders whose values may have slashes in them, which a client need not encode.
const WITH_SLASHES: &[&str] = &["{ref}", "{path}", "{branch}", "{basehead}", "{tree_sha}"];

/// Statuses that every operation may answer with, whether or not it is described: bad JSON, token,
/// rights, what may not be seen, rate limits and outages.
const EVERYWHERE: &[u16] = &[400, 401, 403, 404, 429, 500, 502, 503, 504];

/// What GitHub is known to answer although its description does not say so.
const UNDESCRIBED: &[(&str, u16)] = &[
    // No such branch, or no `workflow_dispatch` trigger.
    (
        "POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches",
        422,
    ),
    // No such commit, or a description that is too long.
    ("POST /repos/{owner}/{repo}/statuses/{sha}", 422),
];

pub(crate) static GITHUB: LazyLock<Description> = LazyLock::new(Description::new);

pub(crate) struct Description {
    operations: Vec<Operation>,
    schemas: Value,
    /// By operation and part.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// `GET /repos/{owner}/{repo}/…`
pub(crate) struct Operation {
    name: String,
    json: Value,
}

/// What was sent, or what came back.
pub(crate) struct Exchange<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) sent: &'a [u8],
    pub(crate) status: u16,
    pub(crate) received: &'a [u8],
}

impl Description {
    fn new() -> Self {
        let mut json: Value = serde_json::from_str(DESCRIPTION).unwrap();
        let Value::Object(operations) = json["operations"].take() else {
            panic!("no operations in the description");
        };
        let operations = operations.into_iter();
        Self {
            operations: operations
                .map(|(name, json)| Operation { name, json })
                .collect(),
            schemas: json["schemas"].take(),
            validators: Mutex::default(),
        }
    }

    /// The operation that a request asks for: of several, the one that says most.
    pub(crate) fn operation(&self, method: &str, path: &str) -> Option<&Operation> {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let fitting = self.operations.iter().filter(|operation| {
            let (its_method, its_path) = operation.name.split_once(' ').unwrap();
            let template: Vec<&str> = its_path.split('/').skip(1).collect();
            its_method == method && fits(&template, &parts)
        });
        let literal = |operation: &&Operation| {
            let parts = operation.name.split('/');
            parts.filter(|part| !part.starts_with('{')).count()
        };
        fitting.max_by_key(literal)
    }

    /// What is wrong with the request of an exchange.
    pub(crate) fn check_request(&self, exchange: &Exchange<'_>) -> Vec<String> {
        let Some(operation) = self.operation(exchange.method, exchange.path) else {
            let Exchange { method, path, .. } = exchange;
            return vec![format!("{method} {path}: not an operation of the list")];
        };
        let mut wrong = self.check_query(operation, exchange.query);
        let name = &operation.name;
        let body = &operation.json["body"];
        if exchange.sent.is_empty() {
            if body["required"] == true {
                wrong.push(format!("{name}: the request has no body"));
            }
            return wrong;
        }
        if body.is_null() {
            wrong.push(format!("{name}: the request must not have a body"));
            return wrong;
        }
        let Ok(sent) = serde_json::from_slice::<Value>(exchange.sent) else {
            wrong.push(format!("{name}: the request is no JSON"));
            return wrong;
        };
        // GitHub overlooks fields that it does not know, and with them every misspelt one.
        if let (Some(known), Some(sent)) =
            (body["schema"]["properties"].as_object(), sent.as_object())
        {
            let unknown = sent.keys().filter(|key| !known.contains_key(*key));
            wrong.extend(unknown.map(|key| format!("{name}: request /{key}: unknown field")));
        }
        let part = format!("{name} request");
        wrong.extend(self.errors(&part, &body["schema"], &sent));
        wrong
    }

    fn check_query(&self, operation: &Operation, query: &str) -> Vec<String> {
        let name = &operation.name;
        let mut wrong = Vec::new();
        let url = reqwest::Url::parse(&format!("http://x/?{query}")).unwrap();
        for (key, text) in url.query_pairs() {
            let schema = &operation.json["query"][&*key];
            if schema.is_null() {
                wrong.push(format!("{name}: unknown query parameter `{key}`"));
                continue;
            }
            let value = match schema["type"].as_str() {
                Some("integer") => text.parse::<i64>().map_or(Value::Null, Value::from),
                Some("boolean") => text.parse::<bool>().map_or(Value::Null, Value::from),
                _ => Value::from(&*text),
            };
            wrong.extend(self.errors(&format!("{name} ?{key}"), schema, &value));
        }
        wrong
    }

    /// What is wrong with the answer of an exchange.
    pub(crate) fn check_answer(&self, exchange: &Exchange<'_>) -> Vec<String> {
        let status = exchange.status;
        // Answers to what is no operation have the form of an error.
        let operation = self.operation(exchange.method, exchange.path);
        let (name, described) = match operation {
            Some(operation) => {
                let answers = operation.json["answers"].as_object().unwrap();
                (operation.name.as_str(), answers.get(&status.to_string()))
            }
            None => ("an unknown operation", None),
        };
        let known = EVERYWHERE.contains(&status) || UNDESCRIBED.contains(&(name, status));
        if described.is_none() && !known {
            return vec![format!("{name}: status {status} is not described")];
        }
        let error = json!({ "$ref": "#/$defs/basic-error" });
        let schema = match described {
            Some(schema) if !schema.is_null() => schema,
            _ if status >= 400 => &error,
            _ if exchange.received.is_empty() => return Vec::new(),
            _ => return vec![format!("{name}: an answer {status} has no body")],
        };
        let Ok(received) = serde_json::from_slice::<Value>(exchange.received) else {
            // A page of a proxy in between.
            let page = status >= 500;
            return match page {
                true => Vec::new(),
                false => vec![format!("{name}: the answer {status} is no JSON")],
            };
        };
        self.errors(&format!("{name} answer {status}"), schema, &received)
    }

    fn errors(&self, part: &str, schema: &Value, instance: &Value) -> Vec<String> {
        let validator = self.validator(part, schema);
        validator
            .iter_errors(instance)
            .map(|error| {
                let place = error.instance_path().to_string();
                let words: String = error.to_string().chars().take(300).collect();
                let known = describe(instance, &place);
                format!("{part} {place}: {words}{known}")
            })
            .collect()
    }

    fn validator(&self, part: &str, schema: &Value) -> Arc<Validator> {
        let mut validators = self.validators.lock().unwrap();
        if let Some(validator) = validators.get(part) {
            return Arc::clone(validator);
        }
        let whole = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$defs": self.schemas,
            "allOf": [schema],
        });
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .build(&whole)
            .unwrap_or_else(|error| panic!("{part}: {error}"));
        let validator = Arc::new(validator);
        validators.insert(part.to_owned(), Arc::clone(&validator));
        validator
    }
}

/// The fields of the object at that place, where what is missing would stand.
fn describe(instance: &Value, place: &str) -> String {
    let object = instance.pointer(place).and_then(Value::as_object);
    let keys = |map: &Map<String, Value>| map.keys().cloned().collect::<Vec<_>>().join(" ");
    object.map_or(String::new(), |map| format!(" (it has {})", keys(map)))
}

fn fits(template: &[&str], path: &[&str]) -> bool {
    let Some((first, rest)) = template.split_first() else {
        return path.is_empty();
    };
    let least = usize::from(*first != "{path}");
    let most = match () {
        () if WITH_SLASHES.contains(first) => path.len(),
        () => 1,
    };
    if !first.starts_with('{') {
        return path.first() == Some(first) && fits(rest, &path[1..]);
    }
    (least..=most.min(path.len())).any(|taken| fits(rest, &path[taken..]))
}

#[test]
fn paths_are_found_with_slashes_in_their_values() {
    let find = |method, rest: &str| {
        let path = format!("/repos/acme/x{rest}");
        GITHUB.operation(method, &path).map(|it| it.name.clone())
    };
    let known = |name: &str| Some(name.replace("REPO", "/repos/{owner}/{repo}"));
    assert_eq!(
        find("GET", "/git/ref/heads/bot/pin-1"),
        known("GET REPO/git/ref/{ref}")
    );
    assert_eq!(
        find("GET", "/commits/bot/pin/status"),
        known("GET REPO/commits/{ref}/status")
    );
    assert_eq!(find("GET", "/contents"), known("GET REPO/contents/{path}"));
    assert_eq!(find("GET", ""), known("GET REPO"));
    assert_eq!(find("GET", "/pulls/1/files"), None);
    assert_eq!(find("DELETE", ""), None);
}
