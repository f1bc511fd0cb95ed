use receipts::keys::{KeyError, SigningKey, VerifyingKey};
use secrecy::SecretString;

use crate::common::{private_pem, public_pem, signing, verifying};

fn read(pem: &str) -> Result<SigningKey, KeyError> {
    SigningKey::from_pem(&SecretString::from(pem.to_owned()), None)
}

#[test]
fn a_private_key_cannot_be_printed() {
    let key = signing(7);
    let printed = format!("{key:?} {key:#?}");
    assert!(
        printed.contains(&key.verifying_key().id().to_string()),
        "{printed}"
    );
    assert!(
        !printed.contains("0707") && !printed.contains("7, 7"),
        "{printed}"
    );
    let error = read(&private_pem(7).replace('M', "")).unwrap_err();
    let body = private_pem(7).lines().nth(1).unwrap()[4..20].to_owned();
    assert!(!format!("{error:?} {error}").contains(&body), "{error:?}");
}

/// What OpenSSL writes: `openssl ecparam -genkey -name prime256v1`, and `openssl ec`.
#[test]
fn both_plain_forms_are_read() {
    let secret = p256::SecretKey::from_slice(&[7; 32]).unwrap();
    let sec1 = secret.to_sec1_pem(p256::pkcs8::LineEnding::LF).unwrap();
    let parameters =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let with_parameters = format!("{parameters}{}", *sec1);
    let windows = private_pem(7).replace('\n', "\r\n");
    for text in [
        private_pem(7),
        with_parameters,
        windows,
        format!("\n{}\n\n", private_pem(7)),
    ] {
        let key = read(&text).unwrap();
        assert_eq!(key.verifying_key(), &verifying(7), "{text}");
    }
}

#[test]
fn the_name_of_a_key_is_that_of_its_public_half() {
    assert_eq!(signing(7).verifying_key().id(), verifying(7).id());
    assert_ne!(verifying(7).id(), verifying(8).id());
    assert_eq!(verifying(7).id().to_string().len(), 64);
}

#[test]
fn other_keys_are_refused_by_name() {
    let encrypted = private_pem(7).replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let certificate = public_pem(7).replace("PUBLIC KEY", "CERTIFICATE");
    // Ed25519, of RFC 8410.
    let edwards = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        -----END PRIVATE KEY-----\n";
    let said = |text: &str| read(text).unwrap_err().to_string();
    insta::assert_snapshot!(said(&encrypted), @"read the key: it is encrypted as `ENCRYPTED PRIVATE KEY`, which is not supported");
    insta::assert_snapshot!(said(&public_pem(7)), @"read the key: expected a private key, found `PUBLIC KEY`");
    insta::assert_snapshot!(said(edwards), @"read the key: it is no ECDSA key on the curve P-256");
    insta::assert_snapshot!(said("hello"), @"read the key: it has no line `-----BEGIN …-----`");
    insta::assert_snapshot!(said(&"x".repeat(70_000)), @"read the key: longer than 65536 bytes");
    let said = |text: &str| VerifyingKey::from_pem(text).unwrap_err().to_string();
    insta::assert_snapshot!(said(&certificate), @"read the key: expected a public key, found `CERTIFICATE`");
    insta::assert_snapshot!(said(&private_pem(7)), @"read the key: expected a public key, found `PRIVATE KEY`");
    let hint = read(&encrypted).unwrap_err().hint().unwrap();
    assert!(hint.contains("openssl pkcs8"), "{hint}");
}

/// As cosign encrypts, but with parameters that cost nothing. Its own are in the test with cosign.
#[test]
fn an_encrypted_key_of_cosign_opens_with_its_password() {
    use base64::Engine as _;
    use crypto_secretbox::aead::Aead as _;
    use crypto_secretbox::{KeyInit as _, XSalsa20Poly1305};
    use p256::pkcs8::EncodePrivateKey as _;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let mut key = [0; 32];
    let params = scrypt::Params::new(4, 8, 1, 32).unwrap();
    scrypt::scrypt(b"open", b"salt", &params, &mut key).unwrap();
    let plain = p256::SecretKey::from_slice(&[7; 32]).unwrap();
    let plain = plain.to_pkcs8_der().unwrap();
    let sealed = XSalsa20Poly1305::new((&key).into())
        .encrypt((&[9; 24]).into(), plain.as_bytes())
        .unwrap();
    let file = |n: u64, cipher: &str| {
        let text = serde_json::json!({
            "kdf": { "name": "scrypt", "params": { "N": n, "r": 8, "p": 1 }, "salt": encode(b"salt") },
            "cipher": { "name": cipher, "nonce": encode(&[9; 24]) },
            "ciphertext": encode(&sealed),
        });
        let body = encode(text.to_string().as_bytes());
        let lines: Vec<_> = body
            .as_bytes()
            .chunks(64)
            .map(String::from_utf8_lossy)
            .collect();
        let label = "ENCRYPTED SIGSTORE PRIVATE KEY";
        format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            lines.join("\n")
        )
    };
    let open = |pem: String, password: Option<&str>| {
        let password = password.map(SecretString::from);
        SigningKey::from_pem(&SecretString::from(pem), password.as_ref())
    };
    let good = file(16, "nacl/secretbox");
    let key = open(good.clone(), Some("open")).unwrap();
    assert_eq!(key.verifying_key(), &verifying(7));
    assert!(matches!(
        open(good.clone(), Some("x")),
        Err(KeyError::WrongPassword)
    ));
    assert!(matches!(open(good, None), Err(KeyError::NoPassword)));
    let other = open(file(16, "rot13"), Some("open")).unwrap_err();
    assert_eq!(
        other.to_string(),
        "read the key: it is encrypted as `rot13 with scrypt`, which is not supported"
    );
    for n in [0, 3, 1 << 40] {
        let error = open(file(n, "nacl/secretbox"), Some("open")).unwrap_err();
        assert!(error.to_string().contains("out of bounds"), "{error}");
    }
}
