//! The answer of a processor.

use std::sync::LazyLock;

use jsonschema::Validator;
use registry_model::Cost;
use serde_json::Value;

/// What every answer must be; `docs/acceptance.md` explains it.
const SCHEMA: &str = include_str!("../../schemas/envelope.json");
/// One mistake can make many of them.
const MOST_PROBLEMS: usize = 5;

static VALIDATOR: LazyLock<Option<Validator>> = LazyLock::new(|| {
    let schema = serde_json::from_str(SCHEMA).ok()?;
    jsonschema::validator_for(&schema).ok()
});

/// A place in the answer and what is wrong there.
pub(super) type Problem = (String, String);

/// Reads what was printed.
pub(super) fn read(stdout: &[u8]) -> Result<Value, Vec<Problem>> {
    let whole = |problem: String| vec![("standard output".to_owned(), problem)];
    let value: Value = match serde_json::from_slice(stdout) {
        Ok(value) => value,
        Err(_) if stdout.iter().all(u8::is_ascii_whitespace) => {
            return Err(whole("nothing".into()));
        }
        Err(error) => {
            let start = String::from_utf8_lossy(&stdout[..stdout.len().min(60)]);
            return Err(whole(format!("`{start}`, which is no JSON: {error}")));
        }
    };
    let Some(validator) = VALIDATOR.as_ref() else {
        return Err(whole("an answer that cannot be checked".into()));
    };
    let problems: Vec<Problem> = validator
        .iter_errors(&value)
        .take(MOST_PROBLEMS)
        .map(|error| {
            let place = error.instance_path().to_string();
            let place = match place.as_str() {
                "" => "the answer".to_owned(),
                place => format!("`{place}` of the answer"),
            };
            (place, error.to_string())
        })
        .collect();
    match problems.is_empty() {
        true => Ok(value),
        false => Err(problems),
    }
}

/// What stands there, for people.
pub(super) fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| format!("`{value}`"))
}

/// `usage.cost_units`.
pub(super) fn cost_units(answer: &Value) -> Option<Cost> {
    Cost::try_from(answer.pointer("/usage/cost_units")?.as_f64()?).ok()
}

/// The answer without what differs from run to run.
pub(super) fn lasting(answer: &Value) -> Value {
    let mut answer = answer.clone();
    if let Some(map) = answer.as_object_mut() {
        map.remove("usage");
    }
    answer
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer() -> Value {
        json!({
            "status": "success", "ref": "a/b@1", "mode": "mock",
            "outputs": [{"path": "a", "media_type": "text/plain", "bytes": 1, "sha256": "0".repeat(64)}],
            "usage": {"wall_ms": 3.5, "cost_units": 0.25}, "more": true,
            "receipt": {
                "schema": 1, "ref": "a/b@1", "image_digest": format!("sha256:{}", "1".repeat(64)),
                "mode": "mock", "inputs_sha256": "2".repeat(64), "status": "success"
            }
        })
    }

    #[test]
    fn an_answer_is_held_against_its_schema() {
        let good = answer();
        assert_eq!(read(good.to_string().as_bytes()).unwrap(), good);
        assert_eq!(cost_units(&good), Some(Cost::try_from(0.25).unwrap()));
        assert_eq!(lasting(&good).get("usage"), None);

        let problems = |change: fn(&mut Value)| {
            let mut answer = answer();
            change(&mut answer);
            read(answer.to_string().as_bytes()).unwrap_err()
        };
        let found = problems(|it| it["receipt"]["image_digest"] = json!("latest"));
        assert_eq!(found[0].0, "`/receipt/image_digest` of the answer");
        let found = problems(|it| it["outputs"][0]["bytes"] = json!(-1));
        assert_eq!(found[0].0, "`/outputs/0/bytes` of the answer");
        let found = problems(|it| it["status"] = json!("error"));
        assert_eq!(
            found,
            [(
                "the answer".into(),
                "\"error\" is a required property".into()
            )]
        );
        let found = problems(|it| drop(it.as_object_mut().unwrap().remove("receipt")));
        assert_eq!(found[0].1, "\"receipt\" is a required property");
    }

    #[test]
    fn what_is_no_answer_is_told() {
        let told = |text: &str| read(text.as_bytes()).unwrap_err().remove(0).1;
        assert_eq!(told(" \n"), "nothing");
        assert!(told("hello").starts_with("`hello`, which is no JSON: "));
        assert!(told("{}{}").contains("trailing characters"));
        assert!(read(b"[]").is_err());
    }
}
