use std::collections::BTreeMap;

use super::Unsure;

/// The build arguments that `FROM` can name: those declared before the first `FROM`.
pub(crate) struct Variables<'a> {
    args: &'a [(String, String)],
    /// `None`: declared, but its value is not certain.
    known: BTreeMap<String, Option<String>>,
}

impl<'a> Variables<'a> {
    /// `args` are those that the build is given.
    pub(crate) fn new(args: &'a [(String, String)]) -> Self {
        Self {
            args,
            known: BTreeMap::new(),
        }
    }

    /// Reads what stands after `ARG`.
    pub(crate) fn declare(&mut self, text: &str) -> Result<(), Unsure> {
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.len() > 1 && text.contains(['"', '\'', '\\']) {
            return Err(Unsure);
        }
        for word in words {
            let (name, default) = match word.split_once('=') {
                Some((name, default)) => (name, Some(default)),
                None => (word, None),
            };
            let given = self.args.iter().rev().find(|(given, _)| given == name);
            let value = match (given, default) {
                _ if is_platform(name) => None,
                (Some((_, value)), _) => Some(value.clone()),
                (None, Some(default)) => self.fill_in(unquoted(default)).ok(),
                (None, None) => Some(String::new()),
            };
            self.known.insert(name.to_owned(), value);
        }
        Ok(())
    }

    /// `text` with its variables filled in.
    pub(crate) fn fill_in(&self, text: &str) -> Result<String, Unsure> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some(dollar) = rest.find('$') {
            filled.push_str(plain(&rest[..dollar])?);
            let after = &rest[dollar + 1..];
            let (expression, behind) = match after.strip_prefix('{') {
                Some(inside) => inside.split_once('}').ok_or(Unsure)?,
                None => {
                    let end = after.find(|c: char| !is_name(c)).unwrap_or(after.len());
                    after.split_at(end)
                }
            };
            filled.push_str(&self.value(expression)?);
            rest = behind;
        }
        filled.push_str(plain(rest)?);
        Ok(filled)
    }

    /// The value of `name` or `name:-default`.
    fn value(&self, expression: &str) -> Result<String, Unsure> {
        let end = expression.find(|c: char| !is_name(c));
        let (name, default) = expression.split_at(end.unwrap_or(expression.len()));
        let known = self.known.get(name).ok_or(Unsure)?.clone();
        match (known, default.strip_prefix(":-")) {
            (Some(value), _) if default.is_empty() && !value.is_empty() => Ok(value),
            (Some(value), Some(_)) if !value.is_empty() => Ok(value),
            (Some(_), Some(default)) => plain(default).map(str::to_owned),
            _ => Err(Unsure),
        }
    }
}

/// Whether the builder gives this argument a value of its own, another for each platform.
fn is_platform(name: &str) -> bool {
    let what = name
        .strip_prefix("BUILD")
        .or_else(|| name.strip_prefix("TARGET"));
    what.is_some_and(|what| ["PLATFORM", "OS", "ARCH", "VARIANT", "STAGE"].contains(&what))
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn plain(text: &str) -> Result<&str, Unsure> {
    match super::is_plain(text) {
        true => Ok(text),
        false => Err(Unsure),
    }
}

/// Without the quotes around it, if they are double and nothing in them is special but variables.
fn unquoted(text: &str) -> &str {
    text.strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text)
}
