use registry_model::PinnedImage;
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::{Client, OciError};

/// What [`Client::tag`] found or did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tagged {
    /// The tag is new.
    Written,
    /// The tag stood for this image already.
    Unchanged,
}

impl Client {
    /// Gives `image` a name for people in its own repository. A tag that stands for another
    /// image is not moved: most registries, GHCR among them, would do so without a word. As they
    /// know no condition for a write either, the tag is looked at before and after it: of two who
    /// write at one moment, the one whose image the tag does not stand for in the end is told so,
    /// unless the other writes later still.
    ///
    /// # Errors
    /// [`OciError::TagTaken`] when the tag stands for another image, [`OciError::NotFound`] when
    /// the image is missing; also when `tag` is no tag, or the registry cannot be asked or
    /// refuses.
    pub async fn tag(&self, image: &PinnedImage, tag: &str) -> Result<Tagged, OciError> {
        if self.stands_for(tag, image).await? {
            return Ok(Tagged::Unchanged);
        }
        self.put_tag(image, tag).await?;
        self.stands_for(tag, image).await?;
        Ok(Tagged::Written)
    }

    /// Whether there is such a tag; it is an error if it stands for another image.
    async fn stands_for(&self, tag: &str, image: &PinnedImage) -> Result<bool, OciError> {
        match self.resolve(&image.repository, tag).await? {
            Some(found) if found == image.digest => Ok(true),
            Some(found) => Err(OciError::TagTaken {
                image: image.clone(),
                tag: tag.to_owned(),
                found,
            }),
            None => Ok(false),
        }
    }

    /// Gives `image` the name `tag`, whatever it stood for: for tags that are meant to move.
    ///
    /// # Errors
    /// As for [`Client::tag`], but never [`OciError::TagTaken`].
    pub async fn move_tag(&self, image: &PinnedImage, tag: &str) -> Result<(), OciError> {
        check(tag)?;
        self.put_tag(image, tag).await
    }

    async fn put_tag(&self, image: &PinnedImage, tag: &str) -> Result<(), OciError> {
        let operation = format!("tag `{image}` as `{tag}`");
        let Some(raw) = self.pinned(image, &operation).await? else {
            return Err(OciError::NotFound {
                operation,
                image: image.clone(),
            });
        };
        // The same bytes, so that the digest stays the same.
        let call = Call::put_manifest(&image.repository, tag, &raw, &operation);
        let answer = match self.transport.grant(&call).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.refused_write(&image.repository, error).await),
        };
        match answer.digest(&operation)? {
            Some(found) if found != image.digest => {
                Err(OciError::DigestMismatch { operation, found })
            }
            _ => Ok(()),
        }
    }
}

/// Source: OCI distribution specification, "Pulling manifests", the grammar of `<reference>`.
pub(crate) fn check(tag: &str) -> Result<(), OciError> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let first = tag.bytes().next().is_some_and(word);
    let rest = tag.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'));
    if first && rest && tag.len() <= 128 {
        Ok(())
    } else {
        Err(OciError::BadTag {
            tag: tag.chars().take(200).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_cannot_escape_their_place_in_the_path() {
        for good in ["latest", "build-20260101T000000Z", "_x", "1.2-rc.1"] {
            assert!(check(good).is_ok(), "{good}");
        }
        let long = "x".repeat(129);
        for bad in ["", ".x", "-x", "a/b", "a b", "a?b", "sha256:abc", &long] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
