use registry_model::Repository;
use reqwest::{Method, Url};

use crate::auth::Access;
use crate::manifest;

/// Where a request goes.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Behind `/v2/<repository>/`.
    Path(String),
    /// An address that the registry gave, maybe on another host.
    Url(Url),
}

/// One request to a registry.
pub(crate) struct Call<'a> {
    pub(crate) repository: &'a Repository,
    pub(crate) method: Method,
    pub(crate) place: Place,
    /// The media types of the answer we can read.
    pub(crate) accept: Option<String>,
    /// The content to write, with its media type.
    pub(crate) content: Option<(Vec<u8>, String)>,
    pub(crate) access: Access,
    /// Whether 500 is an answer to look into rather than a passing failure.
    pub(crate) ends_at_500: bool,
    /// What it is for, as it stands in errors.
    pub(crate) operation: &'a str,
}

impl<'a> Call<'a> {
    fn read(method: Method, repository: &'a Repository, place: Place, operation: &'a str) -> Self {
        Self {
            repository,
            method,
            place,
            accept: None,
            content: None,
            access: Access::Pull,
            ends_at_500: false,
            operation,
        }
    }

    fn write(method: Method, repository: &'a Repository, place: Place, operation: &'a str) -> Self {
        Self {
            access: Access::PullAndPush,
            ..Self::read(method, repository, place, operation)
        }
    }

    pub(crate) fn head(repository: &'a Repository, reference: &str, operation: &'a str) -> Self {
        Self {
            method: Method::HEAD,
            ..Self::get_manifest(repository, reference, operation)
        }
    }

    pub(crate) fn ending_at_500(self) -> Self {
        Self {
            ends_at_500: true,
            ..self
        }
    }

    pub(crate) fn get_manifest(
        repository: &'a Repository,
        reference: &str,
        operation: &'a str,
    ) -> Self {
        let place = Place::Path(format!("manifests/{reference}"));
        Self {
            accept: Some(manifest::MEDIA_TYPES.join(", ")),
            ..Self::read(Method::GET, repository, place, operation)
        }
    }

    /// Distribution specification, end-12a, or a further page of its answer.
    pub(crate) fn get_referrers(
        repository: &'a Repository,
        place: Place,
        operation: &'a str,
    ) -> Self {
        Self {
            accept: Some(manifest::INDEX.to_owned()),
            ..Self::read(Method::GET, repository, place, operation)
        }
    }

    pub(crate) fn head_blob(repository: &'a Repository, digest: &str, operation: &'a str) -> Self {
        let place = Place::Path(format!("blobs/{digest}"));
        Self::read(Method::HEAD, repository, place, operation)
    }

    pub(crate) fn get_blob(repository: &'a Repository, digest: &str, operation: &'a str) -> Self {
        let place = Place::Path(format!("blobs/{digest}"));
        Self::read(Method::GET, repository, place, operation)
    }

    pub(crate) fn put_manifest(
        repository: &'a Repository,
        reference: &str,
        raw: &manifest::Raw,
        operation: &'a str,
    ) -> Self {
        let place = Place::Path(format!("manifests/{reference}"));
        Self {
            content: Some((raw.bytes.clone(), raw.media_type.clone())),
            ..Self::write(Method::PUT, repository, place, operation)
        }
    }

    /// Distribution specification, end-4a.
    pub(crate) fn open_upload(repository: &'a Repository, operation: &'a str) -> Self {
        let place = Place::Path("blobs/uploads/".to_owned());
        Self::write(Method::POST, repository, place, operation)
    }

    /// Distribution specification, end-6: all the content at once.
    pub(crate) fn finish_upload(
        repository: &'a Repository,
        session: Url,
        content: &[u8],
        operation: &'a str,
    ) -> Self {
        let media_type = "application/octet-stream".to_owned();
        Self {
            content: Some((content.to_vec(), media_type)),
            ..Self::write(Method::PUT, repository, Place::Url(session), operation)
        }
    }

    pub(crate) fn cancel_upload(
        repository: &'a Repository,
        session: Url,
        operation: &'a str,
    ) -> Self {
        Self::write(Method::DELETE, repository, Place::Url(session), operation)
    }
}
