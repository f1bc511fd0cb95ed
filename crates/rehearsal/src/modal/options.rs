use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use registry_model::Environment;

use super::{ClientPackages, Token};

/// How the embedded control plane behaves.
#[derive(Clone, Debug)]
pub struct ModalOptions {
    /// Where it listens; default: a free port of 127.0.0.1.
    pub listen: SocketAddr,
    /// Environments that are there from the start; default: none. The first is the default one.
    pub environments: Vec<Environment>,
    /// The one token that is let in; default: any.
    pub token: Option<Token>,
    /// Whether every request but `AuthTokenGet` must carry the token that this gives, too;
    /// default: no.
    pub auth_token: bool,
    /// The name of the workspace; default `rehearsal`.
    pub workspace: String,
    /// Whether building an image asks the Docker engine for the image of `FROM`, so that a deploy
    /// of something that is not there fails as it would on Modal; default: no.
    pub pull_check: bool,
    /// The client packages that containers get; default: looked for when it starts.
    pub client_packages: Option<ClientPackages>,
    /// How many containers run at once; default: 4.
    pub parallel: usize,
    /// How long each request waits before it is answered, as if Modal were that far away;
    /// default: not at all.
    pub latency: Duration,
    /// How long after each deploy the containers of the version before go on answering calls that
    /// are pinned to none; default: not at all.
    pub old_containers: Duration,
    /// What every call returns at once, for those who have no container engine or measure
    /// something else; default: a container computes it.
    pub reply: Option<serde_json::Value>,
}

impl Default for ModalOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            environments: Vec::new(),
            token: None,
            auth_token: false,
            workspace: "rehearsal".to_owned(),
            pull_check: false,
            client_packages: None,
            parallel: 4,
            latency: Duration::ZERO,
            old_containers: Duration::ZERO,
            reply: None,
        }
    }
}
