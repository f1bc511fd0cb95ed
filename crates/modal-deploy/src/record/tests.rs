use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::client::KeyChange;

fn stored(name: &str, keys: &[&str]) -> StoredSecret {
    StoredSecret {
        name: name.to_owned(),
        id: format!("st-{name}"),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        created_at: 1.0,
    }
}

fn record(keys: &[&str]) -> Record {
    Record::among(&[stored(RECORD_SECRET, keys), stored("OTHER", &["OTHER"])]).unwrap()
}

fn print(digit: char) -> Fingerprint {
    String::from(digit).repeat(24).parse().unwrap()
}

fn digest(digit: char) -> Digest {
    format!("sha256:{}", String::from(digit).repeat(64))
        .parse()
        .unwrap()
}

fn mark(version: u32, digit: char) -> Mark {
    Mark {
        version,
        digest: digest(digit),
        deploy: print('d'),
        secrets: print('e'),
        smoked: false,
    }
}

fn key_of(change: &Change) -> String {
    let mut record = Record::default();
    record.apply(change);
    assert_eq!(record.keys.len(), 1, "{change:?}");
    record.keys.pop_first().unwrap()
}

fn key_of_mark(mark: Mark) -> String {
    key_of(&Change::Mark("app".to_owned(), mark))
}

#[test]
fn keys_have_the_form_that_is_documented() {
    let claim = Claim {
        number: 7,
        random: "ab12".to_owned(),
        apps: Vec::new(),
    };
    let keys = [
        key_of_mark(Mark {
            smoked: true,
            ..mark(3, 'a')
        }),
        key_of(&Change::Secret("app".to_owned(), print('f'))),
        key_of(&Change::Claim(claim)),
        key_of(&Change::Hold("app".to_owned(), digest('b'))),
    ];
    insta::assert_snapshot!(keys.join("\n"), @r"
    A_a172cedcae47474b615c54d5_3_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_dddddddddddddddddddddddd_eeeeeeeeeeeeeeeeeeeeeeee_s
    S_a172cedcae47474b615c54d5_ffffffffffffffffffffffff
    R_7_ab12
    H_a172cedcae47474b615c54d5_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
    ");
    // Modal's rule for keys.
    for key in &keys {
        assert!(key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
    }
}

#[test]
fn whether_keys_are_told_decides_whether_there_is_a_record() {
    assert_eq!(Record::among(&[]), Some(Record::default()));
    let none = [stored("A", &[]), stored(RECORD_SECRET, &[])];
    assert_eq!(Record::among(&none), None);
    let others = [stored("A", &["A"]), stored("B", &[])];
    assert_eq!(Record::among(&others), Some(Record::default()));
    assert!(!record(&["R_1_a"]).keys.is_empty());
}

#[test]
fn what_is_not_ours_says_nothing_and_stays() {
    let ours = key_of_mark(mark(3, 'a'));
    let app = &ours[..27];
    let hostile = [
        ours.replace("_3_", "_03_"),
        ours.replace("_3_", "_+3_"),
        ours.replace("_3_", "_-3_"),
        ours.replace("_3_", "_4294967296_"),
        ours.replace("_d", "_x"),
        ours.replace("_d", "_"),
        ours.replace("_d", "_d_"),
        ours.replace('A', "a"),
        ours.replace("aaaa", "AAAA"),
        format!("{app}99"),
        format!("{app}4_{}", "_".repeat(4)),
        "A_".to_owned(),
        "R_".to_owned(),
        "R__a".to_owned(),
        "R_99_".to_owned(),
        "R_99_A".to_owned(),
        "R_99_a_b".to_owned(),
        "R_99999999999999999999_a".to_owned(),
        "R_18446744073709551615_zz".to_owned(),
        "R_281474976710656_zz".to_owned(),
        format!("R_99_{}", "a".repeat(33)),
        "S__".to_owned(),
        format!("S{}w", &app[1..26]),
        format!("S{}wA", &app[1..26]),
        format!("S{}wx_y", &app[1..26]),
        "H__".to_owned(),
        "KEY".to_owned(),
        String::new(),
        "ü_💥".to_owned(),
        "x".repeat(100_000),
    ];
    let keys: Vec<&str> = hostile.iter().chain([&ours]).map(String::as_str).collect();
    let mut record = record(&keys);
    assert_eq!(record.mark("app"), Some(mark(3, 'a')));
    assert_eq!(record.claim(), None);
    for change in [
        Change::Unmark("app".to_owned()),
        Change::Release("app".to_owned()),
        Change::Forget("app".to_owned()),
        Change::Claim(Claim::after(None)),
    ] {
        record.apply(&change);
    }
    assert_eq!(record.mark("app"), None);
    for key in &hostile {
        assert!(record.keys.contains(key), "{key}");
    }
    assert_eq!(record.keys.len(), hostile.len() + 1);
}

#[test]
fn of_several_marks_the_highest_version_counts_unless_two_contradict_each_other() {
    let smoked = |mark: Mark| Mark {
        smoked: true,
        ..mark
    };
    let cases = [
        (vec![mark(2, 'a'), mark(10, 'b')], Some(mark(10, 'b'))),
        (vec![mark(2, 'a'), mark(2, 'b')], None),
        (
            vec![mark(2, 'a'), mark(2, 'b'), mark(3, 'c')],
            Some(mark(3, 'c')),
        ),
        (vec![mark(3, 'a'), mark(3, 'b'), mark(2, 'c')], None),
        (
            vec![mark(2, 'a'), smoked(mark(2, 'a'))],
            Some(smoked(mark(2, 'a'))),
        ),
        (vec![mark(2, 'a'), smoked(mark(2, 'b'))], None),
    ];
    for (marks, expected) in cases {
        let keys: Vec<String> = marks.into_iter().map(key_of_mark).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        assert_eq!(record(&keys).mark("app"), expected, "{keys:?}");
        assert_eq!(record(&keys).mark("other"), None);
    }
}

#[test]
fn two_fingerprints_of_a_secret_are_none_and_two_holds_are_one() {
    let of = |digit| key_of(&Change::Secret("KEY".to_owned(), print(digit)));
    assert_eq!(record(&[&of('a')]).secret("KEY"), Some(print('a')));
    assert_eq!(record(&[&of('a'), &of('b')]).secret("KEY"), None);
    let writing = &format!("{}w1", &of('a')[..27]);
    let mut unknown = record(&[&of('a'), writing]);
    assert_eq!(unknown.secret("KEY"), None);
    assert_eq!(record(&[writing]).secret("KEY"), None);
    unknown.apply(&Change::Secret("KEY".to_owned(), print('b')));
    assert_eq!(unknown.secret("KEY"), Some(print('b')));
    let hold = |digit| key_of(&Change::Hold("app".to_owned(), digest(digit)));
    let mut held = record(&[&hold('a'), &hold('b')]);
    assert!(held.hold("app").is_some());
    held.apply(&Change::Release("app".to_owned()));
    assert_eq!(held.hold("app"), None);
}

#[test]
fn a_claim_is_later_than_the_last_and_does_not_end_later_ones() {
    let first = Claim::after(None);
    let second = Claim::after(Some(&first));
    assert!(first < second);
    assert!(second.number == first.number + 1 && second.random != first.random);
    let mut record = Record::default();
    for claim in [&second, &first] {
        record.apply(&Change::Claim(claim.clone()));
    }
    assert_eq!(record.claim(), Some(second.clone()));
    record.apply(&Change::Claim(second.clone()));
    assert_eq!(record.keys.len(), 1);
    let last = Claim {
        number: u64::MAX,
        random: "a".to_owned(),
        apps: Vec::new(),
    };
    assert_eq!(Claim::after(Some(&last)).number, u64::MAX);
}

#[test]
fn a_claim_for_a_few_apps_says_nothing_about_the_others() {
    let first = Claim::after(None);
    let few = Claim::after(Some(&first)).only(["a", "b"]);
    let other = Claim::after(Some(&few)).only(["c"]);
    let mut record = Record::default();
    for claim in [&first, &few, &other] {
        record.apply(&Change::Claim(claim.clone()));
    }
    assert_eq!(record.claim(), Some(other.clone()));
    assert_eq!(record.newer(&first, "a"), Some(few.clone()));
    assert_eq!(record.newer(&first, "c"), Some(other.clone()));
    assert_eq!(record.newer(&first, "d"), None);
    assert_eq!(record.newer(&few, "a"), None);
    // The same apps again replace it, and all apps replace everything.
    record.apply(&Change::Claim(Claim::after(Some(&other)).only(["b", "a"])));
    assert_eq!(record.keys.len(), 3);
    let all = Claim::after(record.claim().as_ref());
    record.apply(&Change::Claim(all.clone()));
    assert_eq!(record.keys.len(), 1);
    assert_eq!(record.newer(&other, "c"), Some(all));
    let many = Claim::after(None).only(["1", "2", "3", "4", "5"]);
    assert!(many.is_about("anything"));
}

/// What a record is for, without its form.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    marks: BTreeMap<String, Mark>,
    secrets: BTreeMap<String, Fingerprint>,
    holds: BTreeMap<String, Digest>,
    claim: Option<Claim>,
}

impl Model {
    fn apply(&mut self, change: &Change) {
        match change.clone() {
            Change::Mark(app, mark) => drop(self.marks.insert(app, mark)),
            Change::Unmark(app) => drop(self.marks.remove(&app)),
            Change::Secret(secret, print) => drop(self.secrets.insert(secret, print)),
            Change::Forget(secret) => drop(self.secrets.remove(&secret)),
            Change::Claim(claim) => self.claim = self.claim.take().max(Some(claim)),
            Change::Hold(app, digest) => drop(self.holds.insert(app, digest)),
            Change::Release(app) => drop(self.holds.remove(&app)),
        }
    }

    fn of(record: &Record) -> Self {
        let mut model = Self {
            claim: record.claim(),
            ..Self::default()
        };
        for name in NAMES {
            let name = name.to_owned();
            model
                .marks
                .extend(record.mark(&name).map(|mark| (name.clone(), mark)));
            model
                .secrets
                .extend(record.secret(&name).map(|print| (name.clone(), print)));
            model
                .holds
                .extend(record.hold(&name).map(|digest| (name.clone(), digest)));
        }
        model
    }
}

const NAMES: [&str; 5] = ["text-upper-v1", "text-upper-v11", "", "a_b", "ü"];

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let name = || proptest::sample::select(&NAMES[..]).prop_map(str::to_owned);
    let digit = || proptest::sample::select(&['0', '7', 'a', 'f'][..]);
    let mark = (any::<u32>(), digit(), digit(), digit(), any::<bool>());
    let mark = mark.prop_map(|(version, a, b, c, smoked)| Mark {
        version,
        digest: digest(a),
        deploy: print(b),
        secrets: print(c),
        smoked,
    });
    let claim = (0..1_u64 << 48, "[0-9a-z]{1,32}");
    let change = prop_oneof![
        (name(), mark).prop_map(|(app, mark)| Change::Mark(app, mark)),
        name().prop_map(Change::Unmark),
        (name(), digit()).prop_map(|(secret, digit)| Change::Secret(secret, print(digit))),
        name().prop_map(Change::Forget),
        claim.prop_map(|(number, random)| Change::Claim(Claim {
            number,
            random,
            apps: Vec::new(),
        })),
        (name(), digit()).prop_map(|(app, digit)| Change::Hold(app, digest(digit))),
        name().prop_map(Change::Release),
    ];
    vec(change, 0..20)
}

fn after(record: &Record, changes: &[Change]) -> Record {
    let mut changed = record.clone();
    for change in changes {
        changed.apply(change);
    }
    changed
}

/// What Modal has after it was told these changes.
fn merge(server: &mut Record, changes: Vec<KeyChange>) {
    for change in changes {
        match change {
            KeyChange::Set(key, _) => drop(server.keys.insert(key)),
            KeyChange::Remove(key) => drop(server.keys.remove(&key)),
        }
    }
}

proptest! {
    #[test]
    fn any_sequence_of_changes_reads_back(first in changes(), second in changes()) {
        let mut model = Model::default();
        for change in first.iter().chain(&second) {
            model.apply(change);
        }
        let seen = after(&Record::default(), &first);
        let changed = after(&seen, &second);
        prop_assert_eq!(Model::of(&changed), model);
        // And so it does once Modal was told the difference.
        let mut server = seen.clone();
        merge(&mut server, seen.difference(&changed));
        prop_assert_eq!(server, changed);
    }

    #[test]
    fn what_two_runs_write_side_by_side_is_kept(
        before in changes(), one in changes(), other in changes(), one_first in any::<bool>(),
    ) {
        let seen = after(&Record::default(), &before);
        let ours = after(&seen, &one);
        let theirs = after(&seen, &other);
        let mut server = seen.clone();
        let mut told = [seen.difference(&ours), seen.difference(&theirs)];
        if !one_first {
            told.reverse();
        }
        for changes in told {
            merge(&mut server, changes);
        }
        // What either made and the other did not touch is there; nothing came of its own accord.
        for key in ours.keys.difference(&seen.keys).chain(theirs.keys.difference(&seen.keys)) {
            prop_assert!(server.keys.contains(key));
        }
        for key in &server.keys {
            prop_assert!(ours.keys.contains(key) || theirs.keys.contains(key));
        }
    }

    #[test]
    fn no_key_is_understood_in_two_ways(key in "[ASRH]_[0-9a-f_ds+]{0,170}") {
        if let Some(entry) = Entry::parse(&key) {
            prop_assert_eq!(entry.to_string(), key);
        }
    }
}
