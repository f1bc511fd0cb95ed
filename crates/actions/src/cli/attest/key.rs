use receipts::keys::SigningKey;
use receipts::verify::Policy;
use secrecy::SecretString;

use crate::cli::args::AttestArgs;
use crate::cli::context::set;
use crate::exit::Exit;
use crate::ui::Failure;

/// The private key, as the text of a file in PEM.
pub(in crate::cli) const SIGNING_KEY: &str = "SIGNING_KEY";
/// What opens it, if cosign made it. May be empty, as cosign's passwords may.
pub(in crate::cli) const COSIGN_PASSWORD: &str = "COSIGN_PASSWORD";

/// The key to sign with, if there is one.
pub(super) fn read(args: &AttestArgs) -> Result<Option<SigningKey>, Failure> {
    let password = std::env::var(COSIGN_PASSWORD).ok().map(SecretString::from);
    let read = match (&args.key, set(SIGNING_KEY).map(SecretString::from)) {
        (Some(file), _) => SigningKey::read(file, password.as_ref()),
        (None, Some(text)) => SigningKey::from_pem(&text, password.as_ref()),
        (None, None) => return Ok(None),
    };
    read.map(Some).map_err(|error| {
        let hint = error.hint().map(str::to_owned);
        Failure::new(Exit::Input, error).with_hint(hint)
    })
}

/// Tells of receipts that nobody will believe, by the rules of the commit.
pub(super) fn compare(key: Option<&SigningKey>, policy: &Policy) {
    if policy.keys.is_empty() {
        return;
    }
    let Some(key) = key else {
        tracing::warn!(
            "the receipts are not signed, and `receipts.keys` of pipeline.yml asks for it: give \
             --key, or set {SIGNING_KEY}"
        );
        return;
    };
    let id = key.verifying_key().id();
    if !policy.keys.iter().any(|known| known.id() == id) {
        tracing::warn!("the key {id} is none of `receipts.keys` of pipeline.yml");
    }
}
