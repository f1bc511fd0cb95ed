//! Fingerprints of what is deployed, under a key that only the holder of the Modal token has: who
//! reads them can neither guess a short secret nor compare it with one of another workspace.

use std::fmt;

use hmac::{Hmac, Mac};
use registry_model::Environment;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::secrets::PlannedSecret;

/// 24 hexadecimal digits, 96 bits, of an HMAC-SHA256: short enough for the name of a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(String);

/// The number of hexadecimal digits of a fingerprint.
const DIGITS: usize = 24;

impl Fingerprint {
    /// Its digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// No fingerprint: 24 lower-case hexadecimal digits were expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {DIGITS} lower-case hexadecimal digits")]
pub struct FingerprintError;

impl std::str::FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        if is_short_hash(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(FingerprintError)
        }
    }
}

/// Whether this is as long as a fingerprint and has its digits.
pub(crate) fn is_short_hash(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The first digits of a hash, as many as a fingerprint has.
pub(crate) fn short_hash(hash: &[u8]) -> String {
    let mut digits = hex::encode(hash);
    digits.truncate(DIGITS);
    digits
}

/// What fingerprints of one environment are made with: derived from the secret half of the token,
/// so that another token finds everything changed.
#[derive(Clone)]
pub struct FingerprintKey(SecretString);

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintKey")
    }
}

impl FingerprintKey {
    /// The key of an environment.
    #[must_use]
    pub fn new(token_secret: &SecretString, environment: &Environment) -> Self {
        let texts = ["pipeline fingerprints 1", environment.as_str()];
        let derived = authenticate(token_secret, texts.into_iter());
        Self(SecretString::from(hex::encode(derived)))
    }

    /// Of the name, the keys and the values of a secret.
    #[must_use]
    pub fn secret(&self, secret: &PlannedSecret) -> Fingerprint {
        let keys = secret
            .values
            .iter()
            .flat_map(|(key, value)| [key.as_str(), value.expose_secret()]);
        self.of(["secret", secret.name.as_str()].into_iter().chain(keys))
    }

    /// Of these named parts, in their order; no two lists have the same by accident of where one
    /// part ends.
    #[must_use]
    pub fn parts(&self, parts: &[(&str, &str)]) -> Fingerprint {
        let texts = parts.iter().flat_map(|(name, value)| [*name, *value]);
        self.of(std::iter::once("parts").chain(texts))
    }

    fn of<'a>(&self, texts: impl Iterator<Item = &'a str>) -> Fingerprint {
        Fingerprint(short_hash(&authenticate(&self.0, texts)))
    }
}

/// HMAC-SHA256 of the texts, each behind its length.
fn authenticate<'a>(key: &SecretString, texts: impl Iterator<Item = &'a str>) -> [u8; 32] {
    let mut mac = match Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()) {
        Ok(mac) => mac,
        Err(_) => unreachable!("HMAC takes keys of every length"),
    };
    for text in texts {
        mac.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
        mac.update(text.as_bytes());
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests;
