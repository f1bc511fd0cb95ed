use std::fmt;
use std::path::Path;

use p256::ecdsa::signature::Verifier as _;
use p256::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use registry_model::Digest;
use serde::{Deserialize, Serialize};

use super::KeyError;
use super::pem::{content, first_block, malformed};
use crate::digest::digest_of;

/// Names a public key: the SHA-256 of its SubjectPublicKeyInfo in DER, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(Digest);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.hex())
    }
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    key: p256::ecdsa::VerifyingKey,
    id: KeyId,
}

impl VerifyingKey {
    pub(super) fn of(key: p256::ecdsa::VerifyingKey) -> Result<Self, KeyError> {
        let der = key.to_public_key_der().map_err(malformed)?;
        let id = KeyId(digest_of(der.as_bytes()));
        Ok(Self { key, id })
    }

    /// Reads a public key: SubjectPublicKeyInfo (`PUBLIC KEY`).
    ///
    /// # Errors
    /// When it is none, or not on the curve P-256.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let (label, block) = first_block(pem, |label| label == "PUBLIC KEY")?;
        if label != "PUBLIC KEY" {
            return Err(KeyError::OtherKind {
                expected: "a public key",
                found: label.chars().take(100).collect(),
            });
        }
        let key = p256::ecdsa::VerifyingKey::from_public_key_der(&content(block)?);
        Self::of(key.map_err(|_| malformed("it is no ECDSA key on the curve P-256"))?)
    }

    /// The same, from a file.
    ///
    /// # Errors
    /// Also when the file cannot be read.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = std::fs::read_to_string(path).map_err(|source| KeyError::File {
            path: path.to_owned(),
            source,
        })?;
        Self::from_pem(&text)
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// Whether `signature`, in ASN.1 DER, is this key's over `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        p256::ecdsa::Signature::from_der(signature)
            .is_ok_and(|signature| self.key.verify(message, &signature).is_ok())
    }
}
