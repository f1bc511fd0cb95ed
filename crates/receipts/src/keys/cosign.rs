//! The encryption of cosign's private keys.
//!
//! Source: secure-systems-lab/go-securesystemslib, `encrypted/encrypted.go`: scrypt makes the key,
//! and NaCl's secretbox encrypts a PKCS#8 document.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::aead::Aead as _;
use crypto_secretbox::{KeyInit as _, XSalsa20Poly1305};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::KeyError;
use super::pem::malformed;

/// cosign's own parameters are 2^16, 8, 1 (64 MiB); a file must not make us spend much more.
const MOST_LOG_N: u32 = 18;
const MOST_R: u32 = 8;
const MOST_P: u32 = 4;

#[derive(Deserialize)]
struct File {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Deserialize)]
struct Kdf {
    name: String,
    params: Params,
    salt: String,
}

#[derive(Deserialize)]
struct Params {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

/// Opens the content of an encrypted key. Takes about a second of work and 64 MiB of memory, by
/// intent.
pub(super) fn open(
    content: &[u8],
    password: &SecretString,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let file: File = serde_json::from_slice(content).map_err(malformed)?;
    let ways = (file.kdf.name.as_str(), file.cipher.name.as_str());
    if ways != ("scrypt", "nacl/secretbox") {
        let found = format!("{} with {}", file.cipher.name, file.kdf.name);
        return Err(KeyError::Encrypted {
            found: found
                .chars()
                .filter(|c| !c.is_control())
                .take(100)
                .collect(),
        });
    }
    let Params { n, r, p } = file.kdf.params;
    let log_n = n.checked_ilog2().unwrap_or_default();
    if !n.is_power_of_two() || log_n > MOST_LOG_N || r > MOST_R || p > MOST_P {
        return Err(malformed("its parameters of scrypt are out of bounds"));
    }
    let log_n = u8::try_from(log_n).map_err(malformed)?;
    let mut key = Zeroizing::new([0_u8; 32]);
    let params = scrypt::Params::new(log_n, r, p, key.len()).map_err(malformed)?;
    let salt = STANDARD.decode(&file.kdf.salt).map_err(malformed)?;
    let password = password.expose_secret().as_bytes();
    scrypt::scrypt(password, &salt, &params, key.as_mut_slice()).map_err(malformed)?;
    let nonce = STANDARD.decode(&file.cipher.nonce).map_err(malformed)?;
    let nonce: [u8; 24] = nonce
        .try_into()
        .map_err(|_| malformed("its nonce has not 24 bytes"))?;
    let text = STANDARD.decode(&file.ciphertext).map_err(malformed)?;
    let secret_box = XSalsa20Poly1305::new((&*key).into());
    let opened = secret_box.decrypt((&nonce).into(), text.as_slice());
    opened
        .map(Zeroizing::new)
        .map_err(|_| KeyError::WrongPassword)
}
