use registry_model::Digest;
use sha2::Digest as _;

/// The SHA-256 digest of `bytes`.
#[expect(
    clippy::expect_used,
    reason = "the text is `sha256:` and 64 hexadecimal digits by its making"
)]
pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes)))
        .parse()
        .expect("a digest")
}
