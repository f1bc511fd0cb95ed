//! Boards of any size, the same each time: what a busy repository looks like.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use promotion::board::{
    Board, Cell, Event, EventKind, EventMove, ImageStory, Live, Proof, ProofState, ReceiptLine, Row,
};
use receipts::statement::Kind;
use registry_model::{Digest, Environment, PinnedImage};

const NAMESPACES: [&str; 6] = ["text", "image", "audio", "llm", "video", "search"];
const NAMES: [&str; 10] = [
    "summarize",
    "translate",
    "classify",
    "embed",
    "transcribe",
    "upscale",
    "caption",
    "rerank",
    "segment",
    "moderate",
];
const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "main"];
const REPOSITORY: &str = "https://github.com/acme/models";

/// How far the newest digest of a processor has come.
#[derive(Clone, Copy, PartialEq)]
enum Story {
    /// Everywhere.
    Whole,
    /// In `staging`, and it may go on.
    Ready,
    /// In `dev`, where its acceptance failed.
    Failed,
    /// In `dev`, and nobody tested it yet.
    Fresh,
    /// Everywhere, but something else runs in `main`.
    Drifted,
    /// A person brought an earlier one back in `main`.
    Held,
    /// Never built.
    Pending,
}

fn story(index: usize) -> Story {
    match index % 23 {
        2 | 13 => Story::Ready,
        4 => Story::Failed,
        7 | 18 => Story::Fresh,
        11 => Story::Drifted,
        16 => Story::Held,
        21 => Story::Pending,
        _ => Story::Whole,
    }
}

/// A board of so many processors in three environments, each of whose images has four receipts or
/// more.
pub(crate) fn board(processors: usize, made_at: Timestamp) -> Board {
    let mut sample = Sample {
        board: Board {
            schema: 1,
            made_at,
            title: "acme/models".to_owned(),
            url: Some(REPOSITORY.to_owned()),
            environments: ENVIRONMENTS.map(environment).to_vec(),
            processors: Vec::new(),
            images: std::collections::BTreeMap::new(),
            timeline: Vec::new(),
            strays: Vec::new(),
            notices: Vec::new(),
        },
    };
    for index in 0..processors {
        sample.processor(index);
    }
    sample
        .board
        .processors
        .sort_by(|a, b| a.reference.cmp(&b.reference));
    sample
        .board
        .timeline
        .sort_by_key(|event| std::cmp::Reverse(event.at));
    sample.board
}

pub(crate) fn environment(name: &str) -> Environment {
    name.parse().unwrap()
}

struct Sample {
    board: Board,
}

impl Sample {
    fn processor(&mut self, index: usize) {
        let name = format!("{}/{}", NAMESPACES[index % 6], NAMES[index / 6 % 10]);
        let number = index / 60 + 1;
        let reference = format!("{name}@{number}");
        let story = story(index);
        let (new, old) = (self.image(index, 1), self.image(index, 0));
        let mut cells: Vec<Cell> = (0..3)
            .map(|place| {
                let reached = match story {
                    Story::Whole | Story::Drifted => true,
                    Story::Ready => place < 2,
                    Story::Failed | Story::Fresh => place < 1,
                    Story::Held => place < 2,
                    Story::Pending => {
                        return Cell {
                            why_not: vec!["it is not built yet".to_owned()],
                            ..Cell::default()
                        };
                    }
                };
                self.cell(index, place, if reached { &new } else { &old })
            })
            .collect();
        match story {
            Story::Ready | Story::Whole => {}
            Story::Failed | Story::Fresh => {
                let (state, why) = if story == Story::Failed {
                    (
                        ProofState::Failed,
                        "the newest receipt of acceptance says that it failed",
                    )
                } else {
                    (ProofState::Missing, "no receipt of acceptance")
                };
                cells[0].proofs[0].state = state;
                cells[0].proofs[0].why = Some(why.to_owned());
                cells[0].why_not.push(why.to_owned());
                if story == Story::Fresh {
                    cells[0]
                        .why_not
                        .push("no receipt of a deployment in dev".to_owned());
                    cells[0].proofs[1].state = ProofState::Missing;
                    cells[0].live = Live::Nothing;
                }
            }
            Story::Drifted => {
                cells[2].live = live(old.digest.hex(), 6, self.ago(index, 70));
                cells[2]
                    .drift
                    .push("Modal runs another digest than is pinned".to_owned());
            }
            Story::Held => {
                cells[2].held = Some(old.digest.clone());
                cells[1]
                    .why_not
                    .push("a person holds it in main at an earlier digest".to_owned());
            }
            Story::Pending => {}
        }
        if story != Story::Pending {
            for (digest, reached) in [
                (&old, 3),
                (
                    &new,
                    if cells[2].pinned.as_ref() == Some(&new) {
                        3
                    } else if cells[1].pinned.as_ref() == Some(&new) {
                        2
                    } else {
                        1
                    },
                ),
            ] {
                self.story(
                    index,
                    digest,
                    reached,
                    story == Story::Failed && digest == &new,
                );
            }
            self.events(index, &reference, &old, &cells);
        }
        self.board.processors.push(Row {
            reference: reference.parse().unwrap(),
            platform: None,
            cells,
        });
    }

    fn cell(&self, index: usize, place: usize, image: &PinnedImage) -> Cell {
        let at = self.ago(index, 60 - place as i64 * 20);
        let next = if place < 2 {
            ENVIRONMENTS[place]
        } else {
            ENVIRONMENTS[1]
        };
        let proof = |requirement: String| Proof {
            requirement,
            state: ProofState::Passed,
            why: None,
            at: Some(at),
        };
        Cell {
            pinned: Some(image.clone()),
            pinned_at: Some(at),
            commit: Some(hex(&format!("commit {} {place}", index / 7), 40)),
            live: live(&image.digest.hex()[..16], index as u32 % 9 + 1, at),
            proofs: vec![
                proof("acceptance".to_owned()),
                proof(format!("deployment in {next}")),
            ],
            ..Cell::default()
        }
    }

    /// The receipts of an image that came to the first so many environments: three of each, and two
    /// for all.
    fn story(&mut self, index: usize, image: &PinnedImage, reached: usize, failed: bool) {
        let run = |step: usize| {
            Some(format!(
                "{REPOSITORY}/actions/runs/{}",
                17_000_000_000 + index * 977 + step
            ))
        };
        let line = |known: Kind, place: Option<usize>, step: i64, text: &str| ReceiptLine {
            kind: known.to_string(),
            known: Some(known),
            passed: Some(!(failed && known == Kind::Acceptance)),
            refused: None,
            environment: place.map(|place| environment(ENVIRONMENTS[place])),
            at: Some(self.ago(index, 64 - step)),
            by: Some("github-actions[bot]".to_owned()),
            run: run(step as usize),
            text: text.to_owned(),
        };
        let mut receipts = vec![
            line(Kind::Build, None, 0, "BuildKit 0.13, linux/amd64"),
            line(Kind::Acceptance, None, 1, "suite contract, 7 cases"),
            line(Kind::Acceptance, None, 2, "suite smoke, 41 tests"),
        ];
        for place in 0..reached {
            let step = 4 + place as i64 * 20;
            let version = format!("version {}, smoke passed", index % 9 + 1);
            receipts.push(line(Kind::Deployment, Some(place), step + 1, &version));
            if place > 0 {
                let says = format!("from {}", ENVIRONMENTS[place - 1]);
                receipts.push(line(Kind::Promotion, Some(place), step, &says));
            }
        }
        receipts.sort_by_key(|receipt| receipt.at);
        let story = ImageStory {
            repository: image.repository.to_string(),
            source_commit: Some(hex(&format!("source {image}"), 40)),
            receipts,
        };
        self.board.images.insert(image.digest.clone(), story);
    }

    /// Pins of one processor go with those of its neighbours.
    fn events(&mut self, index: usize, reference: &str, old: &PinnedImage, cells: &[Cell]) {
        for (place, cell) in cells.iter().enumerate() {
            let new = cell.pinned.as_ref().map(|image| image.digest.clone());
            let same = new.as_ref() == Some(&old.digest);
            let one = EventMove {
                name: reference.to_owned(),
                old: (!same).then(|| old.digest.clone()),
                new,
            };
            let commit = cell.commit.clone().unwrap();
            let known = self
                .board
                .timeline
                .iter_mut()
                .rev()
                .take(12)
                .find(|event| event.commit == commit);
            if let Some(event) = known {
                event.moves.push(one);
                continue;
            }
            let (kind, title) = match place {
                0 => (EventKind::Pinned, "Pin 7 images built from main".to_owned()),
                _ if same && story(index) == Story::Held => {
                    (EventKind::RolledBack, format!("Roll {reference} back"))
                }
                _ => (
                    EventKind::Promoted,
                    format!(
                        "Promote {} to {}",
                        ENVIRONMENTS[place - 1],
                        ENVIRONMENTS[place]
                    ),
                ),
            };
            self.board.timeline.push(Event {
                at: cell.pinned_at.unwrap(),
                environment: environment(ENVIRONMENTS[place]),
                kind,
                moves: vec![one],
                commit,
                title,
                by: if place == 0 {
                    "pipeline[bot]"
                } else {
                    "Mira Okafor"
                }
                .to_owned(),
            });
        }
    }

    fn image(&self, index: usize, generation: usize) -> PinnedImage {
        let repository = format!(
            "ghcr.io/acme/{}-{}",
            NAMESPACES[index % 6],
            NAMES[index / 6 % 10]
        );
        let digest = hex(&format!("image {index} {generation}"), 64);
        format!("{repository}@sha256:{digest}").parse().unwrap()
    }

    /// So many hours before, a few minutes earlier for each group of seven.
    fn ago(&self, index: usize, hours: i64) -> Timestamp {
        let minutes = hours * 60 + (index / 7 * 37 % 600) as i64;
        self.board.made_at - SignedDuration::from_mins(minutes)
    }
}

fn live(digest: &str, version: u32, at: Timestamp) -> Live {
    Live::Version {
        version: Some(version),
        digest: Some(digest.to_owned()),
        at: Some(at),
    }
}

/// So many digits that look like chance and are the same each time: FNV-1a, again and again.
fn hex(seed: &str, digits: usize) -> String {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    let mut text = String::new();
    let mut round = 0_u8;
    while text.len() < digits {
        for byte in seed.bytes().chain([round]) {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let _ = write!(text, "{:016x}", state.rotate_left(29) ^ state);
        round += 1;
    }
    text.truncate(digits);
    text
}

/// The digest that the sample gives the processor at `index`: its newest.
pub(crate) fn newest(index: usize) -> Digest {
    format!("sha256:{}", hex(&format!("image {index} 1"), 64))
        .parse()
        .unwrap()
}
