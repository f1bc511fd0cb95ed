use secrecy::{ExposeSecret, SecretString};

use crate::spelling::{encodings, sort, spellings};

/// Replaces secret values in text that is about to be shown.
#[derive(Clone, Default)]
pub struct Redactor {
    secrets: Vec<SecretString>,
}

impl Redactor {
    /// A redactor that knows no secret yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Also replaces `secret`, and, as output comes in lines, each of its lines; in the ways, too,
    /// in which programs quote or encode text.
    pub fn add(&mut self, secret: &SecretString) {
        self.secrets.extend(spellings(secret));
        self.secrets.extend(encodings(secret));
        // The longest first, so that a secret that contains another leaves no remainder.
        sort(&mut self.secrets);
    }

    /// `text` with every known secret replaced by `***`.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            if text.contains(secret.expose_secret()) {
                text = text.replace(secret.expose_secret(), "***");
            }
        }
        text
    }

    /// Cuts an unfinished text where no secret can stand: what is before that, redacted, and the rest,
    /// as it is. The rest may hold the beginning of a secret, so it goes before what comes next. It is
    /// all of the text if secrets are as long as that.
    #[must_use]
    pub fn cut<'t>(&self, text: &'t str) -> (String, &'t str) {
        let mut end = text.floor_char_boundary(text.len().saturating_sub(self.overlap()));
        let found: Vec<(usize, usize)> = self
            .secrets
            .iter()
            .flat_map(|known| text.match_indices(known.expose_secret()))
            .map(|(start, secret)| (start, start + secret.len()))
            .collect();
        let astride =
            |end: usize| move |(start, stop): &&(usize, usize)| *start < end && end < *stop;
        while let Some((start, _)) = found.iter().find(astride(end)) {
            end = *start;
        }
        let (shown, rest) = text.split_at(end);
        (self.apply(shown), rest)
    }

    /// How many bytes of a secret can stand on one side of a border.
    pub(crate) fn overlap(&self) -> usize {
        let longest = self.secrets.first();
        longest.map_or(0, |known| known.expose_secret().len().saturating_sub(1))
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} secrets)", self.secrets.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_whole_values_and_their_lines_longest_first() {
        let mut redactor = Redactor::new();
        redactor.add(&SecretString::from("tok-1"));
        redactor.add(&SecretString::from("tok-123456"));
        redactor.add(&SecretString::from("first line\nsecond line"));
        assert_eq!(redactor.apply("a tok-123456 b tok-1"), "a *** b ***");
        assert_eq!(redactor.apply("only second line here"), "only *** here");
    }

    #[test]
    fn replaces_what_programs_make_of_a_value() {
        let value = "ab'cd\"ef\\gh-zzz\nline2/ \u{e9}-0123";
        let mut redactor = Redactor::new();
        redactor.add(&SecretString::from(value));
        // All by Python 3.11, of `value`.
        for printed in [
            r#"'ab\'cd"ef\\gh-zzz\nline2/ é-0123'"#,
            // repr(value.replace('"', "")), where the text around has none either.
            r#""ab'cd\"ef\\gh-zzz\nline2/ \u00e9-0123""#,
            r#""ab'cd\"ef\\gh-zzz\nline2/ é-0123""#,
            // repr(RuntimeError(repr(value))), json.dumps(repr(value)), json.dumps(json.dumps(value))
            r#"RuntimeError('\'ab\\\'cd"ef\\\\gh-zzz\\nline2/ é-0123\'')"#,
            r#""'ab\\'cd\"ef\\\\gh-zzz\\nline2/ é-0123'""#,
            r#""\"ab'cd\\\"ef\\\\gh-zzz\\nline2/ \\u00e9-0123\"""#,
            // quote, quote(safe=""), quote_plus
            "https://host/ab%27cd%22ef%5Cgh-zzz%0Aline2/%20%C3%A9-0123",
            "https://host/ab%27cd%22ef%5Cgh-zzz%0Aline2%2F%20%C3%A9-0123",
            "https://host/?a=ab%27cd%22ef%5Cgh-zzz%0Aline2%2F+%C3%A9-0123&b",
            // A line of it, in repr.
            r#"['ab\'cd"ef\\gh-zzz', "#,
        ] {
            let shown = redactor.apply(printed);
            for part in ["cd", "ef", "gh-zzz", "line2", "0123"] {
                assert!(!shown.contains(part), "{shown}");
            }
            assert!(shown.contains("***"), "{shown}");
        }
        // With `user:`, `u:` and nothing before it, and a line break after it: of the value, all
        // but two letters on each side is gone.
        for printed in [
            "dXNlcjphYidjZCJlZlxnaC16enoKbGluZTIvIMOpLTAxMjMK",
            "dTphYidjZCJlZlxnaC16enoKbGluZTIvIMOpLTAxMjMK",
            "YWInY2QiZWZcZ2gtenp6CmxpbmUyLyDDqS0wMTIzCg==",
        ] {
            let shown = redactor.apply(printed);
            assert!(shown.contains("***") && shown.len() <= 20, "{shown}");
        }
    }

    #[test]
    fn cuts_between_secrets() {
        let mut redactor = Redactor::new();
        redactor.add(&SecretString::from("tok-1"));
        redactor.add(&SecretString::from("tok-123456"));
        // Each beginning of a text: what is shown of it, and then of the rest.
        let text = "é tok-123456tok-1 tok-12 é";
        for end in text.char_indices().map(|(end, _)| end) {
            let (shown, rest) = redactor.cut(&text[..end]);
            let last = redactor.apply(&format!("{rest}{}", &text[end..]));
            assert_eq!(format!("{shown}{last}"), "é ****** ***2 é", "{end}");
        }
        assert_eq!(Redactor::new().cut("all"), ("all".to_owned(), ""));
    }

    #[test]
    fn leaves_short_values_alone_and_prints_nothing_of_itself() {
        let mut redactor = Redactor::new();
        redactor.add(&SecretString::from("1"));
        redactor.add(&SecretString::from("hunter22"));
        assert_eq!(redactor.apply("1 of 10"), "1 of 10");
        assert!(!format!("{redactor:?}").contains("hunter22"));
    }
}
