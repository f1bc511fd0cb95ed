use secrecy::SecretString;

use super::*;
use crate::record::Change;

fn key() -> FingerprintKey {
    FingerprintKey::new(&SecretString::from("as-1"), &"dev".parse().unwrap())
}

fn secret(name: &str, values: &[(&str, &str)]) -> PlannedSecret {
    let values = values
        .iter()
        .map(|(key, value)| ((*key).to_owned(), SecretString::from(*value)));
    PlannedSecret {
        name: name.to_owned(),
        values: values.collect(),
    }
}

fn stored(name: &str, keys: &[&str]) -> StoredSecret {
    StoredSecret {
        name: name.to_owned(),
        id: format!("st-{name}"),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        created_at: 1.0,
    }
}

/// Everything about one secret that can decide, and what it decides.
fn decided(written: Option<&PlannedSecret>, stored: &[StoredSecret], force: bool) -> Option<Why> {
    let mut record = Record::default();
    if let Some(written) = written {
        let print = key().secret(written);
        record.apply(&Change::Secret(written.name.clone(), print));
    }
    one(Some(&record), stored, force)
}

fn one(record: Option<&Record>, stored: &[StoredSecret], force: bool) -> Option<Why> {
    let plan = SecretPlan {
        environment: "dev".parse().unwrap(),
        secrets: vec![wanted()],
        left_out: Vec::new(),
        warnings: Vec::new(),
    };
    let steps = decide(&plan, record, stored, &key(), force);
    assert_eq!(steps.len(), 1);
    assert_eq!(steps[0].name, "AUTH");
    steps[0].write
}

fn wanted() -> PlannedSecret {
    secret("AUTH", &[("USER", "u"), ("PASSWORD", "p")])
}

#[test]
fn a_secret_is_written_for_a_reason_or_kept() {
    let same = [
        stored("OTHER", &["X"]),
        stored("AUTH", &["USER", "PASSWORD"]),
    ];
    let other_keys = [stored("AUTH", &["USER", "PASSWORD", "MORE"])];
    let fewer_keys = [stored("AUTH", &["USER"])];
    let no_keys = [stored("AUTH", &[]), stored("OTHER", &["X"])];
    let elsewhere = [stored("OTHER", &["USER", "PASSWORD"])];
    let before = secret("AUTH", &[("USER", "u"), ("PASSWORD", "old")]);
    let (wanted, before) = (wanted(), before);
    for (written, stored, expected) in [
        (Some(&wanted), &same[..], None),
        (None, &[], Some(Why::New)),
        (None, &elsewhere, Some(Why::New)),
        (Some(&wanted), &elsewhere, Some(Why::Missing)),
        (None, &same, Some(Why::Unknown)),
        (Some(&before), &same, Some(Why::Changed)),
        (Some(&before), &other_keys, Some(Why::Changed)),
        (Some(&wanted), &other_keys, Some(Why::Keys)),
        (Some(&wanted), &fewer_keys, Some(Why::Keys)),
        (Some(&wanted), &no_keys, Some(Why::Keys)),
    ] {
        assert_eq!(
            decided(written, stored, false),
            expected,
            "{written:?} {stored:?}"
        );
        assert_eq!(decided(written, stored, true), Some(Why::Forced));
    }
    // Where keys are not told, nothing is known of what is there.
    assert_eq!(one(None, &[stored("AUTH", &[])], false), Some(Why::Unknown));
    assert_eq!(one(None, &[], false), Some(Why::New));
}

#[test]
fn a_record_made_with_another_token_is_of_no_use() {
    let other = FingerprintKey::new(&SecretString::from("as-2"), &"dev".parse().unwrap());
    let mut record = Record::default();
    record.apply(&Change::Secret("AUTH".to_owned(), other.secret(&wanted())));
    let same = [stored("AUTH", &["USER", "PASSWORD"])];
    assert_eq!(one(Some(&record), &same, false), Some(Why::Changed));
}

#[test]
fn orphans_are_what_nobody_declares() {
    let names = |required: &[&str], optional: &[&str]| SecretNames {
        required: required.iter().map(|name| (*name).to_owned()).collect(),
        optional: optional.iter().map(|name| (*name).to_owned()).collect(),
    };
    let (one, two) = (names(&["A"], &["B"]), names(&["C"], &[]));
    let there = ["Z", "A", RECORD_SECRET, "REGISTRY_AUTH", "B", "OLD", "C"];
    let there = there.map(|name| stored(name, &["K"]));
    let shared = crate::secrets::shared();
    assert_eq!(orphans(&there, [&one, &two, &shared]), ["OLD", "Z"]);
    assert_eq!(orphans(&[], [&shared]), [""; 0]);
}

#[test]
fn the_reasons_read_well() {
    let all = [
        Why::New,
        Why::Changed,
        Why::Missing,
        Why::Keys,
        Why::Unknown,
        Why::Forced,
    ];
    let shown: Vec<String> = all.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    new
    changed, or written with another token
    missing at Modal
    has other keys at Modal
    nobody knows what Modal has
    forced
    ");
    assert_eq!(serde_json::to_value(Why::Missing).unwrap(), "missing");
}
