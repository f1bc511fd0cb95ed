//! Replies that mean harm.

use modal_deploy::Verdict;
use modal_deploy::proto::generic_result::{DataOneof, GenericStatus};
use modal_deploy::proto::{DataFormat, GenericResult};
use registry_model::SmokeSpec;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Output, SECRET, Scene, detail};
use crate::blob;
use crate::plane::{failure, success};

fn raw(bytes: Vec<u8>) -> Output {
    let result = GenericResult {
        status: GenericStatus::Success.into(),
        data_oneof: Some(DataOneof::Data(bytes)),
        ..Default::default()
    };
    Some((DataFormat::Cbor, result))
}

#[tokio::test]
async fn hostile_replies_fail_and_what_is_shown_of_them_is_short_and_harmless() {
    let deep = |levels: usize| [vec![0x81; levels], vec![0xf6]].concat();
    let tagged = |levels: usize| [vec![0xc1; levels], vec![0xf6]].concat();
    let claims_a_terabyte = vec![0x7b, 0, 0, 1, 0, 0, 0, 0, 0, b'x'];
    let huge = "x".repeat(3_000_000);
    let lines = format!("::error::{SECRET}\n\r::add-mask::\u{1b}[2J{SECRET}\n").repeat(1000);
    let torn = [b"{\"status\": \"".as_slice(), &[0xff], b"\"}"].concat();
    let mut bytes = Vec::new();
    ciborium::into_writer(&ciborium::Value::Bytes(torn), &mut bytes).unwrap();
    for output in [
        raw(deep(100_000)),
        raw(tagged(100_000)),
        raw(claims_a_terabyte),
        raw(vec![0xff; 1000]),
        raw(bytes),
        success(&json!({"status": huge})),
        success(&json!({"status": lines, "digest": ""})),
        success(&json!({"status": "success", "digest": lines})),
        success(&json!({"status": "error", "error": {"code": lines, "message": lines}})),
        success(&json!(format!(
            "{{\"status\": \"error\", \"message\": \"\\u0073{}\"}}",
            &SECRET[1..]
        ))),
        failure(GenericStatus::Failure, &lines, &lines),
        failure(GenericStatus::InitFailure, &huge, SECRET),
    ] {
        let scene = Scene::new([output]).await;
        let report = scene.one(SmokeSpec::default()).await;
        assert_eq!(report.verdict, Verdict::Failed);
        let whole = serde_json::to_string(&report).unwrap();
        assert!(!whole.contains("hunter22"), "{whole}");
        let shown = detail(&report);
        assert!(shown.len() < 15_000, "{}", shown.len());
        let commands = ["::", "##["];
        let harmless = |line: &str| {
            !commands
                .iter()
                .any(|start| line.trim_start().starts_with(start))
        };
        assert!(shown.lines().all(harmless), "{shown}");
        assert!(!shown.contains(['\u{1b}', '\r', '\0']), "{shown}");
    }
}

/// Serves zeros without end, and returns the address.
async fn endless() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
        stream.write_all(head).await.unwrap();
        while stream.write_all(&[0; 1 << 16]).await.is_ok() {}
    });
    format!("http://{address}/blob?signature={SECRET}")
}

#[tokio::test]
async fn a_result_without_end_is_not_waited_for() {
    let scene = Scene::new([blob::output()]).await;
    scene.plane.state().blob_url = endless().await;
    let report = scene.one(SmokeSpec::default()).await;
    assert_eq!(
        detail(&report),
        "fetch the result of `smoke` of app `a-one-v1`: it is larger than 104857600 bytes"
    );
}
