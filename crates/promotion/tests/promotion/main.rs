//! Plans and rules as tables, and runs against the embedded GitHub.

#![expect(clippy::unwrap_used, reason = "helpers of a test may stop it")]

mod gate;
mod github;
mod plan;
mod receipts;
mod world;

use ::github::CommitSha;
use promotion::{Processor, Standing};
use registry_model::{Environment, Pin, PinPlace, PinState, PinnedImage};

pub(crate) fn environment(name: &str) -> Environment {
    name.parse().unwrap()
}

pub(crate) fn commit(digit: char) -> CommitSha {
    digit.to_string().repeat(40).parse().unwrap()
}

pub(crate) fn image(digit: char) -> PinnedImage {
    format!("ghcr.io/acme/app@sha256:{}", digit.to_string().repeat(64))
        .parse()
        .unwrap()
}

/// A pin: a digit for its digest, `-` for pending.
pub(crate) fn pin(place: PinPlace, what: char) -> Pin {
    let state = match what {
        '-' => PinState::Pending { found: None },
        digit => PinState::Pinned(image(digit)),
    };
    Pin { place, state }
}

pub(crate) fn processor(reference: &str, what: char) -> Processor {
    Processor {
        reference: reference.parse().unwrap(),
        file: format!("registry/{}.yaml", reference.replace(['/', '@'], "-")).into(),
        pins: vec![pin(PinPlace::Oci, what)],
    }
}

pub(crate) fn standing(name: &str, at: char, processors: Vec<Processor>) -> Standing {
    Standing {
        environment: environment(name),
        commit: commit(at),
        processors,
    }
}
