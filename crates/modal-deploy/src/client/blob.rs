use std::time::Duration;

use super::connection::Client;
use crate::ModalError;
use crate::proto::BlobGetRequest;

const LARGEST: usize = 100 * 1024 * 1024;

impl Client {
    /// The bytes of a result that was too large to travel in its answer.
    pub(crate) async fn blob(
        &self,
        blob_id: &str,
        refuse: impl Fn(String) -> ModalError,
    ) -> Result<Vec<u8>, ModalError> {
        let operation = self.operation("BlobGet", "find where a large result is stored");
        let request = BlobGetRequest {
            blob_id: blob_id.to_owned(),
            ..Default::default()
        };
        let url = self
            .unary(operation, request, |mut stub, request| async move {
                stub.blob_get(request).await
            })
            .await?
            .download_url;
        // Plain HTTP is for control planes that are plain themselves.
        let plain = self.options().server_url.starts_with("http://");
        if !(url.starts_with("https://") || plain && url.starts_with("http://")) {
            return Err(refuse("its address is not https".to_owned()));
        }
        let problem = |error: reqwest::Error| refuse(crate::error::chain(&error.without_url()));
        let mut answer = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(30))
            .build()
            .map_err(problem)?
            .get(url)
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(problem)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(problem)? {
            if bytes.len() + chunk.len() > LARGEST {
                return Err(refuse(format!("it is larger than {LARGEST} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}
