use super::*;
use crate::DeployImage;
use crate::secrets::NameRule;

fn environment(name: &str) -> Environment {
    name.parse().unwrap()
}

fn names(required: &[&str], optional: &[&str]) -> SecretNames {
    let owned = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
    SecretNames {
        required: owned(required),
        optional: owned(optional),
    }
}

fn processor(reference: &str, secrets: SecretNames) -> Processor {
    Processor {
        reference: reference.parse().unwrap(),
        file: "r.yaml".into(),
        image: DeployImage::Pending(None),
        secrets,
        smoke: None,
    }
}

fn source(pairs: &[(&str, &str)]) -> SecretSource {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), SecretString::from(*value));
    SecretSource::from_pairs(pairs.iter().map(owned))
}

fn one(name: &str, source: &SecretSource) -> Result<SecretPlan, ModalError> {
    let processors = [processor("a/b@1", names(&[name], &[]))];
    plan(
        &processors,
        &SecretNames::default(),
        source,
        &environment("dev"),
    )
}

fn shown(plan: &SecretPlan) -> Vec<(String, Vec<(String, String)>)> {
    plan.secrets
        .iter()
        .map(|secret| {
            let values = secret.values.iter();
            (
                secret.name.clone(),
                values
                    .map(|(key, value)| (key.clone(), value.expose_secret().to_owned()))
                    .collect(),
            )
        })
        .collect()
}

fn single(name: &str, value: &str) -> Vec<(String, Vec<(String, String)>)> {
    vec![(name.to_owned(), vec![(name.to_owned(), value.to_owned())])]
}

#[test]
fn the_value_for_the_environment_wins_unless_it_is_empty() {
    for (pairs, expected) in [
        (&[("KEY", "all"), ("KEY_DEV", "dev")][..], "dev"),
        (&[("KEY", "all"), ("KEY_STAGING", "staging")], "all"),
        (&[("KEY", "all"), ("KEY_DEV", "")], "all"),
        (&[("KEY_DEV", "dev")], "dev"),
    ] {
        let plan = one("KEY", &source(pairs)).unwrap();
        assert_eq!(shown(&plan), single("KEY", expected), "{pairs:?}");
    }
    let plan = plan(
        &[],
        &names(&["KEY"], &[]),
        &source(&[("KEY_PRE_PROD", "x")]),
        &environment("pre-prod"),
    );
    assert_eq!(shown(&plan.unwrap()), single("KEY", "x"));
}

#[test]
fn all_that_is_missing_is_listed_with_those_who_need_it() {
    let processors = [
        processor("a/b@1", names(&["ONE", "TWO"], &["THREE"])),
        processor("c/d@2", names(&["TWO", "THREE"], &["FOUR"])),
    ];
    let source = source(&[("ONE", "1"), ("TWO", "")]);
    let error = plan(
        &processors,
        &SecretNames::default(),
        &source,
        &environment("dev"),
    );
    let error = error.unwrap_err();
    insta::assert_snapshot!(error, @r"
    collect the secrets for `dev`:
      - `THREE` has no value: `THREE_DEV` and `THREE` not set or empty (required by c/d@2)
      - `TWO` has no value: `TWO_DEV` and `TWO` not set or empty (required by a/b@1, c/d@2)
    ");
    assert_eq!(error.class().exit_code(), 14);
    assert!(error.hint().unwrap().contains("NAME_DEV"));
}

#[test]
fn optional_ones_without_value_are_warned_of_and_left_out() {
    let secrets = names(&["ONE"], &["TWO", "THREE", "ONE"]);
    let processors = [processor("a/b@1", secrets.clone())];
    let plan = plan(
        &processors,
        &names(&[], &["REGISTRY_AUTH"]),
        &source(&[("ONE", "1"), ("THREE", "3"), ("REGISTRY_AUTH", "x")]),
        &environment("dev"),
    )
    .unwrap();
    assert_eq!(
        plan.warnings,
        ["optional secret `TWO` has no value for `dev`: left out"]
    );
    assert_eq!(plan.left_out, ["TWO"]);
    // Shared secrets are written, but no processor gets them for it.
    assert_eq!(shown(&plan).len(), 3);
    assert_eq!(plan.available(&secrets), ["ONE", "THREE"]);
}

#[test]
fn objects_become_several_keys_in_text_only_with_upper_case_names() {
    let auth = r#"{"REGISTRY_USERNAME": "u", "REGISTRY_PASSWORD": "p"}"#;
    let keys = |value: &str| {
        let plan = one("AUTH", &source(&[("AUTH", value)])).unwrap();
        let keys = plan.secrets[0].values.keys().cloned();
        keys.collect::<Vec<_>>().join(",")
    };
    assert_eq!(keys(auth), "REGISTRY_PASSWORD,REGISTRY_USERNAME");
    for single in [
        r#"{"type": "service_account", "project_id": "p"}"#,
        r#"{"A": 1}"#,
        r#"["A"]"#,
        "{}",
        "{not json",
        "plain",
    ] {
        assert_eq!(keys(single), "AUTH", "{single}");
    }

    let json = format!(r#"{{"AUTH": {auth}, "LOWER": {{"key": "v"}}, "NONE": null, "TEXT": "t"}}"#);
    let source = SecretSource::from_json(&SecretString::from(json)).unwrap();
    assert_eq!(one("AUTH", &source).unwrap().secrets[0].values.len(), 2);
    assert_eq!(
        shown(&one("LOWER", &source).unwrap()),
        [("LOWER".into(), vec![("key".into(), "v".into())])]
    );
    assert_eq!(shown(&one("TEXT", &source).unwrap()), single("TEXT", "t"));
    assert!(one("NONE", &source).is_err());
}

#[test]
fn json_errors_name_the_entry_and_show_no_value() {
    for (json, says) in [
        (r#"{"A": "hunter2""#, "no JSON at line 1, column 15"),
        (r#"["hunter2"]"#, "expected an object"),
        (
            r#"{"A": ["hunter2"]}"#,
            "`A` is neither a string nor an object",
        ),
        (r#"{"A": {"B": {"hunter2": 1}}}"#, "`A.B` is no string"),
    ] {
        let error = SecretSource::from_json(&SecretString::from(json)).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(says) && !text.contains("hunter2"), "{text}");
        assert_eq!(error.class().exit_code(), 2);
    }
}

#[test]
fn hostile_values_pass_unchanged_and_impossible_ones_are_refused() {
    let long = "x".repeat(64 * 1024);
    for value in ["a\nb\r\n", "'\"$(id)%s", " spaces ", "ü🔑", long.as_str()] {
        let plan = one("KEY", &source(&[("KEY", value)])).unwrap();
        assert_eq!(shown(&plan), single("KEY", value));
    }
    for (name, value, says) in [
        ("KEY", "a\0b", "NUL"),
        ("my-key", "v", "give its value as a JSON object"),
        ("KEY;id", "v", "1 to 64 letters"),
        ("../KEY", "v", "1 to 64 letters"),
        (long.as_str(), "v", "1 to 64 letters"),
        ("", "v", "1 to 64 letters"),
        ("1KEY", "v", "give its value as a JSON object"),
        (
            "pipeline-record",
            r#"{"A": "v"}"#,
            "kept for the deployment record",
        ),
        ("AUTH", r#"{"A": "v", "B": ""}"#, "its key `B` is empty"),
        ("AUTH", r#"{"A": "v\u0000"}"#, "NUL"),
    ] {
        let error = one(name, &source(&[(name, value)]))
            .unwrap_err()
            .to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn another_rule_for_names_is_followed_and_told() {
    let rule = NameRule::new(vec!["MODAL_{ENV}_{NAME}".to_owned()]).unwrap();
    let pairs = [("MODAL_DEV_KEY", "dev"), ("KEY", "all")];
    let given = source(&pairs).with_names(rule.clone());
    assert_eq!(shown(&one("KEY", &given).unwrap()), single("KEY", "dev"));
    let error = one("OTHER", &given).unwrap_err().to_string();
    assert!(
        error.contains("`MODAL_DEV_OTHER` not set or empty"),
        "{error}"
    );
    let json = SecretString::from(r#"{"MODAL_DEV_KEY": "json"}"#);
    let json = SecretSource::from_json(&json).unwrap().with_names(rule);
    assert_eq!(shown(&one("KEY", &json).unwrap()), single("KEY", "json"));
}

#[test]
fn an_object_without_any_value_is_no_value() {
    let empty = r#"{"USER": "", "PASSWORD": ""}"#;
    let given = source(&[("AUTH_DEV", empty), ("AUTH", "plain")]);
    assert_eq!(
        shown(&one("AUTH", &given).unwrap()),
        single("AUTH", "plain")
    );
    let error = one("AUTH", &source(&[("AUTH", empty)])).unwrap_err();
    assert!(error.to_string().contains("`AUTH` has no value"), "{error}");
}

#[test]
fn white_space_around_a_value_is_told_of() {
    for (value, told) in [
        ("token\n", true),
        (" token", true),
        ("token", false),
        ("-----BEGIN-----\nabc\n-----END-----\n", false),
    ] {
        let plan = one("KEY", &source(&[("KEY", value)])).unwrap();
        let warning = "the value of secret `KEY` begins or ends with white space";
        assert_eq!(
            plan.warnings.contains(&warning.to_owned()),
            told,
            "{value:?}"
        );
        assert_eq!(shown(&plan), single("KEY", value));
    }
}

#[test]
fn a_plan_prints_no_value_and_redacts_them_all() {
    let plan = one("KEY", &source(&[("KEY", "hunter2\nsecond line")])).unwrap();
    assert!(!format!("{plan:?}").contains("hunter2"));
    assert_eq!(
        plan.redactor().apply("got second line of KEY"),
        "got *** of KEY"
    );
}
