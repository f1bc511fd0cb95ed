use std::net::SocketAddr;

use modal_deploy::proto::modal_client_server::ModalClientServer;
use registry_model::Environment;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use super::engine::Engine;
use super::inspect::{self, Deployed};
use super::service::Service;
use super::traffic::{Counts, Far};
use super::{ClientPackages, ModalError, ModalOptions, token};

/// As large as Modal's clients take.
const LARGEST_MESSAGE: usize = 100 * 1024 * 1024;

/// A Modal control plane in this process: gRPC without TLS on one address, state in memory.
///
/// It ends with this value; [`stop`](Self::stop) also waits until its containers are gone.
pub struct EmbeddedModal {
    address: SocketAddr,
    service: Service,
    counts: Counts,
    ending: CancellationToken,
    server: Option<JoinHandle<()>>,
}

impl EmbeddedModal {
    /// Starts listening.
    ///
    /// A Python without Modal's client package is no error here: deploys work, and each call
    /// says what is missing.
    ///
    /// # Errors
    /// When the address cannot be used, or `cancel` is cancelled while it starts.
    pub async fn start(
        mut options: ModalOptions,
        cancel: &CancellationToken,
    ) -> Result<Self, ModalError> {
        if options.client_packages.is_none() && options.reply.is_none() {
            options.client_packages = match ClientPackages::discover(cancel).await {
                Ok(found) => Some(found),
                Err(error) if error.is_cancelled() => return Err(error),
                Err(error) => {
                    tracing::debug!(%error, hint = error.hint(), "calls will not be answered");
                    None
                }
            };
        }
        let asked = options.listen;
        let listen = |source| ModalError::Listen {
            address: asked,
            source,
        };
        let listener = TcpListener::bind(asked).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;

        let owner = uuid::Uuid::new_v4().simple().to_string();
        let token = options.token.clone();
        let (latency, auth_token) = (options.latency, options.auth_token);
        let environments = std::mem::take(&mut options.environments);
        let service = Service::new(options, &owner);
        for environment in &environments {
            let mut state = service.state();
            let now = state.now();
            // A name given twice is there once.
            let _ = state.environments.create(environment.as_str(), now);
        }
        let grpc = ModalClientServer::new(service.clone())
            .max_decoding_message_size(LARGEST_MESSAGE)
            .max_encoding_message_size(LARGEST_MESSAGE);
        let counts = Counts::default();
        let grpc = Far {
            service: InterceptedService::new(grpc, token::check(token)),
            latency,
            auth_token,
            counts: counts.clone(),
        };
        let ending = CancellationToken::new();
        let ended = ending.clone().cancelled_owned();
        // Else an answer in two parts waits 40 ms for the acknowledgement of the first.
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let server = tokio::spawn(async move {
            let serving = Server::builder()
                .add_service(grpc)
                .serve_with_incoming_shutdown(incoming, ended);
            if let Err(error) = serving.await {
                tracing::debug!(%error, "the Modal control plane ended");
            }
        });
        Ok(Self {
            address,
            service,
            counts,
            ending,
            server: Some(server),
        })
    }

    /// What `MODAL_SERVER_URL` must be, `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The names of the environments, in the order of their creation.
    #[must_use]
    pub fn environments(&self) -> Vec<String> {
        self.service.state().environments.names()
    }

    /// What is live as `app` in `environment`; `None` when nothing is.
    #[must_use]
    pub fn deployed(&self, environment: &Environment, app: &str) -> Option<Deployed> {
        inspect::deployed(&self.service.state(), environment.as_str(), app)
    }

    /// How many requests there were for a procedure, such as `SecretGetOrCreate`.
    #[must_use]
    pub fn count(&self, rpc: &str) -> usize {
        self.counts.of(rpc)
    }

    /// The value of the label `dev.pipeline.rehearsal` on the containers of this control plane.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.service.owner
    }

    /// Ends calls and connections, and removes every container that is left.
    pub async fn stop(mut self) {
        self.service.calls.stop().await;
        self.ending.cancel();
        if let Some(mut server) = self.server.take() {
            // A client may hold its connection open for as long as it likes.
            let grace = std::time::Duration::from_millis(500);
            if tokio::time::timeout(grace, &mut server).await.is_err() {
                server.abort();
            }
        }
        if self.service.calls.any()
            && let Ok(engine) = Engine::connect()
            && let Err(error) = engine.sweep(&self.service.owner).await
        {
            tracing::debug!(%error, "containers were not looked for");
        }
    }
}

impl Drop for EmbeddedModal {
    fn drop(&mut self) {
        self.service.calls.cancel_all();
        self.ending.cancel();
        if let Some(server) = self.server.take() {
            server.abort();
        }
    }
}
