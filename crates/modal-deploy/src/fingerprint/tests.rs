use std::collections::BTreeSet;

use super::*;

fn key(token: &str, environment: &str) -> FingerprintKey {
    let environment = environment.parse().unwrap();
    FingerprintKey::new(&SecretString::from(token), &environment)
}

fn secret(name: &str, values: &[(&str, &str)]) -> PlannedSecret {
    let values = values.iter();
    PlannedSecret {
        name: name.to_owned(),
        values: values
            .map(|(key, value)| ((*key).to_owned(), SecretString::from(*value)))
            .collect(),
    }
}

#[test]
fn a_fingerprint_never_changes() {
    // Computed with Python's `hmac`. Other values would have every environment deployed again.
    let key = key("as-1", "dev");
    let of_secret = key.secret(&secret("KEY", &[("KEY", "hunter22")]));
    assert_eq!(of_secret.as_str(), "2e7f7c60321ce94d3cc7ac89");
    let of_parts = key.parts(&[("digest", "sha256:1"), ("code", "c")]);
    assert_eq!(of_parts.to_string(), "309efb78403e549a3ca4fc4b");
}

#[test]
fn everything_that_differs_has_another_one() {
    let dev = key("as-1", "dev");
    let one = secret("KEY", &[("KEY", "hunter22")]);
    let all = [
        dev.secret(&one),
        key("as-2", "dev").secret(&one),
        key("as-1", "staging").secret(&one),
        dev.secret(&secret("KEY", &[("KEY", "hunter23")])),
        dev.secret(&secret("OTHER", &[("KEY", "hunter22")])),
        dev.secret(&secret("KEY", &[("OTHER", "hunter22")])),
        dev.secret(&secret("KEY", &[("KEY", "hunter22"), ("B", "")])),
        // What stands before a border in one stands behind it in the other.
        dev.secret(&secret("KEYK", &[("EY", "hunter22")])),
        dev.secret(&secret("KEY", &[("KEYh", "unter22")])),
        dev.secret(&secret("KEY", &[("A", "1B2")])),
        dev.secret(&secret("KEY", &[("A", "1"), ("B", "2")])),
        dev.parts(&[("KEY", "KEY"), ("hunter22", "")]),
        dev.parts(&[("secret", "KEY"), ("KEY", "hunter22")]),
        dev.parts(&[]),
        dev.parts(&[("", "")]),
        dev.parts(&[("a", "bc")]),
        dev.parts(&[("ab", "c")]),
        dev.parts(&[("a", "b"), ("c", "d")]),
        dev.parts(&[("c", "d"), ("a", "b")]),
        dev.parts(&[("a", "b\0c\0d")]),
    ];
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
}

#[test]
fn is_read_back_only_as_it_is_written() {
    let print = key("as-1", "dev").parts(&[("a", "b")]);
    assert_eq!(print.to_string().parse(), Ok(print.clone()));
    let digits = print.as_str();
    for wrong in [
        "",
        &digits[1..],
        &format!("{digits}0"),
        &digits
            .to_uppercase()
            .replace(|c: char| c.is_ascii_digit(), "A"),
        &"g".repeat(24),
        &format!("{} ", &digits[1..]),
    ] {
        assert_eq!(
            wrong.parse::<Fingerprint>(),
            Err(FingerprintError),
            "{wrong}"
        );
    }
}

#[test]
fn the_key_is_never_printed() {
    let key = key("as-token-hunter22", "dev");
    assert_eq!(format!("{key:?}"), "FingerprintKey");
    assert_ne!(key.0.expose_secret(), "as-token-hunter22");
}
