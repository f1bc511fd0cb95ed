//! How other programs write a value down: in quotes, in an address, in base64.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

/// Values shorter than this are not replaced: blanking every `1` helps nobody.
const SHORTEST: usize = 4;

/// Of a shorter value, the inner part in base64 could be any word.
const SHORTEST_ENCODED: usize = 8;

/// What no encoder changes.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The same, where folders may be.
const IN_A_PATH: &AsciiSet = &UNRESERVED.remove(b'/');

type Escape = fn(&str) -> String;

/// What text becomes inside of quotes.
const ESCAPES: [Escape; 5] = [json, json_in_ascii, repr, repr_in_single_quotes, shell];

/// What becomes of such text when that is quoted again, as in the `repr` of an exception whose
/// message holds a `repr`.
const OUTER: [Escape; 4] = [json, json_in_ascii, repr, repr_in_single_quotes];

/// `value` and, as output comes in lines, each of its lines, without white space around them; and
/// how they look in JSON, in the `repr` of Python and in a word of the shell. What is too short
/// to be looked for is left out. The longest come first, so that one that contains another is
/// found before that.
#[must_use]
pub fn spellings(value: &SecretString) -> Vec<SecretString> {
    let value = value.expose_secret().trim();
    let mut all = Vec::new();
    for (index, part) in std::iter::once(value).chain(value.lines()).enumerate() {
        let part = part.trim();
        if part.len() < SHORTEST {
            continue;
        }
        all.push(SecretString::from(part));
        for escape in ESCAPES {
            let once = SecretString::from(escape(part));
            // Lines by themselves are rarely quoted more than once, and there may be many.
            if index == 0 && once.expose_secret() != part {
                let outer = OUTER.map(|escape| SecretString::from(escape(once.expose_secret())));
                all.extend(outer);
            }
            all.push(once);
        }
    }
    sort(&mut all);
    all
}

/// `value` as a part of an address, and in base64, wherever in the encoded text it begins.
pub(crate) fn encodings(value: &SecretString) -> Vec<SecretString> {
    let value = value.expose_secret().trim();
    if value.len() < SHORTEST {
        return Vec::new();
    }
    let mut all = Vec::new();
    for set in [UNRESERVED, IN_A_PATH] {
        let encoded = utf8_percent_encode(value, set).to_string();
        all.push(SecretString::from(encoded.replace("%20", "+")));
        all.push(SecretString::from(encoded));
    }
    for before in 0..3 {
        // The letters at the edges depend on what stands next to the value.
        let inner = value.as_bytes().get(before..).unwrap_or_default();
        let inner = &inner[..inner.len() / 3 * 3];
        let encoded = [STANDARD_NO_PAD, URL_SAFE_NO_PAD].map(|engine| engine.encode(inner));
        let long = encoded
            .into_iter()
            .filter(|one| one.len() >= SHORTEST_ENCODED);
        all.extend(long.map(SecretString::from));
    }
    all
}

/// The longest first, and none twice.
pub(crate) fn sort(all: &mut Vec<SecretString>) {
    let text = ExposeSecret::<str>::expose_secret;
    all.sort_by(|a, b| {
        let by_length = text(b).len().cmp(&text(a).len());
        by_length.then_with(|| text(a).cmp(text(b)))
    });
    all.dedup_by(|a, b| text(a) == text(b));
}

fn json(text: &str) -> String {
    escaped(text, |c| match c {
        '"' => Some("\\\"".to_owned()),
        '\u{8}' => Some("\\b".to_owned()),
        '\u{c}' => Some("\\f".to_owned()),
        c if c < ' ' => Some(format!("\\u{:04x}", u32::from(c))),
        _ => None,
    })
}

/// As Python writes JSON unless told otherwise.
fn json_in_ascii(text: &str) -> String {
    let mut ascii = String::new();
    for c in json(text).chars() {
        match c.is_ascii() {
            true => ascii.push(c),
            false => {
                let mut units = [0; 2];
                let units = c.encode_utf16(&mut units).iter();
                ascii.extend(units.map(|unit| format!("\\u{unit:04x}")));
            }
        }
    }
    ascii
}

fn repr(text: &str) -> String {
    escaped(text, |c| {
        (c < ' ' || c == '\u{7f}').then(|| format!("\\x{:02x}", u32::from(c)))
    })
}

/// As Python does where the text around holds both kinds of quotes.
fn repr_in_single_quotes(text: &str) -> String {
    repr(text).replace('\'', "\\'")
}

/// As `set -x` shows it.
fn shell(text: &str) -> String {
    text.replace('\'', "'\\''")
}

/// What all have in common, and what `more` says of other letters.
fn escaped(text: &str, more: impl Fn(char) -> Option<String>) -> String {
    let mut escaped = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c => match more(c) {
                Some(text) => escaped.push_str(&text),
                None => escaped.push(c),
            },
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ab'cd"ef\gh⏎é 😀␇`, and how Python 3.11 writes it.
    const VALUE: &str = "ab'cd\"ef\\gh\né \u{1f600}\u{7}";

    #[test]
    fn they_are_what_python_writes() {
        assert_eq!(
            json(VALUE),
            "ab'cd\\\"ef\\\\gh\\né \u{1f600}\\u0007",
            "json.dumps(…, ensure_ascii=False)"
        );
        assert_eq!(
            json_in_ascii(VALUE),
            "ab'cd\\\"ef\\\\gh\\n\\u00e9 \\ud83d\\ude00\\u0007",
            "json.dumps"
        );
        assert_eq!(
            repr_in_single_quotes(VALUE),
            "ab\\'cd\"ef\\\\gh\\né \u{1f600}\\x07",
            "repr"
        );
        assert_eq!(repr("it's\\"), "it's\\\\", "repr, in double quotes");
        assert_eq!(shell("it's"), "it'\\''s");
    }

    #[test]
    fn a_plain_value_has_one() {
        let all = spellings(&SecretString::from(" hunter22\n"));
        let all: Vec<&str> = all.iter().map(ExposeSecret::expose_secret).collect();
        assert_eq!(all, ["hunter22"]);
    }

    #[test]
    fn what_is_short_has_none() {
        for short in ["", "abc", " a ", "\"\"\"", "\n\n\n\n\n"] {
            let short = SecretString::from(short);
            assert!(spellings(&short).is_empty() && encodings(&short).is_empty());
        }
    }
}
