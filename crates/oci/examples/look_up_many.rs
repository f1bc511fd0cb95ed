//! Looks up one tag in many repositories, all at once and then one after another, and prints how
//! long each took as a line of JSON. Each of the two begins without a connection.
//!
//! `cargo run --release -p oci --example look_up_many -- HOST PREFIX COUNT`
//!
//! The references are `HOST/PREFIX0:latest` to `HOST/PREFIX<COUNT-1>:latest`; they need not exist.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks to a person"
)]

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use futures_util::future::try_join_all;
use oci::{Client, ClientOptions, OciError};
use registry_model::Repository;

const TAG: &str = "latest";

async fn run() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let usage = "usage: look_up_many HOST PREFIX COUNT";
    let (host, prefix) = (args.next().ok_or(usage)?, args.next().ok_or(usage)?);
    let count: usize = args.next().ok_or(usage)?.parse()?;
    let repositories: Vec<Repository> = (0..count)
        .map(|number| format!("{host}/{prefix}{number}").parse())
        .collect::<Result<_, _>>()?;

    let begun = Instant::now();
    let client = Client::new(ClientOptions::default())?;
    let all = repositories.iter().map(|it| client.resolve(it, TAG));
    let concurrent_found = try_join_all(all).await?;
    let concurrent = begun.elapsed().as_secs_f64();

    let begun = Instant::now();
    let client = Client::new(ClientOptions::default())?;
    let mut sequential_found = Vec::new();
    for repository in &repositories {
        sequential_found.push(client.resolve(repository, TAG).await?);
    }
    let sequential = begun.elapsed().as_secs_f64();

    if concurrent_found != sequential_found {
        return Err("the answers differ".into());
    }
    let found = concurrent_found.iter().flatten().count();
    println!(
        r#"{{"look-ups":{count},"found":{found},"concurrent-seconds":{concurrent:.4},"sequential-seconds":{sequential:.4}}}"#
    );
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            if let Some(hint) = error.downcast_ref::<OciError>().and_then(OciError::hint) {
                eprintln!("hint: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}
