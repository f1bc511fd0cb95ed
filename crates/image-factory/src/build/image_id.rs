use std::time::Duration;

use bollard::Docker;
use registry_model::Digest;

use super::address::engine_address;

/// Nothing depends on the answer that could not do without.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The id of the image to which the Docker engine gives this name; it changes with all that is in the
/// image. `None` if the engine has none, or does not answer.
pub(crate) async fn image_id(name: &str) -> Option<Digest> {
    // It becomes a part of an address.
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-:/@".contains(c);
    if !name.chars().all(plain) || name.contains("..") {
        return None;
    }
    let asked = async {
        let docker = Docker::connect_with_host(&engine_address())?;
        docker.inspect_image(name).await
    };
    match tokio::time::timeout(ANSWER_WITHIN, asked).await {
        Ok(Ok(image)) => image.id?.parse().ok(),
        Ok(Err(error)) => {
            tracing::debug!(name, %error, "the engine does not tell which image that is");
            None
        }
        Err(_) => {
            tracing::debug!(name, "the engine does not answer");
            None
        }
    }
}
