//! Lists the environments of a workspace, and calls a deployed function in one of them.
//!
//! ```text
//! cargo run --example call -- dev my-app my-function '{"mode": "mock"}'
//! ```
//!
//! The token is the one that the program `modal` would use: `MODAL_TOKEN_ID` and
//! `MODAL_TOKEN_SECRET`, or the active profile of `~/.modal.toml`.

use std::error::Error;
use std::io::Write;
use std::time::Duration;

use modal_deploy::client::{Call, Client, ClientOptions};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options = ClientOptions::from_env()?;
    run(options, &arguments, &mut std::io::stdout().lock()).await
}

pub(crate) async fn run(
    options: ClientOptions,
    arguments: &[String],
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let client = Client::connect(options)?;
    if let Some(token) = client.token_info().await? {
        writeln!(out, "workspace {}", token.workspace)?;
    }
    for environment in client.environments().await? {
        writeln!(out, "environment {}", environment.name)?;
    }
    let [environment, app, function, payload] = arguments else {
        return Err("usage: call ENVIRONMENT APP FUNCTION JSON".into());
    };
    let environment = environment.parse()?;
    let Some(live) = client.app(&environment, app).await? else {
        return Err(format!("no app `{app}` is deployed in `{environment}`").into());
    };
    let call = Call {
        environment: &environment,
        app,
        function,
        // The version that is live now: containers of an older one cannot answer.
        version: live.version,
        payload: serde_json::from_str(payload)?,
        timeout: Duration::from_secs(300),
    };
    let cancel = CancellationToken::new();
    let on_interrupt = cancel.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            on_interrupt.cancel();
        }
    });
    let reply = client.call(&call, &cancel).await?;
    match reply.envelope() {
        Some(envelope) => writeln!(out, "{envelope:#}")?,
        None => writeln!(out, "{:?}", reply.value)?,
    }
    Ok(())
}
