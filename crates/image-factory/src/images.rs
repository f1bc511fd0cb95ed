use std::future::Future;

use oci::{Artifact, ImageConfig, ImageInfo, Likeness, OciError, Referrer};
use registry_model::{Digest, PinnedImage, Platform, Repository};

use crate::build;

type Answer<T> = Result<T, OciError>;

/// What planning and building ask of an OCI registry, and of the engine.
pub trait Images: Sync {
    /// The digest that a tag stands for, if there is one.
    fn resolve(
        &self,
        repository: &Repository,
        tag: &str,
    ) -> impl Future<Output = Answer<Option<Digest>>> + Send;

    /// Whether the registry has this image, with every manifest that it lists.
    fn exists(&self, image: &PinnedImage) -> impl Future<Output = Answer<bool>> + Send;

    /// What an image is: its platforms and its size.
    fn describe(&self, image: &PinnedImage) -> impl Future<Output = Answer<ImageInfo>> + Send;

    /// What the image's config says, for each platform.
    fn configs(&self, image: &PinnedImage)
    -> impl Future<Output = Answer<Vec<ImageConfig>>> + Send;

    /// What the image's config says for each of these platforms, if it is for any of them; else for
    /// each of all. That is asked of base images, of which some registries count every answer.
    fn configs_for(
        &self,
        image: &PinnedImage,
        platforms: &[Platform],
    ) -> impl Future<Output = Answer<Vec<ImageConfig>>> + Send;

    /// Lets `tag` stand for the image, unless it stands for another one already.
    fn tag(&self, image: &PinnedImage, tag: &str) -> impl Future<Output = Answer<()>> + Send;

    /// Lets `tag` stand for the image, whatever it stood for.
    fn move_tag(&self, image: &PinnedImage, tag: &str) -> impl Future<Output = Answer<()>> + Send;

    /// Whether we may push to the repository.
    fn check_push(&self, repository: &Repository) -> impl Future<Output = Answer<()>> + Send;

    /// How much two images are alike.
    fn compare(
        &self,
        old: &PinnedImage,
        new: &PinnedImage,
    ) -> impl Future<Output = Answer<Likeness>> + Send;

    /// Stores an artifact beside an image.
    fn attach(
        &self,
        subject: &PinnedImage,
        artifact: &Artifact,
    ) -> impl Future<Output = Answer<PinnedImage>> + Send;

    /// The artifacts of one type beside an image, oldest first.
    fn referrers(
        &self,
        subject: &PinnedImage,
        artifact_type: &str,
    ) -> impl Future<Output = Answer<Vec<Referrer>>> + Send;

    /// The content of an artifact, if it is not longer than that, in bytes.
    fn artifact(
        &self,
        manifest: &PinnedImage,
        longest: usize,
    ) -> impl Future<Output = Answer<Option<Vec<u8>>>> + Send;

    /// The id of the image to which the Docker engine gives this name. `None` if it has none, or does
    /// not answer.
    fn of_engine(&self, name: &str) -> impl Future<Output = Option<Digest>> + Send;
}

impl Images for oci::Client {
    async fn resolve(&self, repository: &Repository, tag: &str) -> Answer<Option<Digest>> {
        Self::resolve(self, repository, tag).await
    }

    async fn exists(&self, image: &PinnedImage) -> Answer<bool> {
        Self::is_whole(self, image).await
    }

    async fn describe(&self, image: &PinnedImage) -> Answer<ImageInfo> {
        Self::describe(self, image).await
    }

    async fn configs(&self, image: &PinnedImage) -> Answer<Vec<ImageConfig>> {
        Self::configs(self, image).await
    }

    async fn configs_for(
        &self,
        image: &PinnedImage,
        platforms: &[Platform],
    ) -> Answer<Vec<ImageConfig>> {
        Self::configs_for(self, image, platforms).await
    }

    async fn tag(&self, image: &PinnedImage, tag: &str) -> Answer<()> {
        Self::tag(self, image, tag).await.map(drop)
    }

    async fn move_tag(&self, image: &PinnedImage, tag: &str) -> Answer<()> {
        Self::move_tag(self, image, tag).await
    }

    async fn check_push(&self, repository: &Repository) -> Answer<()> {
        Self::check_push(self, repository).await
    }

    async fn compare(&self, old: &PinnedImage, new: &PinnedImage) -> Answer<Likeness> {
        Self::compare(self, old, new).await
    }

    async fn attach(&self, subject: &PinnedImage, artifact: &Artifact) -> Answer<PinnedImage> {
        Self::attach(self, subject, artifact).await
    }

    async fn referrers(&self, subject: &PinnedImage, kind: &str) -> Answer<Vec<Referrer>> {
        Self::referrers(self, subject, Some(kind)).await
    }

    async fn artifact(&self, manifest: &PinnedImage, longest: usize) -> Answer<Option<Vec<u8>>> {
        Self::artifact_up_to(self, manifest, longest).await
    }

    async fn of_engine(&self, name: &str) -> Option<Digest> {
        build::image_id(name).await
    }
}
