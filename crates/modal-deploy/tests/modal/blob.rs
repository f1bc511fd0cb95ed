//! Results that are too large for an answer.

use modal_deploy::proto::generic_result::{DataOneof, GenericStatus};
use modal_deploy::proto::{DataFormat, GenericResult};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Serves one body once, and returns its address.
pub(crate) async fn serve(head: &'static str, body: Vec<u8>) -> String {
    let length = body.len();
    serve_of_length(head, length, body).await
}

/// Likewise, but says that the body has `length` bytes.
pub(crate) async fn serve_of_length(head: &'static str, length: usize, body: Vec<u8>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        let head = format!("{head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        // The reader may have seen enough before the end.
        let _ = stream.write_all(&body).await;
    });
    format!("http://{address}/blob?signature=hunter22")
}

/// The output that says that the result is elsewhere.
pub(crate) fn output() -> Option<(DataFormat, GenericResult)> {
    let result = GenericResult {
        status: GenericStatus::Success.into(),
        data_oneof: Some(DataOneof::DataBlobId("bl-1".to_owned())),
        ..Default::default()
    };
    Some((DataFormat::Cbor, result))
}
