use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use registry_model::Platform;

use super::Unsure;
use super::lines::words;

/// The build arguments that `FROM` can name: those declared before the first `FROM`.
pub(super) struct Variables<'a> {
    args: &'a [(String, String)],
    /// `None`: declared, but its value is not certain.
    known: BTreeMap<String, Option<String>>,
    escape: char,
    /// What is built for, if that is to be filled in.
    platform: Option<&'a Platform>,
}

impl<'a> Variables<'a> {
    /// `args` are those that the build is given.
    pub(super) fn new(
        args: &'a [(String, String)],
        escape: char,
        platform: Option<&'a Platform>,
    ) -> Self {
        Self {
            args,
            known: BTreeMap::new(),
            escape,
            platform,
        }
    }

    /// Reads what stands after `ARG`.
    pub(super) fn declare(&mut self, text: &str) {
        for word in words(text, self.escape) {
            let (name, default) = match word.split_once('=') {
                Some((name, default)) => (name, Some(default)),
                None => (word.as_str(), None),
            };
            let given = self.args.iter().rev().find(|(given, _)| given == name);
            let value = match (given, default) {
                _ if is_platform(name) => None,
                (Some((_, value)), _) => Some(value.clone()),
                (None, Some(default)) => self.fill_in(default).ok(),
                (None, None) => Some(String::new()),
            };
            self.known.insert(name.to_owned(), value);
        }
    }

    /// `text` without its quotes and with its variables filled in.
    pub(super) fn fill_in(&self, text: &str) -> Result<String, Unsure> {
        self.fill(&mut text.chars().peekable(), None)
    }

    /// Reads up to `end`, or all.
    fn fill(&self, chars: &mut Peekable<Chars<'_>>, end: Option<char>) -> Result<String, Unsure> {
        let mut filled = String::new();
        let mut quoted = false;
        loop {
            match chars.next() {
                None if quoted || end.is_some() => return Err(Unsure),
                None => return Ok(filled),
                Some(c) if !quoted && Some(c) == end => return Ok(filled),
                Some('"') => quoted = !quoted,
                Some('\'') if !quoted => loop {
                    match chars.next().ok_or(Unsure)? {
                        '\'' => break,
                        c => filled.push(c),
                    }
                },
                Some('$') => filled.push_str(&self.variable(chars)?),
                Some(c) if c == self.escape => {
                    let next = chars.next().ok_or(Unsure)?;
                    if quoted && next != '"' && next != '$' && next != c {
                        filled.push(c);
                    }
                    filled.push(next);
                }
                Some(c) => filled.push(c),
            }
        }
    }

    /// What stands after `$`: `name`, `{name}`, `{name:-default}` or `{name:+other}`.
    fn variable(&self, chars: &mut Peekable<Chars<'_>>) -> Result<String, Unsure> {
        let braces = chars.next_if_eq(&'{').is_some();
        let mut name = String::new();
        while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(c);
        }
        if !braces || chars.next_if_eq(&'}').is_some() {
            let value = self.value(&name)?;
            // The builder does not take an empty one for an image.
            return (!value.is_empty()).then_some(value).ok_or(Unsure);
        }
        let how = (chars.next(), chars.next());
        let word = self.fill(chars, Some('}'));
        let value = self.value(&name)?;
        match how {
            (Some(':'), Some('-')) if value.is_empty() => word,
            (Some(':'), Some('-')) => Ok(value),
            (Some(':'), Some('+')) if value.is_empty() => Ok(String::new()),
            (Some(':'), Some('+')) => word,
            _ => Err(Unsure),
        }
    }

    fn value(&self, name: &str) -> Result<String, Unsure> {
        match (self.known.get(name), self.platform) {
            (Some(value), _) => value.clone().ok_or(Unsure),
            (None, Some(platform)) => match name {
                "TARGETPLATFORM" => Ok(platform.to_string()),
                "TARGETOS" => Ok(platform.os().to_owned()),
                "TARGETARCH" => Ok(platform.arch().to_owned()),
                _ => Err(Unsure),
            },
            (None, None) => Err(Unsure),
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
