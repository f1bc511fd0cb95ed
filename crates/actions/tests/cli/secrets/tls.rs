use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::{World, discreet};

/// Takes TLS off before a server that has none. It ends with the test.
struct Front {
    url: String,
    certificate: String,
}

impl Front {
    async fn before(server: SocketAddr) -> Self {
        let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        let config = config.with_no_client_auth();
        let chain = vec![own.cert.der().clone()];
        let mut config = config.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // Who does not trust us hangs up.
                    let Ok(mut client) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut server = TcpStream::connect(server).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self {
            url: format!("https://localhost:{port}"),
            certificate: own.cert.pem(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_tls_must_be_one_that_the_system_trusts() {
    let world = World::new().await;
    let address = world.modal.url().replace("http://", "").parse().unwrap();
    let front = Front::before(address).await;
    let trusted: PathBuf = world.bench.path("trusted.pem");
    std::fs::write(&trusted, &front.certificate).unwrap();
    let run = || {
        let run = world.with_values("--env dev");
        run.env("MODAL_SERVER_URL", &front.url)
    };
    let refused = run().go().await.ended(14).one_error();
    discreet(refused).says(&["certificate"]);
    assert!(world.stored().await.is_empty());

    run().env("SSL_CERT_FILE", &trusted).go().await.ok();
    assert!(!world.stored().await.is_empty());
    world.stop().await;
}
