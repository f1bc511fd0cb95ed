use registry_model::{Digest, Repository};

use crate::answer::Answer;
use crate::call::Call;
use crate::manifest;
use crate::{Client, OciError};

impl Client {
    /// Stores content in a repository, unless it is there already, and gives its digest.
    ///
    /// Source: distribution specification, "Pushing a blob monolithically", POST then PUT.
    pub(crate) async fn put_blob(
        &self,
        repository: &Repository,
        content: &[u8],
        operation: &str,
    ) -> Result<Digest, OciError> {
        let digest = manifest::digest_of(content, operation)?;
        let head = Call::head_blob(repository, digest.as_str(), operation);
        match self.transport.send(&head).await {
            Ok(Some(_)) => return Ok(digest),
            Ok(None) => {}
            Err(error) if error.is_retryable() => return Err(error),
            // Some storage behind a registry refuses HEAD. The upload tells who may do what.
            Err(_) => {}
        }
        // A session that fails is of no more use: the attempt after it opens another.
        let mut attempts = self.transport.attempts();
        loop {
            match self.upload(repository, content, &digest, operation).await {
                Ok(stored) => {
                    return match stored.digest(operation)? {
                        Some(found) if found != digest => Err(OciError::DigestMismatch {
                            operation: operation.to_owned(),
                            found,
                        }),
                        _ => Ok(digest),
                    };
                }
                Err(error) => attempts.again_after(error, operation).await?,
            }
        }
    }

    async fn upload(
        &self,
        repository: &Repository,
        content: &[u8],
        digest: &Digest,
        operation: &str,
    ) -> Result<Answer, OciError> {
        let open = Call::open_upload(repository, operation);
        let session = match self.transport.once(&open).await {
            Ok(session) => session,
            Err(error) => return Err(self.refused_push(repository, error).await),
        };
        let location = session.upload(operation)?;
        let mut location = session.resolve(location, operation)?;
        location
            .query_pairs_mut()
            .append_pair("digest", digest.as_str());
        let put = Call::finish_upload(repository, location, content, operation);
        match self.transport.once(&put).await {
            // The registry lost the session, as one that restarts does.
            Err(OciError::Refused {
                status: 404 | 416,
                message,
                ..
            }) => Err(OciError::Unavailable {
                operation: operation.to_owned(),
                status: None,
                message,
                retry_after: None,
            }),
            other => other,
        }
    }
}
