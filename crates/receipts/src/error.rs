use oci::OciError;
use registry_model::PinnedImage;

/// Why receipts could not be stored or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptsError {
    /// The registry could not be asked, or refused.
    #[error("{operation} `{image}`")]
    Registry {
        /// `read the receipts of`, `store a receipt for`.
        operation: &'static str,
        /// The image.
        image: PinnedImage,
        /// What the registry said.
        #[source]
        source: OciError,
    },
    /// More is attached to the image than can be looked at.
    #[error("read the receipts of `{image}`: {count} are more than the {limit} that are read")]
    TooMany {
        /// The image.
        image: PinnedImage,
        /// How many there are.
        count: usize,
        /// The most that are read.
        limit: usize,
    },
    /// What is to be stored cannot be read back.
    #[error("store a receipt for `{image}`: {problem}")]
    Unfit {
        /// The image.
        image: PinnedImage,
        /// What is wrong with the receipt.
        problem: String,
    },
    /// The caller cancelled.
    #[error("{operation} `{image}`: interrupted")]
    Cancelled {
        /// As for [`ReceiptsError::Registry`].
        operation: &'static str,
        /// The image.
        image: PinnedImage,
    },
}

impl ReceiptsError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Registry { source, .. } => source.hint(),
            Self::TooMany { image, .. } => Some(format!(
                "delete old artifacts of this image from `{}`, then run it again",
                image.repository
            )),
            Self::Unfit { .. } | Self::Cancelled { .. } => None,
        }
    }

    /// Whether the caller's cancellation is the cause.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled { .. })
    }

    /// Whether the registry answered and does not allow it, or wants a login.
    #[must_use]
    pub fn is_about_access(&self) -> bool {
        matches!(self, Self::Registry { source, .. } if source.is_about_access())
    }
}
