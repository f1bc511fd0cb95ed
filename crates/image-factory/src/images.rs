use std::future::Future;

use oci::OciError;
use registry_model::{Digest, PinnedImage, Repository};

/// The three questions to an OCI registry that planning and building need.
pub trait Images: Sync {
    /// The digest that a tag stands for, if there is one.
    fn resolve(
        &self,
        repository: &Repository,
        tag: &str,
    ) -> impl Future<Output = Result<Option<Digest>, OciError>> + Send;

    /// Whether the registry has this image.
    fn exists(&self, image: &PinnedImage) -> impl Future<Output = Result<bool, OciError>> + Send;

    /// Lets `tag` stand for the image, unless it stands for another one already.
    fn tag(
        &self,
        image: &PinnedImage,
        tag: &str,
    ) -> impl Future<Output = Result<(), OciError>> + Send;
}

impl Images for oci::Client {
    async fn resolve(
        &self,
        repository: &Repository,
        tag: &str,
    ) -> Result<Option<Digest>, OciError> {
        Self::resolve(self, repository, tag).await
    }

    async fn exists(&self, image: &PinnedImage) -> Result<bool, OciError> {
        Self::exists(self, image).await
    }

    async fn tag(&self, image: &PinnedImage, tag: &str) -> Result<(), OciError> {
        Self::tag(self, image, tag).await.map(drop)
    }
}
