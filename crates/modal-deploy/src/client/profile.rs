//! The profiles of `~/.modal.toml`, as `modal token` and `modal profile` write them.

use std::io::Read;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use toml::{Table, Value};

use crate::ModalError;

/// Real ones have a few hundred bytes a profile.
const LARGEST: u64 = 1024 * 1024;
/// What Modal calls the profile that nobody named.
const UNNAMED: &str = "default";

/// What of one profile is of use here.
pub(super) struct Profile {
    pub(super) name: String,
    pub(super) token_id: Option<String>,
    pub(super) token_secret: Option<SecretString>,
    pub(super) server_url: Option<String>,
}

/// The profile `wanted`, else the one marked `active = true`, else `default`.
/// `None` when there is no file, or no such profile in it.
///
/// # Errors
/// [`ModalError::Profile`], which never holds a line of the file.
pub(super) fn read(path: &Path, wanted: Option<&str>) -> Result<Option<Profile>, ModalError> {
    let file = File { path };
    let Some(mut profiles) = file.profiles()? else {
        return Ok(None);
    };
    let name = match wanted {
        Some(name) => name.to_owned(),
        None => file.active(&profiles)?,
    };
    let Some(table) = profiles.remove(&name) else {
        return Ok(None);
    };
    let mut settings = match table {
        Value::Table(settings) => settings,
        _ => Table::new(),
    };
    let mut text = |key: &str| match settings.remove(key) {
        None => Ok(None),
        Some(Value::String(text)) => {
            Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
        }
        Some(_) => Err(file.wrong(Some(&name), format!("`{key}` is no text"))),
    };
    Ok(Some(Profile {
        token_id: text("token_id")?,
        token_secret: text("token_secret")?.map(SecretString::from),
        server_url: text("server_url")?,
        name,
    }))
}

struct File<'a> {
    path: &'a Path,
}

impl File<'_> {
    fn profiles(&self) -> Result<Option<Table>, ModalError> {
        let wrong = |problem: String| self.wrong(None, problem);
        let mut text = String::new();
        let read = std::fs::File::open(self.path)
            .and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text));
        match read {
            Ok(_) if text.len() as u64 > LARGEST => {
                return Err(wrong(format!("it is larger than {LARGEST} bytes")));
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(wrong(error.to_string())),
        }
        // What the parser says shows the line, and that may be the token's.
        let profiles: Table = text.parse().map_err(|error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            wrong(format!("line {line} is no TOML"))
        })?;
        match profiles.iter().find(|(_, value)| !value.is_table()) {
            Some((name, _)) => Err(wrong(format!(
                "`{name}` stands outside of a profile, which begins with its name in brackets"
            ))),
            None => Ok(Some(profiles)),
        }
    }

    fn active(&self, profiles: &Table) -> Result<String, ModalError> {
        let is_active = |value: &Value| value.get("active").and_then(Value::as_bool) == Some(true);
        let active: Vec<&String> = profiles
            .iter()
            .filter(|(_, value)| is_active(value))
            .map(|(name, _)| name)
            .collect();
        match (active.as_slice(), profiles.len()) {
            ([one], _) => Ok((*one).clone()),
            ([], 0 | 1) => Ok(UNNAMED.to_owned()),
            ([], _) => Err(self.wrong(None, "none of its profiles is active".to_owned())),
            _ => Err(self.wrong(None, "more than one of its profiles is active".to_owned())),
        }
    }

    fn wrong(&self, profile: Option<&str>, problem: String) -> ModalError {
        ModalError::Profile {
            file: self.path.to_owned(),
            profile: profile.map(str::to_owned),
            problem,
        }
    }
}

/// Where the profiles are: `MODAL_CONFIG_PATH`, else `.modal.toml` of the home folder.
pub(super) fn path(lookup: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    lookup("MODAL_CONFIG_PATH")
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&lookup("HOME")?).join(".modal.toml")))
}
