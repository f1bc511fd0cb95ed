use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use modal_deploy::secrets::SecretSource;
use secrecy::SecretString;

use crate::cli::args::SecretArgs;
use crate::exit::Exit;
use crate::ui::Failure;

/// May hold the JSON object of all values: what `toJSON(secrets)` makes in a workflow.
const VARIABLE: &str = "PIPELINE_SECRETS_JSON";

/// More than any workflow can have.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Where the values of secrets are: in the file that is named, else in the variable for all, else
/// in variables of their own.
pub(in crate::cli) fn source(args: &SecretArgs) -> Result<SecretSource, Failure> {
    if let Some(file) = &args.secrets_json {
        let text = read(file).map_err(|error| {
            let text = format!("read the secrets in `{}`: {error}", file.display());
            Failure::new(Exit::Input, text)
        })?;
        return Ok(SecretSource::from_json(&text)?);
    }
    match std::env::var(VARIABLE) {
        Ok(text) if !text.trim().is_empty() => Ok(SecretSource::from_json(&text.into())?),
        // An action's input that nobody gave.
        Ok(_) | Err(std::env::VarError::NotPresent) => Ok(SecretSource::from_env()),
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure::new(
            Exit::Input,
            format!("read the secrets in {VARIABLE}: it is no UTF-8"),
        )),
    }
}

fn read(file: &Path) -> io::Result<SecretString> {
    let mut text = String::new();
    if file == Path::new("-") {
        io::stdin()
            .lock()
            .take(LARGEST + 1)
            .read_to_string(&mut text)?;
    } else {
        let open = File::open(file)?;
        let about = open.metadata()?;
        if about.is_file() && about.mode() & 0o077 != 0 {
            let name = file.display();
            tracing::warn!("other users may read the secrets in `{name}`: run `chmod 600 {name}`");
        }
        open.take(LARGEST + 1).read_to_string(&mut text)?;
    }
    if text.len() as u64 > LARGEST {
        return Err(io::Error::other("it is larger than 16 MiB"));
    }
    Ok(SecretString::from(text))
}
