use std::fmt;
use std::path::Path;

use p256::ecdsa::signature::Signer as _;
use p256::elliptic_curve::rand_core::OsRng;
use p256::pkcs8::DecodePrivateKey as _;
use secrecy::{ExposeSecret as _, SecretString};

use super::pem::{content, first_block, malformed};
use super::{KeyError, VerifyingKey, cosign};

const PLAIN: &str = "PRIVATE KEY";
const CURVE: &str = "EC PRIVATE KEY";
/// What cosign names its keys; the latter until version 2.
const COSIGN: [&str; 2] = [
    "ENCRYPTED SIGSTORE PRIVATE KEY",
    "ENCRYPTED COSIGN PRIVATE KEY",
];

/// A private key. It cannot be printed, and its memory is wiped when it goes.
pub struct SigningKey {
    key: p256::ecdsa::SigningKey,
    verifying: VerifyingKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", self.verifying.id())
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A new key that nobody else has, for as long as this value lives. The operating system makes
    /// it; a system that has no randomness ends the program.
    ///
    /// # Errors
    /// Never, as far as is known: that is for the public half to say.
    pub fn generate() -> Result<Self, KeyError> {
        let key = p256::ecdsa::SigningKey::random(&mut OsRng);
        let verifying = VerifyingKey::of(*key.verifying_key())?;
        Ok(Self { key, verifying })
    }

    /// Reads a private key: PKCS#8 (`PRIVATE KEY`), SEC 1 (`EC PRIVATE KEY`), or cosign's with its
    /// password. Opening the latter takes about a second of work.
    ///
    /// # Errors
    /// When it is none of these, not on the curve P-256, or the password is missing or wrong.
    pub fn from_pem(pem: &SecretString, password: Option<&SecretString>) -> Result<Self, KeyError> {
        let known = |label: &str| [PLAIN, CURVE].contains(&label) || COSIGN.contains(&label);
        let (label, block) = first_block(pem.expose_secret(), known)?;
        let key = match label {
            PLAIN => p256::ecdsa::SigningKey::from_pkcs8_der(&content(block)?).map_err(other_curve),
            CURVE => p256::SecretKey::from_sec1_der(&content(block)?)
                .map(p256::ecdsa::SigningKey::from)
                .map_err(other_curve),
            label if COSIGN.contains(&label) => {
                let password = password.ok_or(KeyError::NoPassword)?;
                let opened = cosign::open(&content(block)?, password)?;
                p256::ecdsa::SigningKey::from_pkcs8_der(&opened).map_err(other_curve)
            }
            "ENCRYPTED PRIVATE KEY" => Err(KeyError::Encrypted {
                found: label.to_owned(),
            }),
            label => Err(KeyError::OtherKind {
                expected: "a private key",
                found: label.chars().take(100).collect(),
            }),
        }?;
        let verifying = VerifyingKey::of(*key.verifying_key())?;
        Ok(Self { key, verifying })
    }

    /// The same, from a file.
    ///
    /// # Errors
    /// Also when the file cannot be read.
    pub fn read(path: &Path, password: Option<&SecretString>) -> Result<Self, KeyError> {
        let text = std::fs::read_to_string(path).map_err(|source| KeyError::File {
            path: path.to_owned(),
            source,
        })?;
        Self::from_pem(&SecretString::from(text), password)
    }

    /// The public half.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// Signs `message`: ECDSA over its SHA-256, as ASN.1 DER. The same message gives the same
    /// signature (RFC 6979), so that a receipt that is stored twice is one.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: p256::ecdsa::Signature = self.key.sign(message);
        signature.to_der().as_bytes().to_vec()
    }
}

/// The libraries' words for it are about object identifiers.
fn other_curve<E>(_: E) -> KeyError {
    malformed("it is no ECDSA key on the curve P-256")
}
