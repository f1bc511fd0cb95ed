//! DSSE envelopes: what is said, and who signed it.
//!
//! Source: secure-systems-lab/dsse, `envelope.md` and `protocol.md`, version 1.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};
use registry_model::Digest;
use serde::{Deserialize, Serialize};

use crate::digest::digest_of;
use crate::keys::{SigningKey, VerifyingKey};
use crate::statement::{LONGEST_STATEMENT, Receipt};

/// The type of in-toto statements in envelopes.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";
/// The longest envelope that is read, in bytes: the longest statement in base64, and signatures.
pub const LONGEST_ENVELOPE: usize = LONGEST_STATEMENT / 3 * 4 + 64 * 1024;
/// The most signatures of an envelope that is read.
const MOST_SIGNATURES: usize = 16;

/// A text with the signatures over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The type of the text.
    pub payload_type: String,
    /// The text: for receipts, an in-toto statement.
    pub payload: Vec<u8>,
    /// May be empty.
    pub signatures: Vec<Signature>,
    /// Whether it came in a bundle with a certificate: whoever signed it did so by an identity, as
    /// workflows on GitHub do, and not with a key that somebody keeps.
    pub certified: bool,
}

/// A signature in an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Which key it should be of: a hint that is not signed, and may be empty.
    pub keyid: String,
    /// The signature: for ECDSA, ASN.1 DER.
    pub sig: Vec<u8>,
}

/// Why a text is no envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read the envelope: {problem}")]
pub struct EnvelopeError {
    /// What is wrong with it.
    pub problem: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    payload_type: String,
    payload: String,
    signatures: Vec<WireSignature>,
}

#[derive(Serialize, Deserialize)]
struct WireSignature {
    #[serde(default)]
    keyid: Option<String>,
    sig: String,
}

/// A sigstore bundle, as `actions/attest` and newer versions of cosign store it: an envelope, and
/// what belongs to its verification.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    dsse_envelope: Option<Wire>,
    #[serde(default)]
    verification_material: serde_json::Value,
}

impl Bundle {
    /// Source: sigstore/protobuf-specs, `sigstore_bundle.proto`, `VerificationMaterial`; the chain is
    /// what bundles before version 0.3 have.
    fn is_certified(&self) -> bool {
        let material = &self.verification_material;
        let has = |field: &str| material.get(field).is_some_and(|it| !it.is_null());
        has("certificate") || has("x509CertificateChain")
    }
}

/// What is signed: the type and the text, each with its length, so that no two pairs make the same
/// bytes.
#[must_use]
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    );
    [head.as_bytes(), payload].concat()
}

impl Envelope {
    /// An envelope for a receipt: signed, if there is a key. The same receipt and key give the
    /// same envelope.
    #[must_use]
    pub fn seal(receipt: &Receipt, key: Option<&SigningKey>) -> Self {
        let payload = receipt.to_statement();
        let sign = |key: &SigningKey| Signature {
            keyid: key.verifying_key().id().to_string(),
            sig: key.sign(&pae(IN_TOTO, &payload)),
        };
        Self {
            payload_type: IN_TOTO.to_owned(),
            signatures: key.map(sign).into_iter().collect(),
            payload,
            certified: false,
        }
    }

    /// The digest of the text: the name of a statement, whoever signed it.
    #[must_use]
    pub fn statement(&self) -> Digest {
        digest_of(&self.payload)
    }

    /// The first of `keys` that signed the text.
    #[must_use]
    pub fn signer<'a>(&self, keys: &'a [VerifyingKey]) -> Option<&'a VerifyingKey> {
        let signed = pae(&self.payload_type, &self.payload);
        keys.iter().find(|key| {
            let mut signatures = self.signatures.iter();
            signatures.any(|signature| key.verifies(&signed, &signature.sig))
        })
    }

    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let encode = |bytes: &[u8]| general_purpose::STANDARD.encode(bytes);
        let signatures = self.signatures.iter();
        let wire = Wire {
            payload_type: self.payload_type.clone(),
            payload: encode(&self.payload),
            signatures: signatures
                .map(|it| WireSignature {
                    keyid: Some(it.keyid.clone()),
                    sig: encode(&it.sig),
                })
                .collect(),
        };
        serde_json::json!(wire).to_string()
    }

    /// Reads an envelope, or the one in a sigstore bundle. Signatures are not verified here.
    ///
    /// # Errors
    /// When it is neither, or too long.
    pub fn from_json(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > LONGEST_ENVELOPE {
            return Err(wrong(format!("longer than {LONGEST_ENVELOPE} bytes")));
        }
        let bundle = serde_json::from_slice::<Bundle>(bytes).ok();
        let certified = bundle.as_ref().is_some_and(Bundle::is_certified);
        let wire: Wire = match bundle.and_then(|bundle| bundle.dsse_envelope) {
            Some(wire) => wire,
            None => serde_json::from_slice(bytes).map_err(wrong)?,
        };
        if wire.signatures.len() > MOST_SIGNATURES {
            return Err(wrong(format!("more than {MOST_SIGNATURES} signatures")));
        }
        let signatures = wire.signatures.into_iter().map(|it| {
            Ok(Signature {
                keyid: it.keyid.unwrap_or_default(),
                sig: decode(&it.sig)?,
            })
        });
        Ok(Self {
            payload: decode(&wire.payload)?,
            signatures: signatures.collect::<Result<_, _>>()?,
            payload_type: wire.payload_type,
            certified,
        })
    }
}

/// Both alphabets are allowed (`envelope.md`, "Standard JSON envelope").
fn decode(text: &str) -> Result<Vec<u8>, EnvelopeError> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let url_safe = text.contains(['-', '_']);
    let alphabet = match url_safe {
        true => &base64::alphabet::URL_SAFE,
        false => &base64::alphabet::STANDARD,
    };
    let engine = GeneralPurpose::new(alphabet, LENIENT);
    engine.decode(text).map_err(wrong)
}

fn wrong(problem: impl std::fmt::Display) -> EnvelopeError {
    let problem = problem.to_string();
    let problem = problem.chars().filter(|c| !c.is_control());
    EnvelopeError {
        problem: problem.take(300).collect(),
    }
}
