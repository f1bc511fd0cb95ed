//! The native client: what of Modal's gRPC interface a deployment needs.

mod apps;
mod blob;
mod connection;
mod environments;
mod headers;
mod history;
mod invocation;
mod options;
mod poll;
mod profile;
mod queue;
mod retry;
mod secret_store;
mod token;
mod value;
mod workspace;

pub use apps::{AppState, LiveFunction};
pub use connection::Client;
pub use environments::EnvironmentInfo;
pub use history::{AppVersion, ListedApp};
pub use invocation::{Call, Reply};
pub use options::{ClientOptions, DEFAULT_SERVER_URL};
pub use secret_store::{KeyChange, StoredSecret};
pub(crate) use value::decode;
pub use workspace::TokenInfo;
