use registry_model::Digest;
use sha2::{Digest as _, Sha256};

/// A digest over named values, of which no two lists give the same bytes.
pub(crate) struct Fields(Sha256);

impl Fields {
    /// Of values for one purpose: digests of different purposes or versions never agree.
    pub(crate) fn new(purpose: &str, version: u32) -> Self {
        let mut fields = Self(Sha256::new());
        fields.add("pipeline acceptance inputs", purpose);
        fields.add("version", version.to_string());
        fields
    }

    pub(crate) fn add(&mut self, name: &str, value: impl AsRef<[u8]>) {
        for part in [name.as_bytes(), value.as_ref()] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
    }

    pub(crate) fn all(&mut self, name: &str, values: &[String]) {
        for value in values {
            self.add(name, value);
        }
    }

    #[expect(
        clippy::expect_used,
        reason = "the text is `sha256:` and 64 hexadecimal digits by its making"
    )]
    pub(crate) fn finish(self) -> Digest {
        format!("sha256:{}", hex::encode(self.0.finalize()))
            .parse()
            .expect("a digest")
    }
}
