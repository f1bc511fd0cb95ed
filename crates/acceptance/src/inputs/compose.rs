//! What a compose file takes from elsewhere: variables of this process and files that git may ignore.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use serde_yaml::Value;

use super::Fields;
use super::files::Problem;

/// By these Docker Compose is told more than its command line says.
const OWN: [&str; 3] = [
    "COMPOSE_ENV_FILES",
    "COMPOSE_PROFILES",
    "COMPOSE_PATH_SEPARATOR",
];
const LARGEST: u64 = 1 << 20;

/// Adds what `file`, whose content is `text`, takes from elsewhere. `env` wins over the environment of
/// this process, as it does when Docker Compose runs.
pub(super) fn add(
    fields: &mut Fields,
    file: &Path,
    text: &str,
    env: &BTreeMap<String, String>,
) -> Result<(), Problem> {
    let mut found = Found::default();
    found.names(text);
    found.names.extend(OWN.map(str::to_owned));
    let document: Value = serde_yaml::from_str(text).unwrap_or_default();
    if document.get("include").is_some() {
        return Err(Problem::Includes(file.to_owned()));
    }
    found.look(&document);
    if found.extends {
        return Err(Problem::Includes(file.to_owned()));
    }
    for name in &found.names {
        let own = || std::env::var_os(name);
        let value = match env.get(name) {
            Some(value) => Some(value.into()),
            None => own(),
        };
        // Not there is another thing than empty.
        if let Some(value) = value {
            fields.add("compose-variable", name);
            fields.add("compose-value", value.as_bytes());
        }
    }
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut files: BTreeSet<PathBuf> = found.files.iter().map(|it| folder.join(it)).collect();
    files.insert(folder.join(".env"));
    let mut texts: Vec<Vec<u8>> = Vec::new();
    for path in &files {
        texts.extend(content(path)?);
    }
    // It is read where the stage runs, too, which is often the same.
    let here = content(Path::new(".env"))?;
    texts.extend(here.filter(|text| !texts.contains(text)));
    for text in texts {
        fields.add("compose-env-file", text);
    }
    Ok(())
}

fn content(path: &Path) -> Result<Option<Vec<u8>>, Problem> {
    // A pipe could take for ever.
    if !path.is_file() {
        return Ok(None);
    }
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut text));
    match read {
        Ok(_) if text.len() as u64 > LARGEST => Err(Problem::Bytes),
        Ok(_) => Ok(Some(text)),
        Err(source) => Err(Problem::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

#[derive(Default)]
struct Found {
    names: BTreeSet<String>,
    files: BTreeSet<String>,
    extends: bool,
}

impl Found {
    /// The variables in a text: `$NAME`, `${NAME}`, `${NAME:-${OTHER}}`; two dollars are one of the text.
    fn names(&mut self, text: &str) {
        let mut rest = text;
        while let Some((_, after)) = rest.split_once('$') {
            rest = after;
            if let Some(after) = rest.strip_prefix('$') {
                rest = after;
                continue;
            }
            let name = rest.strip_prefix('{').unwrap_or(rest);
            let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let name = &name[..end.unwrap_or(name.len())];
            if !name.is_empty() {
                self.names.insert(name.to_owned());
            }
        }
    }

    fn look(&mut self, value: &Value) {
        match value {
            Value::Mapping(pairs) => {
                for (key, value) in pairs {
                    match key.as_str() {
                        Some("environment" | "args") => self.handed_on(value),
                        Some("env_file") => self.env_files(value),
                        Some("extends") => self.extends |= value.get("file").is_some(),
                        _ => {}
                    }
                    self.look(value);
                }
            }
            Value::Sequence(items) => items.iter().for_each(|item| self.look(item)),
            _ => {}
        }
    }

    /// A variable without a value has that of this process.
    fn handed_on(&mut self, value: &Value) {
        match value {
            Value::String(name) => drop(self.names.insert(name.clone())),
            Value::Sequence(items) => {
                let names = items.iter().filter_map(Value::as_str);
                let names = names.filter(|item| !item.contains('='));
                self.names.extend(names.map(str::to_owned));
            }
            Value::Mapping(pairs) => {
                let names = pairs.iter().filter(|(_, value)| value.is_null());
                let names = names.filter_map(|(name, _)| name.as_str());
                self.names.extend(names.map(str::to_owned));
            }
            _ => {}
        }
    }

    fn env_files(&mut self, value: &Value) {
        match value {
            Value::String(path) => drop(self.files.insert(path.clone())),
            Value::Sequence(items) => items.iter().for_each(|item| self.env_files(item)),
            Value::Mapping(_) => {
                if let Some(path) = value.get("path") {
                    self.env_files(path);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_and_files_are_found_wherever_they_are_named() {
        let text = "services:\n  a:\n    image: ${IMAGE:-${OTHER-x}}\n    command: [$WORD, $$NONE, \"$\"]\n    \
                    environment: [HANDED, SET=$VALUE]\n    env_file: [a.env, {path: b.env}]\n  \
                    b: {environment: {EMPTY: , FULL: x}, env_file: c.env, build: {args: [ARG]}}\n\
                    secrets: {s: {environment: SECRET}}\n";
        let mut found = Found::default();
        found.names(text);
        found.look(&serde_yaml::from_str(text).unwrap());
        let names: Vec<&str> = found.names.iter().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "ARG", "EMPTY", "HANDED", "IMAGE", "OTHER", "SECRET", "VALUE", "WORD"
            ]
        );
        assert_eq!(Vec::from_iter(&found.files), ["a.env", "b.env", "c.env"]);
        assert!(!found.extends);
    }
}
