use std::sync::Arc;

use registry_model::{Digest, PinnedImage, Repository};

use crate::answer::Answer;
use crate::call::Call;
use crate::manifest;
use crate::referrers::WithoutApi;
use crate::transport::Transport;
use crate::{Credentials, OciError, RetryPolicy};

/// How a [`Client`] behaves.
#[derive(Clone, Debug, Default)]
pub struct ClientOptions {
    /// When to ask again.
    pub retry: RetryPolicy,
    /// What to show to a registry that asks for it.
    pub credentials: Credentials,
    /// Hosts, with or without their port, that speak plain HTTP. Loopback addresses and
    /// `localhost` always count as such, as they do for Docker.
    pub insecure_hosts: Vec<String>,
}

/// A client for any number of registries. Clones share connections and tokens.
#[derive(Clone)]
pub struct Client {
    pub(crate) transport: Arc<Transport>,
    pub(crate) without_api: WithoutApi,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// A client; no request is made yet.
    ///
    /// # Errors
    /// When a proxy setting of the environment makes no sense.
    pub fn new(options: ClientOptions) -> Result<Self, OciError> {
        Ok(Self {
            transport: Arc::new(Transport::new(options)?),
            without_api: WithoutApi::default(),
        })
    }

    /// The digest that `tag` stands for, or `None` when the registry knows no such tag or
    /// repository. One HEAD request.
    ///
    /// # Errors
    /// When `tag` is no tag, the registry cannot be asked, or its answer makes no sense.
    pub async fn resolve(
        &self,
        repository: &Repository,
        tag: &str,
    ) -> Result<Option<Digest>, OciError> {
        crate::tag::check(tag)?;
        let operation = format!("resolve `{}`", repository.tagged(tag));
        let call = Call::head(repository, tag, &operation);
        match self.transport.send(&call).await? {
            None => Ok(None),
            Some(answer) => match answer.digest(&operation)? {
                Some(digest) => Ok(Some(digest)),
                // The header is optional in the specification; then only the content tells.
                None => Ok(self
                    .manifest(repository, tag, &operation)
                    .await?
                    .map(|found| found.digest)),
            },
        }
    }

    /// Whether the registry has this very manifest or index. One HEAD request.
    ///
    /// # Errors
    /// When the registry cannot be asked, or answers with another digest.
    pub async fn exists(&self, image: &PinnedImage) -> Result<bool, OciError> {
        let operation = format!("look up `{image}`");
        let found = self.media_type(image, &operation).await?;
        Ok(found.is_some())
    }

    /// What the registry says that `image` is, if it says so; `None` when there is none.
    pub(crate) async fn media_type(
        &self,
        image: &PinnedImage,
        operation: &str,
    ) -> Result<Option<Option<String>>, OciError> {
        let Some(answer) = self.by_digest(image, Call::head, operation).await? else {
            return Ok(None);
        };
        let media_type = answer.content_type();
        match answer.digest(operation)? {
            Some(found) if found != image.digest => Err(OciError::DigestMismatch {
                operation: operation.to_owned(),
                found,
            }),
            Some(_) => Ok(Some(media_type)),
            // Without the header only the content proves it.
            None => {
                let found = self.pinned(image, operation).await?;
                Ok(found.map(|found| Some(found.media_type)))
            }
        }
    }

    /// The content that `tag` stands for, with the digest of its bytes.
    pub(crate) async fn manifest(
        &self,
        repository: &Repository,
        tag: &str,
        operation: &str,
    ) -> Result<Option<manifest::Raw>, OciError> {
        let call = Call::get_manifest(repository, tag, operation);
        let answer = self.transport.send(&call).await?;
        answer
            .map(|answer| manifest::Raw::read(answer, operation))
            .transpose()
    }

    /// The content of `image`, checked against its digest.
    pub(crate) async fn pinned(
        &self,
        image: &PinnedImage,
        operation: &str,
    ) -> Result<Option<manifest::Raw>, OciError> {
        let answer = self.by_digest(image, Call::get_manifest, operation).await?;
        let Some(answer) = answer else {
            return Ok(None);
        };
        let raw = manifest::Raw::read(answer, operation)?;
        if raw.digest != image.digest {
            return Err(OciError::DigestMismatch {
                operation: operation.to_owned(),
                found: raw.digest,
            });
        }
        Ok(Some(raw))
    }

    /// Asks for a manifest by digest; `None` when there is none.
    ///
    /// To the digest of a config or a layer, the reference registry answers 500 rather than 404:
    /// it finds the content and cannot read it as a manifest. Asking again would be in vain.
    async fn by_digest<'a>(
        &self,
        image: &'a PinnedImage,
        call: fn(&'a Repository, &str, &'a str) -> Call<'a>,
        operation: &'a str,
    ) -> Result<Option<Answer>, OciError> {
        let call = || call(&image.repository, image.digest.as_str(), operation);
        match self.transport.send(&call().ending_at_500()).await {
            Err(error) if error.is_500() => {
                if self.is_other_content(image, operation).await? {
                    Ok(None)
                } else {
                    self.transport.send(&call()).await
                }
            }
            other => other,
        }
    }

    /// Whether the digest names a blob that is no manifest. Registries that keep all content in
    /// one place hand out manifests as blobs too, so only the content tells.
    async fn is_other_content(
        &self,
        image: &PinnedImage,
        operation: &str,
    ) -> Result<bool, OciError> {
        let (repository, digest) = (&image.repository, image.digest.as_str());
        let head = Call::head_blob(repository, digest, operation);
        match self.transport.send(&head).await? {
            None => Ok(false),
            Some(answer) if answer.is_longer_than_a_manifest() => Ok(true),
            Some(_) => {
                let get = Call::get_blob(repository, digest, operation);
                let blob = self.transport.send(&get).await?;
                Ok(blob.is_some_and(|blob| manifest::Raw::read(blob, operation).is_err()))
            }
        }
    }
}
