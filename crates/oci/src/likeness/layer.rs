use oci_client::manifest::OciDescriptor;
use registry_model::PinnedImage;
use tokio::sync::mpsc::Sender;

use super::pipe::{Pipe, pipe};
use super::unpack::Unpacked;
use super::{Changed, Pair, files, length};
use crate::answer::no_answer;
use crate::call::Call;
use crate::{Client, OciError, manifest};

/// What the comparing thread found.
struct Compared {
    difference: Option<String>,
    /// What was really read, when all was.
    digests: Option<[String; 2]>,
}

impl Client {
    /// The first difference between the files of two layers. Begins anew when a connection breaks.
    pub(super) async fn compare_layers(
        &self,
        pair: &Pair<'_>,
        layer: &Changed<'_>,
        operation: &str,
    ) -> Result<Option<String>, OciError> {
        let mut attempts = self.transport.attempts();
        loop {
            match self.stream_layers(pair, layer, operation).await {
                Err(error) => attempts.again_after(error, operation).await?,
                compared => return compared,
            }
        }
    }

    async fn stream_layers(
        &self,
        pair: &Pair<'_>,
        layer: &Changed<'_>,
        operation: &str,
    ) -> Result<Option<String>, OciError> {
        let (old, new) = tokio::try_join!(
            self.begin(&pair.old.image, layer.old, operation),
            self.begin(&pair.new.image, layer.new, operation),
        )?;
        let (old_sender, old_pipe) = pipe();
        let (new_sender, new_pipe) = pipe();
        // Should this future be dropped, the senders go, and the thread comes to its end.
        let thread = tokio::task::spawn_blocking(move || compare(old_pipe, new_pipe));
        let (old_pumped, new_pumped, compared) = tokio::join!(
            pump(old, length(layer.old), old_sender, operation),
            pump(new, length(layer.new), new_sender, operation),
            thread,
        );
        old_pumped?;
        new_pumped?;
        let malformed = |problem| OciError::Malformed {
            operation: operation.to_owned(),
            problem,
        };
        let compared = compared.map_err(|_| malformed("the comparison broke off".to_owned()))?;
        for (read, descriptor) in compared
            .digests
            .into_iter()
            .flatten()
            .zip([layer.old, layer.new])
        {
            if read != descriptor.digest {
                return Err(OciError::DigestMismatch {
                    operation: operation.to_owned(),
                    found: manifest::parse_digest(&read, operation)?,
                });
            }
        }
        Ok(compared.difference)
    }

    async fn begin(
        &self,
        image: &PinnedImage,
        layer: &OciDescriptor,
        operation: &str,
    ) -> Result<reqwest::Response, OciError> {
        // Parsed, as it becomes part of the address.
        let digest = manifest::parse_digest(&layer.digest, operation)?;
        let call = Call::get_blob(&image.repository, digest.as_str(), operation);
        let opened = self.transport.open(&call).await?;
        opened.ok_or_else(|| OciError::Malformed {
            operation: operation.to_owned(),
            problem: format!("the layer {digest} is missing"),
        })
    }
}

/// Hands content on until it ends or nobody reads it any more.
async fn pump(
    mut response: reqwest::Response,
    announced: u64,
    sender: Sender<Vec<u8>>,
    operation: &str,
) -> Result<(), OciError> {
    let mut left = announced;
    let failed = |source| no_answer(operation, source);
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        left = left
            .checked_sub(length)
            .ok_or_else(|| OciError::Malformed {
                operation: operation.to_owned(),
                problem: format!("a layer is longer than the {announced} bytes of its manifest"),
            })?;
        if sender.send(piece.to_vec()).await.is_err() {
            break;
        }
    }
    Ok(())
}

fn compare(old: Pipe, new: Pipe) -> Compared {
    let unreadable = |error: std::io::Error| Compared {
        difference: Some(format!("an archive cannot be read: {error}")),
        digests: None,
    };
    let (mut old, mut new) = match (Unpacked::new(old), Unpacked::new(new)) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(error), _) | (_, Err(error)) => return unreadable(error),
    };
    match files::first_difference(&mut old, &mut new) {
        Ok(None) => {}
        Ok(difference) => {
            return Compared {
                difference,
                digests: None,
            };
        }
        Err(error) => return unreadable(error),
    }
    // Only what has its digest counts as the same.
    let digest = |unpacked: Unpacked<Pipe>| unpacked.into_inner().finish();
    match (digest(old), digest(new)) {
        (Ok(old), Ok(new)) => Compared {
            difference: None,
            digests: Some([old, new]),
        },
        (Err(error), _) | (_, Err(error)) => unreadable(error),
    }
}
