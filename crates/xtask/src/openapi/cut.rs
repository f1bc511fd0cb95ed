use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::error::Error;

/// What is left of GitHub's description.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// By `METHOD /path`: query parameters, body and answers.
    pub(super) operations: BTreeMap<String, Value>,
    /// The schemas that they name, as JSON Schema 2020-12.
    pub(super) schemas: BTreeMap<String, Value>,
}

/// The operations of `wanted`, and the schemas they need, without a word of prose.
///
/// # Errors
/// When the description has no such operation, or is none.
pub(super) fn cut(description: &Value, wanted: &[&str]) -> Result<Part, Error> {
    let mut part = Part::default();
    let mut names = Vec::new();
    for operation in wanted {
        let missing = || super::not_in_package(*operation);
        let (method, path) = operation.split_once(' ').ok_or_else(missing)?;
        let item = &description["paths"][path];
        let found = &item[method.to_ascii_lowercase()];
        if !found.is_object() {
            return Err(missing());
        }
        let json = json!({
            "query": query(description, &[&item["parameters"], &found["parameters"]], &mut names),
            "body": body(description, &found["requestBody"], &mut names),
            "answers": answers(description, &found["responses"], &mut names),
        });
        part.operations.insert((*operation).to_owned(), json);
    }
    while let Some(name) = names.pop() {
        if part.schemas.contains_key(&name) {
            continue;
        }
        let schema = &description["components"]["schemas"][&name];
        if !schema.is_object() {
            return Err(super::not_in_package(name));
        }
        part.schemas.insert(name, convert(schema, &mut names));
    }
    Ok(part)
}

/// JSON with one line for each operation and each schema, so that a difference can be read.
pub(super) fn lines(package: &str, part: &Part) -> String {
    let object = |entries: &BTreeMap<String, Value>| {
        let lines: Vec<String> = entries
            .iter()
            .map(|(name, value)| {
                let mut value = value.clone();
                value.sort_all_objects();
                format!("{}:{value}", Value::from(name.as_str()))
            })
            .collect();
        format!("{{\n{}\n}}", lines.join(",\n"))
    };
    format!(
        "{{\n\"package\":{},\n\"operations\":{},\n\"schemas\":{}\n}}\n",
        Value::from(package),
        object(&part.operations),
        object(&part.schemas)
    )
}

fn query(description: &Value, lists: &[&Value], names: &mut Vec<String>) -> Value {
    let mut found = Map::new();
    for parameter in lists.iter().filter_map(|list| list.as_array()).flatten() {
        let parameter = follow(description, parameter);
        if parameter["in"] == "query"
            && let Some(name) = parameter["name"].as_str()
        {
            found.insert(name.to_owned(), convert(&parameter["schema"], names));
        }
    }
    found.into()
}

/// The schema of a body, and whether there must be one; `null` where there is none.
fn body(description: &Value, body: &Value, names: &mut Vec<String>) -> Value {
    let body = follow(description, body);
    match &body["content"]["application/json"]["schema"] {
        Value::Null => Value::Null,
        schema => json!({
            "required": body["required"] == true,
            "schema": convert(schema, names),
        }),
    }
}

/// By status; `null` for an answer without a body.
fn answers(description: &Value, answers: &Value, names: &mut Vec<String>) -> Value {
    let mut found = Map::new();
    for (status, answer) in answers.as_object().into_iter().flatten() {
        let answer = follow(description, answer);
        let schema = match &answer["content"]["application/json"]["schema"] {
            Value::Null => Value::Null,
            schema => convert(schema, names),
        };
        found.insert(status.clone(), schema);
    }
    found.into()
}

/// What a reference to something other than a schema points at.
fn follow<'a>(description: &'a Value, value: &'a Value) -> &'a Value {
    value["$ref"]
        .as_str()
        .and_then(|text| description.pointer(text.strip_prefix('#')?))
        .unwrap_or(value)
}

/// A schema of OpenAPI 3.0 as JSON Schema 2020-12: without prose, `nullable` as a type.
fn convert(schema: &Value, names: &mut Vec<String>) -> Value {
    let Some(keywords) = schema.as_object() else {
        return schema.clone();
    };
    if let Some(name) = keywords
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|text| text.strip_prefix("#/components/schemas/"))
    {
        names.push(name.to_owned());
        return json!({ "$ref": format!("#/$defs/{name}") });
    }
    let mut kept = Map::new();
    for (keyword, value) in keywords {
        let value = match keyword.as_str() {
            "properties" => value
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, schema)| (name.clone(), convert(schema, names)))
                .collect::<Map<_, _>>()
                .into(),
            "items" | "not" | "additionalProperties" => convert(value, names),
            "allOf" | "anyOf" | "oneOf" => {
                let schemas = value.as_array().into_iter().flatten();
                let schemas: Vec<_> = schemas.map(|schema| convert(schema, names)).collect();
                // Where the description has `oneOf`, more than one often holds.
                let any = if keyword == "oneOf" { "anyOf" } else { keyword };
                kept.insert(any.to_owned(), schemas.into());
                continue;
            }
            "type" | "enum" | "required" | "format" | "pattern" | "minimum" | "maximum"
            | "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties"
            | "maxProperties" | "uniqueItems" => value.clone(),
            _ => continue,
        };
        kept.insert(keyword.clone(), value);
    }
    if keywords.get("nullable") == Some(&Value::Bool(true)) {
        return or_null(kept);
    }
    kept.into()
}

fn or_null(mut schema: Map<String, Value>) -> Value {
    match schema.get_mut("type") {
        Some(kind @ Value::String(_)) => *kind = json!([kind.take(), "null"]),
        _ => return json!({ "anyOf": [schema, { "type": "null" }] }),
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    schema.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description() -> Value {
        json!({
            "paths": { "/x/{id}": { "get": {
                "description": "prose",
                "parameters": [
                    { "$ref": "#/components/parameters/page" },
                    { "name": "id", "in": "path", "schema": { "type": "string" } },
                ],
                "responses": {
                    "200": { "content": { "application/json": {
                        "schema": { "$ref": "#/components/schemas/thing" },
                        "examples": { "default": {} },
                    } } },
                    "404": { "$ref": "#/components/responses/not_found" },
                },
            } } },
            "components": {
                "parameters": { "page": { "name": "page", "in": "query",
                    "schema": { "type": "integer", "default": 1, "description": "prose" } } },
                "responses": { "not_found": { "description": "prose" } },
                "schemas": {
                    "thing": { "type": "object", "title": "prose", "required": ["description"],
                        "properties": {
                            "description": { "type": "string", "nullable": true, "example": "x" },
                            "state": { "type": "string", "enum": ["a"], "nullable": true },
                            "other": { "nullable": true,
                                "allOf": [{ "$ref": "#/components/schemas/other" }] },
                        } },
                    "other": { "type": "integer" },
                    "unused": { "type": "string" },
                },
            },
        })
    }

    #[test]
    fn prose_goes_and_types_stay() {
        let part = cut(&description(), &["GET /x/{id}"]).unwrap();
        insta::assert_snapshot!(lines("p 1", &part), @r##"
        {
        "package":"p 1",
        "operations":{
        "GET /x/{id}":{"answers":{"200":{"$ref":"#/$defs/thing"},"404":null},"body":null,"query":{"page":{"type":"integer"}}}
        },
        "schemas":{
        "other":{"type":"integer"},
        "thing":{"properties":{"description":{"type":["string","null"]},"other":{"anyOf":[{"allOf":[{"$ref":"#/$defs/other"}]},{"type":"null"}]},"state":{"enum":["a",null],"type":["string","null"]}},"required":["description"],"type":"object"}
        }
        }
        "##);
    }

    #[test]
    fn what_github_does_not_describe_is_an_error() {
        let error = cut(&description(), &["POST /x/{id}"]).unwrap_err();
        assert!(error.to_string().contains("POST /x/{id}"), "{error}");
    }
}
