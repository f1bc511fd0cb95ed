use secrecy::{ExposeSecret, SecretString};

/// Values shorter than this are not replaced: blanking every `1` helps nobody.
const SHORTEST: usize = 4;

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

    /// Also replaces `secret`, and, as output comes in lines, each of its lines.
    pub fn add(&mut self, secret: &SecretString) {
        let value = secret.expose_secret();
        for part in std::iter::once(value).chain(value.lines()) {
            let part = part.trim();
            if part.len() >= SHORTEST
                && !self
                    .secrets
                    .iter()
                    .any(|known| known.expose_secret() == part)
            {
                self.secrets.push(SecretString::from(part.to_owned()));
            }
        }
        // The longest first, so that a secret that contains another leaves no remainder.
        self.secrets
            .sort_by_key(|known| std::cmp::Reverse(known.expose_secret().len()));
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
    fn leaves_short_values_alone_and_prints_nothing_of_itself() {
        let mut redactor = Redactor::new();
        redactor.add(&SecretString::from("1"));
        redactor.add(&SecretString::from("hunter22"));
        assert_eq!(redactor.apply("1 of 10"), "1 of 10");
        assert!(!format!("{redactor:?}").contains("hunter22"));
    }
}
