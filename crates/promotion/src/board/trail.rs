//! How far an image has come, from what is at hand. What is not at hand is unknown.

use std::collections::BTreeMap;
use std::fmt;

use receipts::statement::{Kind, Outcome, Receipt};
use receipts::verify::{self, Requirement, Verdict};
use registry_model::{Digest, Environment, PinPlace, PinnedImage, Platform, ProcessorRef};

use super::{Board, Cell, Live, ProofState, Row};
use crate::Standing;

/// How far one image has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trail {
    /// The processor.
    pub reference: ProcessorRef,
    /// The platform, when the processor has an image for each.
    pub platform: Option<Platform>,
    /// The image; none when it is still to be built.
    pub digest: Option<Digest>,
    /// Whether it was built.
    pub built: Stop,
    /// Whether it was accepted.
    pub accepted: Stop,
    /// Whether it is in each of the environments of the summary, in their order.
    pub places: Vec<Stop>,
}

/// One thing that an image goes through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// How it stands.
    pub mark: Mark,
    /// What else there is to say; of what is no plain text, only the letters are shown.
    pub note: String,
}

/// How an image stands with one thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// It went well.
    Yes,
    /// It is there, and nobody knows that it went well.
    Here,
    /// It failed.
    No,
    /// It has not come here.
    NotYet,
    /// Nobody asked.
    #[default]
    Unknown,
}

impl Mark {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Here => "here",
            Self::No => "no",
            Self::NotYet => "later",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yes => "✓",
            Self::Here => "●",
            Self::No => "✗",
            Self::NotYet => "–",
            Self::Unknown => "?",
        })
    }
}

impl Stop {
    /// A stop with something to say.
    pub fn new(mark: Mark, note: impl Into<String>) -> Self {
        Self {
            mark,
            note: note.into(),
        }
    }
}

impl Trail {
    pub(super) fn name(&self) -> String {
        match &self.platform {
            Some(platform) => format!("{} ({platform})", self.reference),
            None => self.reference.to_string(),
        }
    }

    pub(super) fn digest(&self) -> &str {
        self.digest.as_ref().map_or("no digest yet", Digest::short)
    }

    /// Everything in its order, with what it is called.
    pub(super) fn stops<'a>(
        &'a self,
        environments: &'a [Environment],
    ) -> impl Iterator<Item = (&'a str, &'a Stop)> {
        let names = environments.iter().map(Environment::as_str);
        let stages = [("built", &self.built), ("accepted", &self.accepted)];
        stages.into_iter().chain(names.zip(&self.places))
    }
}

/// What a stage could look up.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Each environment with what its branch pins, if that could be read.
    pub places: Vec<(Environment, Option<Standing>)>,
    /// What lies beside images, judged; one that is not here was not asked about.
    pub judged: BTreeMap<PinnedImage, Vec<Verdict>>,
}

impl Seen {
    /// The trail of an image; none is one that is still to be built.
    #[must_use]
    pub fn trail(
        &self,
        reference: &ProcessorRef,
        platform: Option<&Platform>,
        image: Option<&PinnedImage>,
    ) -> Trail {
        let judged = image.and_then(|image| self.judged.get(image));
        let judged = judged.map(Vec::as_slice);
        let pin = match platform {
            Some(platform) => PinPlace::Platform(platform.clone()),
            None => PinPlace::Oci,
        };
        // A stage that has one image of each processor has the one that Modal runs.
        let usual = match platform {
            Some(_) => None,
            None => Some(PinPlace::Platform(Platform::linux_amd64())),
        };
        let places = self.places.iter().map(|(environment, standing)| {
            let Some(standing) = standing else {
                return Stop::new(Mark::Unknown, "no such branch here");
            };
            let pinned = standing.image(reference, &pin);
            let pinned = pinned.or_else(|| standing.image(reference, usual.as_ref()?));
            match (pinned, image) {
                (None, _) => Stop::new(Mark::NotYet, "pins nothing"),
                (Some(pinned), Some(image)) if pinned.digest == image.digest => {
                    deployed(judged, environment)
                }
                (Some(other), _) => Stop::new(Mark::NotYet, has(&other.digest)),
            }
        });
        Trail {
            reference: reference.clone(),
            platform: platform.cloned(),
            digest: image.map(|image| image.digest.clone()),
            built: match image {
                Some(_) => Stop::new(Mark::Yes, ""),
                None => Stop::new(Mark::NotYet, "to build"),
            },
            accepted: match image {
                Some(_) => accepted(judged),
                None => Stop::new(Mark::NotYet, ""),
            },
            places: places.collect(),
        }
    }
}

fn has(digest: &Digest) -> String {
    format!("has {}", digest.short())
}

fn accepted(judged: Option<&[Verdict]>) -> Stop {
    let Some(verdicts) = judged else {
        return Stop::default();
    };
    let acceptance = Requirement {
        kind: Kind::Acceptance,
        environment: None,
    };
    match verify::standing(verdicts, &acceptance) {
        verify::Standing::Passed(_) => Stop::new(Mark::Yes, ""),
        verify::Standing::Failed(_) => Stop::new(Mark::No, ""),
        verify::Standing::Refused(_) => Stop::new(Mark::No, "receipt refused"),
        verify::Standing::Missing => Stop::new(Mark::NotYet, ""),
    }
}

/// Of an image that the environment pins.
fn deployed(judged: Option<&[Verdict]>, environment: &Environment) -> Stop {
    let deployment = Requirement {
        kind: Kind::Deployment,
        environment: Some(environment.clone()),
    };
    let Some(verdicts) = judged else {
        return Stop::new(Mark::Here, "pinned, deployed?");
    };
    match verify::standing(verdicts, &deployment) {
        verify::Standing::Passed(_) => Stop::new(Mark::Yes, "pinned, deployed"),
        verify::Standing::Failed(verdict)
            if verdict.believed().and_then(Receipt::outcome) == Some(Outcome::Passed) =>
        {
            Stop::new(Mark::Here, "pinned, not called")
        }
        verify::Standing::Failed(_) => Stop::new(Mark::No, "deployment failed"),
        verify::Standing::Refused(_) => Stop::new(Mark::Here, "pinned, receipt refused"),
        verify::Standing::Missing => Stop::new(Mark::Here, "pinned"),
    }
}

impl Board {
    /// How far the image has come that the first environment pins, for each row.
    #[must_use]
    pub fn trails(&self) -> Vec<Trail> {
        self.processors.iter().map(trail).collect()
    }
}

fn trail(row: &Row) -> Trail {
    let newest = row.cells.iter().find(|cell| cell.pinned.is_some());
    let digest = newest.and_then(|cell| cell.pinned.as_ref());
    let digest = digest.map(|image| image.digest.clone());
    let acceptance = newest.and_then(|cell| {
        let kind = Kind::Acceptance.to_string();
        cell.proofs.iter().find(|proof| proof.requirement == kind)
    });
    Trail {
        reference: row.reference.clone(),
        platform: row.platform.clone(),
        built: match digest {
            Some(_) => Stop::new(Mark::Yes, ""),
            None => Stop::new(Mark::NotYet, ""),
        },
        accepted: Stop::new(
            match acceptance.map(|proof| proof.state) {
                _ if digest.is_none() => Mark::NotYet,
                Some(ProofState::Passed) => Mark::Yes,
                Some(ProofState::Failed | ProofState::Refused) => Mark::No,
                Some(ProofState::Missing) => Mark::NotYet,
                Some(ProofState::Unknown) | None => Mark::Unknown,
            },
            "",
        ),
        places: row
            .cells
            .iter()
            .map(|cell| stop(cell, digest.as_ref()))
            .collect(),
        digest,
    }
}

fn stop(cell: &Cell, digest: Option<&Digest>) -> Stop {
    let Some(pinned) = &cell.pinned else {
        return Stop::new(Mark::NotYet, "pins nothing");
    };
    if Some(&pinned.digest) != digest {
        return Stop::new(Mark::NotYet, has(&pinned.digest));
    }
    if let Some(drift) = cell.drift.first() {
        return Stop::new(Mark::No, drift);
    }
    match &cell.live {
        _ if cell.held.is_some() => Stop::new(Mark::Here, "pinned, held at another"),
        Live::Version {
            version: Some(version),
            ..
        } => Stop::new(Mark::Yes, format!("pinned, live v{version}")),
        Live::Version { .. } => Stop::new(Mark::Yes, "pinned, live"),
        Live::Nothing => Stop::new(Mark::Here, "pinned, not live"),
        Live::Unknown => Stop::new(Mark::Here, "pinned, live?"),
    }
}

#[cfg(test)]
mod tests {
    use receipts::dsse::Envelope;
    use receipts::statement::{Acceptance, Deployment, Facts, Predicate, Smoke};
    use receipts::store::{Found, Source};
    use receipts::verify::Policy;
    use registry_model::{Pin, PinState};

    use super::*;
    use crate::Processor;

    fn image(digit: char) -> PinnedImage {
        let hex = String::from(digit).repeat(64);
        format!("ghcr.io/acme/upper@sha256:{hex}").parse().unwrap()
    }

    fn standing(environment: &str, digit: char) -> (Environment, Option<Standing>) {
        let environment: Environment = environment.parse().unwrap();
        let standing = Standing {
            environment: environment.clone(),
            commit: "a".repeat(40).parse().unwrap(),
            processors: vec![Processor {
                reference: "text/upper@1".parse().unwrap(),
                file: "upper.yaml".into(),
                pins: vec![Pin {
                    place: PinPlace::Oci,
                    state: PinState::Pinned(image(digit)),
                }],
            }],
        };
        (environment, Some(standing))
    }

    fn judged(image: &PinnedImage, deployed: &[(&str, Outcome, Smoke)]) -> Vec<Verdict> {
        let about = |environment: Option<&str>, predicate| {
            let facts = Facts {
                environment: environment.map(|it| it.parse().unwrap()),
                ..Facts::default()
            };
            let receipt = Receipt::about(image, facts, predicate);
            Found {
                place: image.clone(),
                image: image.clone(),
                source: Source::Referrer,
                promised: None,
                content: Ok(Envelope::seal(&receipt, None)),
            }
        };
        let accepted = Predicate::Acceptance(Acceptance {
            outcome: Outcome::Passed,
            suite: "suite".into(),
            inputs: None,
            report: None,
            passed: vec![],
            warned: vec![],
            failed: vec![],
        });
        let deployed = deployed.iter().map(|(environment, outcome, smoke)| {
            let predicate = Predicate::Deployment(Deployment {
                outcome: *outcome,
                app: "upper".into(),
                version: None,
                smoke: *smoke,
            });
            about(Some(environment), predicate)
        });
        let found: Vec<Found> = deployed.chain([about(None, accepted)]).collect();
        Policy::default().judge(&found, jiff::Timestamp::UNIX_EPOCH)
    }

    fn told(seen: &Seen, image: Option<&PinnedImage>) -> String {
        let trail = seen.trail(&"text/upper@1".parse().unwrap(), None, image);
        let stops = [&trail.built, &trail.accepted]
            .into_iter()
            .chain(&trail.places);
        let stops = stops.map(|stop| format!("{} {}", stop.mark, stop.note).trim_end().to_owned());
        stops.collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn a_stage_with_one_image_of_each_has_the_one_that_runs() {
        let (name, mut pinned) = standing("dev", '2');
        let pin = |arch: &str, digit| Pin {
            place: PinPlace::Platform(format!("linux/{arch}").parse().unwrap()),
            state: PinState::Pinned(image(digit)),
        };
        pinned.as_mut().unwrap().processors[0].pins = vec![pin("amd64", '2'), pin("arm64", '1')];
        let seen = Seen {
            places: vec![(name, pinned)],
            judged: BTreeMap::new(),
        };
        insta::assert_snapshot!(told(&seen, Some(&image('2'))), @"✓ | ? | ● pinned, deployed?");
        insta::assert_snapshot!(told(&seen, Some(&image('1'))), @"✓ | ? | – has 222222222222");
    }

    #[test]
    fn a_trail_says_what_was_looked_up_and_no_more() {
        let mut seen = Seen {
            places: vec![
                standing("dev", '2'),
                standing("staging", '2'),
                standing("eu", '2'),
                standing("main", '1'),
                ("elsewhere".parse().unwrap(), None),
            ],
            judged: BTreeMap::new(),
        };
        insta::assert_snapshot!(told(&seen, Some(&image('2'))), @"✓ | ? | ● pinned, deployed? | ● pinned, deployed? | ● pinned, deployed? | – has 111111111111 | ? no such branch here");
        insta::assert_snapshot!(told(&seen, None), @"– to build | – | – has 222222222222 | – has 222222222222 | – has 222222222222 | – has 111111111111 | ? no such branch here");
        let deployed = [
            ("dev", Outcome::Passed, Smoke::Passed),
            ("staging", Outcome::Passed, Smoke::Skipped),
            ("eu", Outcome::Failed, Smoke::Failed),
        ];
        let verdicts = judged(&image('2'), &deployed);
        seen.judged.insert(image('2'), verdicts);
        seen.judged.insert(image('1'), Vec::new());
        insta::assert_snapshot!(told(&seen, Some(&image('2'))), @"✓ | ✓ | ✓ pinned, deployed | ● pinned, not called | ✗ deployment failed | – has 111111111111 | ? no such branch here");
        insta::assert_snapshot!(told(&seen, Some(&image('1'))), @"✓ | – | – has 222222222222 | – has 222222222222 | – has 222222222222 | ● pinned | ? no such branch here");
    }
}
