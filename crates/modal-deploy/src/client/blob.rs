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
        let encrypted = url.starts_with("https://");
        if !encrypted && !is_local(&url) {
            return Err(refuse("its address is not https".to_owned()));
        }
        let problem = |error: reqwest::Error| refuse(crate::error::chain(&error.without_url()));
        let mut answer = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(30))
            // Also where it is sent on to.
            .https_only(encrypted)
            .build()
            .map_err(problem)?
            .get(url)
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(problem)?;
        let too_large = || refuse(format!("it is larger than {LARGEST} bytes"));
        if answer.content_length() > Some(LARGEST as u64) {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(problem)? {
            if bytes.len() + chunk.len() > LARGEST {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

/// Whether it is plain HTTP that does not leave this machine.
fn is_local(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    let is_loopback = address.map_or(host == "localhost", |address| address.is_loopback());
    url.scheme() == "http" && is_loopback
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_asked_without_encryption() {
        for local in [
            "http://127.0.0.1:1/x",
            "http://[::1]/x",
            "http://localhost/",
        ] {
            assert!(is_local(local), "{local}");
        }
        for other in [
            "http://127.0.0.1.example.com/",
            "http://localhost@example.com/",
            "http://10.0.0.1/",
            "ftp://127.0.0.1/",
            "file:///etc/passwd",
            "127.0.0.1",
        ] {
            assert!(!is_local(other), "{other}");
        }
    }
}
