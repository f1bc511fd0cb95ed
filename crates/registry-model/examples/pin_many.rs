//! Sets the pin of every registry file below a folder, and says how long it took.
//!
//! `cargo run --release -p registry-model --example pin_many -- DIR sha256:<64 hex> [--platform linux/arm64]`
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks to a person"
)]

use std::process::ExitCode;
use std::time::Instant;

use registry_model::{Digest, PinPlace, PinRequest, PinnedImage, SetOutcome, set_files};
use walkdir::WalkDir;

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let usage = "usage: pin_many DIR sha256:<64 hex> [--platform linux/arm64]";
    let folder = args.next().ok_or(usage)?;
    let digest: Digest = args.next().ok_or(usage)?.parse()?;
    let place = match args.next().as_deref() {
        None => PinPlace::Oci,
        Some("--platform") => PinPlace::Platform(args.next().ok_or(usage)?.parse()?),
        Some(_) => return Err(usage.into()),
    };
    let image = PinnedImage {
        repository: "ghcr.io/example/processors/image".parse()?,
        digest,
    };

    let start = Instant::now();
    let mut requests = Vec::new();
    for entry in WalkDir::new(folder) {
        let file = entry?.into_path();
        if file
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let (place, image) = (place.clone(), image.clone());
            requests.push(PinRequest { file, place, image });
        }
    }
    let results = set_files(&requests);
    let seconds = start.elapsed().as_secs_f64();

    let count = |outcome| {
        let same =
            |result: &&Result<SetOutcome, _>| matches!(result, Ok(found) if *found == outcome);
        results.iter().filter(same).count()
    };
    let (written, already) = (count(SetOutcome::Written), count(SetOutcome::AlreadySo));
    let refused: Vec<_> = results
        .iter()
        .filter_map(|result| result.as_ref().err())
        .collect();
    refused
        .iter()
        .take(5)
        .for_each(|error| eprintln!("{error}"));
    println!(
        "{} files in {seconds:.3} s: {written} written, {already} already so, {} refused",
        results.len(),
        refused.len(),
    );
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
