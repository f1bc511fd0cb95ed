//! GitHub's own description of its GraphQL API, as far as it is used.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};

static DESCRIPTION: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../openapi/graphql.json")).unwrap());

/// What is wrong with a request, and with the answer to it.
pub(crate) fn check(sent: &[u8], received: &[u8]) -> Vec<String> {
    let sent: Value = serde_json::from_slice(sent).unwrap_or_default();
    let query = sent["query"].as_str().unwrap_or_default();
    let mut wrong = Vec::new();
    let (kind, fields) = match query.trim_start().starts_with("mutation") {
        true => ("mutation", &DESCRIPTION["mutations"]),
        false => ("query", &DESCRIPTION["queries"]),
    };
    let words: Vec<&str> = query.split(|c: char| !c.is_alphanumeric()).collect();
    let known = fields.as_object().unwrap().iter();
    let Some((name, field)) = known
        .clone()
        .find(|(name, _)| words.contains(&name.as_str()))
    else {
        return vec![format!("{kind} is none that GitHub has: {query}")];
    };
    if let Some(input) = field["input"].as_str() {
        if !query.contains(&format!("$input: {input}!")) {
            wrong.push(format!("{name} takes {input}!: {query}"));
        }
        let schema = json!({ "$ref": format!("#/$defs/{input}"), "$defs": DESCRIPTION["$defs"] });
        let schema: Validator = jsonschema::validator_for(&schema).unwrap();
        let given = &sent["variables"]["input"];
        let errors = schema.iter_errors(given);
        wrong.extend(errors.map(|error| format!("{name} {}: {error}", error.instance_path())));
    } else if let Some(variables) = sent["variables"].as_object() {
        let has = |argument: &String| {
            field["arguments"]
                .as_array()
                .unwrap()
                .contains(&json!(argument))
        };
        let unknown = variables.keys().filter(|argument| !has(argument));
        wrong.extend(unknown.map(|argument| format!("{name} has no argument {argument}")));
    }
    let received: Value = serde_json::from_slice(received).unwrap_or_default();
    if let Some(answer) = received["data"][name].as_object() {
        let has = |one: &String| field["answer"].as_array().unwrap().contains(&json!(one));
        let unknown = answer.keys().filter(|one| !has(one));
        wrong.extend(unknown.map(|one| format!("the answer of {name} has no {one}")));
    } else if !received["errors"][0]["message"].is_string() {
        wrong.push(format!(
            "{name} is neither answered nor refused: {received}"
        ));
    }
    wrong
}

#[test]
fn what_github_does_not_have_is_found() {
    let query =
        "mutation($input: UpdateRefsInput!) { updateRefs(input: $input) { clientMutationId } }";
    let zero = "0".repeat(40);
    let answer = json!({ "data": { "updateRefs": { "clientMutationId": null } } }).to_string();
    let check = |query: &str, update: Value, answer: &str| {
        let input = json!({ "repositoryId": "R_1", "refUpdates": [update] });
        let sent = json!({ "query": query, "variables": { "input": input } });
        check(sent.to_string().as_bytes(), answer.as_bytes())
    };
    let good =
        json!({ "name": "refs/heads/a", "beforeOid": zero, "afterOid": zero, "force": true });
    assert_eq!(check(query, good.clone(), &answer), [""; 0]);
    let other = |from, to| query.replace(from, to);
    for (query, update, answer) in [
        (
            query.to_owned(),
            json!({ "name": "refs/heads/a" }),
            answer.as_str(),
        ),
        (
            query.to_owned(),
            json!({ "name": "a", "afterOid": 1 }),
            &answer,
        ),
        (
            query.to_owned(),
            json!({ "name": "a", "afterOid": zero, "oldOid": zero }),
            &answer,
        ),
        (
            other("UpdateRefsInput", "UpdateRefInput"),
            good.clone(),
            &answer,
        ),
        (other("updateRefs", "moveRefs"), good.clone(), &answer),
        (
            query.to_owned(),
            good.clone(),
            r#"{"data": {"updateRefs": {"refs": []}}}"#,
        ),
        (query.to_owned(), good, r#"{"data": null}"#),
    ] {
        let wrong = check(&query, update, answer);
        assert_eq!(wrong.len(), 1, "{query} {answer} {wrong:?}");
    }
}
