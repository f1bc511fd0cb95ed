use pr_checks::{Action, Changes, Check, ChecksError, Facts, Plan};
use serde_json::json;

use crate::support::{check, shell};

fn needing(name: &str, needs: &[&str]) -> Check {
    check(json!({"name": name, "command": ["true"], "needs": needs}))
}

fn problem(checks: &[Check]) -> ChecksError {
    pr_checks::plan(checks, &Facts::default()).unwrap_err()
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.checks
        .iter()
        .map(|planned| planned.check.name.as_str())
        .collect()
}

#[test]
fn what_is_needed_comes_first() {
    let checks = [
        needing("c", &["b", "a"]),
        needing("b", &["a"]),
        needing("a", &[]),
    ];
    let plan = pr_checks::plan(&checks, &Facts::default()).unwrap();
    assert_eq!(names(&plan), ["a", "b", "c"]);
}

#[test]
fn checks_that_make_no_sense_are_errors_with_names() {
    let with = |more: serde_json::Value| {
        let mut one = json!({"name": "a", "command": ["true"]});
        one.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        check(one)
    };
    let cases = [
        problem(&[
            needing("a", &["c"]),
            needing("b", &["a"]),
            needing("c", &["b"]),
            needing("d", &["a"]),
        ]),
        problem(&[needing("a", &["a"])]),
        problem(&[needing("a", &["lint"]), needing("ruff", &[])]),
        problem(&[shell("a", ""), shell("a", "")]),
        problem(&[with(json!({"command": []}))]),
        problem(&[with(json!({"directory": "../x"}))]),
        problem(&[with(json!({"directory": "/"}))]),
        problem(&[with(
            json!({"parser": {"kind": "sarif", "report": "a/../../x"}}),
        )]),
        problem(&[with(json!({"parser": {"kind": "junit"}}))]),
        problem(&[with(json!({"paths": ["a[", "b"]}))]),
        problem(&[with(
            json!({"parser": {"kind": "pattern", "expression": "("}}),
        )]),
        problem(&[with(
            json!({"parser": {"kind": "pattern", "expression": "(?P<file>.*)"}}),
        )]),
    ];
    let shown = cases.map(|error| match error.hint() {
        Some(hint) => format!("{error} | hint: {hint}"),
        None => error.to_string(),
    });
    insta::assert_snapshot!(shown.join("\n"), @"
    plan the checks: they need each other: a → c → b → a | hint: remove one of these from `needs`
    plan the checks: they need each other: a → a | hint: remove one of these from `needs`
    plan check `a`: it needs `lint`, which does not exist | hint: the checks are: a, ruff
    plan the checks: two are called `a`
    plan check `a`: its command is empty
    plan check `a`: `../x` is not inside the repository
    plan check `a`: `/` is not inside the repository
    plan check `a`: `./a/../../x` is not inside the repository
    plan check `a`: its parser reads a file, but neither `report` nor `{report}` in its command names one | hint: set `report` of the parser to the file that the command writes
    plan check `a`: read the glob `a[`
    plan check `a`: read the regular expression of its parser
    plan check `a`: the regular expression of its parser has no group `message` | hint: write `(?P<message>…)` in it
    ");
}

#[test]
fn only_what_looks_at_the_changes_runs() {
    let checks = [
        check(json!({"name": "lint", "command": ["true"], "paths": ["code/**/*.py"]})),
        check(json!({"name": "docs", "command": ["true"], "paths": ["docs/**"]})),
        check(json!({"name": "always", "command": ["true"]})),
    ];
    let actions = |paths: &[&str]| {
        let changes = Changes {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            ..Changes::default()
        };
        let facts = Facts::new(Some(changes));
        let plan = pr_checks::plan(&checks, &facts).unwrap();
        plan.checks
            .iter()
            .map(|planned| planned.action)
            .collect::<Vec<_>>()
    };
    use Action::{Run, Skip};
    assert_eq!(actions(&["code/a/b.py"]), [Run, Skip, Run]);
    assert_eq!(actions(&["docs/x/y.md", "code/a.py"]), [Run, Run, Run]);
    assert_eq!(actions(&["README.md"]), [Skip, Skip, Run]);
    let all = pr_checks::plan(&checks, &Facts::default()).unwrap();
    assert!(all.checks.iter().all(|planned| planned.action == Run));
}
