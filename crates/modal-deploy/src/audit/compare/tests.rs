use super::*;
use crate::fingerprint::FingerprintKey;
use crate::record::Change;

const APP: &str = "text-upper-v1";

fn hex(digit: char) -> String {
    String::from(digit).repeat(64)
}

fn processor(reference: &str, digit: Option<char>) -> Processor {
    Processor {
        reference: reference.parse().unwrap(),
        file: "registry.yaml".into(),
        image: match digit {
            Some(digit) => {
                let image = format!("ghcr.io/acme/x@sha256:{}", hex(digit));
                DeployImage::Pinned(image.parse().unwrap())
            }
            None => DeployImage::Pending(None),
        },
        secrets: SecretNames {
            required: vec!["KEY".into()],
            optional: vec!["MORE".into()],
        },
        smoke: None,
    }
}

fn pins(processors: Vec<Processor>) -> Pins {
    Pins {
        environment: "dev".parse().unwrap(),
        processors,
    }
}

fn mark(version: u32, digit: char) -> Change {
    let key = FingerprintKey::new(&"secret".into(), &"dev".parse().unwrap());
    let mark = Mark {
        version,
        digest: format!("sha256:{}", hex(digit)).parse().unwrap(),
        deploy: key.parts(&[("deploy", "1")]),
        secrets: key.parts(&[("secrets", "1")]),
        smoked: true,
    };
    Change::Mark(APP.into(), mark)
}

fn hold(digit: char) -> Change {
    let digest = format!("sha256:{}", hex(digit)).parse().unwrap();
    Change::Hold(APP.into(), digest)
}

fn row(version: u32, digit: Option<char>, rollback_of: Option<u32>) -> AppVersion {
    AppVersion {
        version,
        deployed_at: 1_800_000_000.0,
        deployed_by: "ann".into(),
        tag: digit.map(|digit| format!("pin-{}.0123456789ab", &hex(digit)[..32])),
        commit: None,
        rollback_allowed: Some(true),
        rollback_of,
    }
}

fn stored(name: &str) -> StoredSecret {
    StoredSecret {
        name: name.into(),
        id: format!("st-{name}"),
        keys: vec![name.into()],
        created_at: 1.0,
    }
}

/// `APP` live at the version of the first row.
fn found(changes: &[Change], history: Vec<AppVersion>) -> Found {
    let mut record = Record::default();
    changes.iter().for_each(|change| record.apply(change));
    let live = Live {
        version: history.first().map(|row| row.version),
        history,
    };
    Found {
        record: Some(record),
        stored: vec![stored("KEY")],
        live: BTreeMap::from([(APP.to_owned(), live)]),
    }
}

fn audit(pins: &Pins, found: Option<&Found>) -> EnvironmentAudit {
    compare(pins, found, &SecretNames::default(), &BTreeSet::new())
}

/// How `text/upper@1`, pinned to `a`, stands.
fn standing(changes: &[Change], history: Vec<AppVersion>) -> (Standing, String) {
    let pins = pins(vec![processor("text/upper@1", Some('a'))]);
    let audit = audit(&pins, Some(&found(changes, history)));
    (audit.apps[0].standing, audit.apps[0].why.clone())
}

#[test]
fn what_is_live_is_known_by_the_record_or_else_by_its_tag() {
    let of = |changes: &[Change], history| standing(changes, history);
    let by = "by ann of 2027-01-15 08:00 UTC";
    // The record alone, as the history is not asked for then.
    let bare = vec![AppVersion {
        tag: None,
        ..row(3, None, None)
    }];
    assert_eq!(of(&[mark(3, 'a')], bare).0, Standing::Ok);
    assert_eq!(of(&[], vec![row(3, Some('a'), None)]).0, Standing::Ok);
    assert_eq!(
        of(&[], vec![row(3, Some('b'), None)]),
        (
            Standing::Drifted,
            format!("version 3 {by} has bbbbbbbbbbbb")
        )
    );
    assert_eq!(
        of(&[mark(3, 'b')], vec![row(3, Some('b'), None)]).0,
        Standing::Drifted
    );
    // Somebody else came after us, with the same image, with another, or with no known one.
    let after = format!("version 4 {by} came after our version 3");
    for digit in [Some('a'), None] {
        let history = vec![row(4, digit, None), row(3, Some('a'), None)];
        assert_eq!(
            of(&[mark(3, 'a')], history),
            (Standing::ChangedByHand, after.clone())
        );
    }
    let history = vec![row(4, Some('b'), None), row(3, Some('a'), None)];
    assert_eq!(of(&[mark(3, 'a')], history).0, Standing::Drifted);
    assert_eq!(
        of(&[], vec![row(3, None, None)]),
        (
            Standing::Unknown,
            format!("nobody can tell which image version 3 {by} has")
        )
    );
}

#[test]
fn a_rollback_has_the_image_of_the_version_it_went_back_to() {
    let history = |to| {
        vec![
            row(4, None, Some(3)),
            row(3, None, Some(to)),
            row(2, Some('b'), None),
            row(1, Some('a'), None),
        ]
    };
    assert_eq!(standing(&[], history(1)).0, Standing::Ok);
    assert_eq!(standing(&[], history(2)).0, Standing::Drifted);
    // A history that is no history ends.
    let round = vec![row(2, None, Some(1)), row(1, None, Some(2))];
    assert_eq!(standing(&[], round).0, Standing::Unknown);
}

#[test]
fn a_hold_is_no_drift_where_it_is_kept() {
    let (held, why) = standing(&[mark(3, 'b'), hold('b')], vec![row(3, Some('b'), None)]);
    assert_eq!(
        (held, why.as_str()),
        (Standing::Held, "a person holds it at bbbbbbbbbbbb")
    );
    assert!(!held.is_drift());
    let (gone, why) = standing(&[mark(3, 'a'), hold('b')], vec![row(3, Some('a'), None)]);
    assert_eq!(gone, Standing::Drifted);
    assert!(why.ends_with("has aaaaaaaaaaaa, and a person holds it at bbbbbbbbbbbb"));
}

#[test]
fn what_is_missing_pending_or_extra_is_told() {
    let both = pins(vec![
        processor("text/upper@1", None),
        processor("text/lower@1", Some('a')),
    ]);
    let mut there = found(&[], vec![row(1, Some('a'), None)]);
    let add = |found: &mut Found, name: &str, history| {
        let live = Live {
            version: Some(1),
            history,
        };
        found.live.insert(name.into(), live);
    };
    add(&mut there, "old-one-v1", vec![row(1, Some('c'), None)]);
    add(&mut there, "not-ours-v2", vec![row(1, None, None)]);
    add(&mut there, "elsewhere-v1", vec![row(1, None, None)]);
    there.stored.push(stored("LEFT"));
    let known = BTreeSet::from(["elsewhere-v1".to_owned()]);
    let seen = compare(&both, Some(&there), &SecretNames::default(), &known);
    let rows: Vec<(&str, Standing)> = seen
        .apps
        .iter()
        .map(|app| (app.app.as_str(), app.standing))
        .collect();
    assert_eq!(
        rows,
        [
            (APP, Standing::Extra),
            ("text-lower-v1", Standing::Missing),
            ("elsewhere-v1", Standing::Extra),
            ("old-one-v1", Standing::Extra),
        ]
    );
    assert_eq!(seen.others, ["not-ours-v2"]);
    assert_eq!(seen.orphans, ["LEFT"]);
    assert_eq!(seen.drift(), 4);

    there.live.remove(APP);
    there.stored.clear();
    let seen = audit(&both, Some(&there));
    assert_eq!(seen.apps[0].standing, Standing::Pending);
    assert_eq!(
        seen.missing_secrets,
        [MissingSecret {
            name: "KEY".into(),
            by: vec!["text/lower@1".parse().unwrap()],
        }]
    );
}

#[test]
fn of_an_environment_that_does_not_exist_all_is_missing() {
    let some = pins(vec![processor("text/upper@1", Some('a'))]);
    let seen = audit(&some, None);
    assert_eq!(seen.apps[0].standing, Standing::Missing);
    assert_eq!(seen.apps[0].why, "there is no environment `dev`");
    assert_eq!(seen.missing_secrets[0].name, "KEY");
    assert!(!seen.recorded);
}

#[test]
fn a_secret_of_the_whole_environment_can_be_missing() {
    let shared = SecretNames {
        required: vec!["PULL".into()],
        optional: vec![],
    };
    let none = pins(vec![]);
    let seen = compare(&none, Some(&Found::default()), &shared, &BTreeSet::new());
    let missing = &seen.missing_secrets[0];
    assert_eq!((missing.name.as_str(), missing.by.len()), ("PULL", 0));
}
