use proptest::prelude::*;
use receipts::dsse::{Envelope, IN_TOTO, LONGEST_ENVELOPE, Signature, pae};
use receipts::statement::{Outcome, Receipt};

use crate::common::{acceptance, facts, image, signing, verifying};

/// Source: secure-systems-lab/dsse, `protocol.md`, "Test Vectors".
#[test]
fn what_is_signed_is_as_in_the_specification() {
    assert_eq!(
        pae("http://example.com/HelloWorld", b"hello world"),
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    );
    assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
}

/// The envelope of the specification's example, with the key that it gives.
#[test]
fn the_signature_of_the_specification_is_verified() {
    use p256::pkcs8::{EncodePublicKey as _, LineEnding};
    let coordinate = |decimal: &str| {
        let mut bytes = [0_u8; 32];
        for digit in decimal.bytes() {
            let mut carry = u16::from(digit - b'0');
            for byte in bytes.iter_mut().rev() {
                let next = u16::from(*byte) * 10 + carry;
                *byte = next.to_le_bytes()[0];
                carry = next >> 8;
            }
        }
        bytes
    };
    let x =
        coordinate("46950820868899156662930047687818585632848591499744589407958293238635476079160");
    let y =
        coordinate("5640078356564379163099075877009565129882514886557779369047442380624545832820");
    let point = p256::EncodedPoint::from_affine_coordinates(&x.into(), &y.into(), false);
    let key = p256::ecdsa::VerifyingKey::from_encoded_point(&point).unwrap();
    let pem = key.to_public_key_pem(LineEnding::LF).unwrap();
    let key = receipts::keys::VerifyingKey::from_pem(&pem).unwrap();
    // The specification gives r and s side by side; envelopes of cosign have them in DER.
    let raw =
        "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==";
    let raw = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, raw).unwrap();
    let signature = p256::ecdsa::Signature::from_slice(&raw).unwrap();
    let envelope = Envelope {
        payload_type: "http://example.com/HelloWorld".to_owned(),
        payload: b"hello world".to_vec(),
        signatures: vec![Signature {
            keyid: String::new(),
            sig: signature.to_der().as_bytes().to_vec(),
        }],
        certified: false,
    };
    let keys = [verifying(1), key];
    assert_eq!(envelope.signer(&keys), Some(&keys[1]));
}

#[test]
fn the_same_receipt_gives_the_same_envelope() {
    let receipt = Receipt::about(&image('a'), facts(9), acceptance(Outcome::Passed));
    let key = signing(1);
    let once = Envelope::seal(&receipt, Some(&key)).to_json();
    assert_eq!(once, Envelope::seal(&receipt, Some(&key)).to_json());
    assert_ne!(once, Envelope::seal(&receipt, Some(&signing(2))).to_json());
    let unsigned = Envelope::seal(&receipt, None);
    assert!(unsigned.to_json().ends_with(r#""signatures":[]}"#));
    assert_eq!(
        Envelope::from_json(unsigned.to_json().as_bytes()).unwrap(),
        unsigned
    );
}

#[test]
fn both_alphabets_missing_padding_and_bundles_are_read() {
    let plain = |payload: &str| {
        format!(r#"{{"payloadType":"t","payload":"{payload}","signatures":[{{"sig":"AA"}}]}}"#)
    };
    for payload in ["+/8=", "-_8=", "-_8"] {
        let envelope = Envelope::from_json(plain(payload).as_bytes()).unwrap();
        assert_eq!(envelope.payload, [0xfb, 0xff]);
        assert_eq!(envelope.signatures[0].keyid, "");
    }
    let bundle = |material: &str| {
        let envelope = plain("+/8=");
        let text = format!(
            r#"{{"mediaType":"x","verificationMaterial":{material},"dsseEnvelope":{envelope}}}"#
        );
        Envelope::from_json(text.as_bytes()).unwrap()
    };
    for (material, certified) in [
        ("{}", false),
        ("null", false),
        ("7", false),
        (r#"{"publicKey":{"hint":"x"},"certificate":null}"#, false),
        (r#"{"certificate":{"rawBytes":"AA"}}"#, true),
        (r#"{"x509CertificateChain":{"certificates":[]}}"#, true),
    ] {
        let envelope = bundle(material);
        assert_eq!(envelope.payload, [0xfb, 0xff]);
        assert_eq!(envelope.certified, certified, "{material}");
    }
}

#[test]
fn what_is_no_envelope_or_too_much_is_refused() {
    let signatures = vec![r#"{"sig":""}"#; 17].join(",");
    let many = format!(r#"{{"payloadType":"t","payload":"","signatures":[{signatures}]}}"#);
    let long = vec![b' '; LONGEST_ENVELOPE + 1];
    let nested = "[".repeat(100_000);
    for bad in [
        b"" as &[u8],
        b"{}",
        b"null",
        br#"{"payloadType":"t","payload":"!","signatures":[]}"#,
        br#"{"payloadType":"t","payload":"","payload":"","signatures":[]}"#,
        br#"{"payloadType":"t","payload":"","signatures":{}}"#,
        many.as_bytes(),
        nested.as_bytes(),
        &long,
    ] {
        let error = Envelope::from_json(bad).unwrap_err();
        assert!(error.problem.len() <= 1200, "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever one changes in what was signed, the signature tells.
    #[test]
    fn no_change_of_a_signed_statement_goes_unseen(place in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let receipt = Receipt::about(&image('a'), facts(9), acceptance(Outcome::Failed));
        let mut envelope = Envelope::seal(&receipt, Some(&signing(1)));
        let keys = [verifying(1)];
        prop_assert!(envelope.signer(&keys).is_some());
        let at = place.index(envelope.payload.len());
        envelope.payload[at] ^= 1 << bit;
        prop_assert!(envelope.signer(&keys).is_none());
        envelope.payload[at] ^= 1 << bit;
        let at = place.index(envelope.signatures[0].sig.len());
        envelope.signatures[0].sig[at] ^= 1 << bit;
        prop_assert!(envelope.signer(&keys).is_none());
    }

    /// The type and the text cannot be shifted into each other.
    #[test]
    fn the_type_is_signed_too(by in 1_usize..5) {
        let receipt = Receipt::about(&image('a'), facts(9), acceptance(Outcome::Passed));
        let mut envelope = Envelope::seal(&receipt, Some(&signing(1)));
        let (kept, moved) = IN_TOTO.split_at(IN_TOTO.len() - by);
        envelope.payload_type = kept.to_owned();
        envelope.payload = [moved.as_bytes(), &envelope.payload].concat();
        prop_assert!(envelope.signer(&[verifying(1)]).is_none());
    }

    #[test]
    fn no_text_stops_the_reader(text in ".{0,200}") {
        drop(Envelope::from_json(text.as_bytes()));
        drop(Receipt::from_statement(text.as_bytes()));
    }
}
