//! The board from what is known. Asks nobody.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use receipts::verify::Verdict;
use registry_model::{Digest, Pin, PinPlace, PinState, PinnedImage, Platform, ProcessorRef};

use super::inputs::{Inputs, Past, PinChange, Place};
use super::{Board, Cell, Live, Proof, Row, story, timeline};
use crate::gate::{Evidence, gate};
use crate::plan::plan;

/// Puts everything together. What nobody was asked about is unknown there, and never fine.
#[must_use]
pub fn assemble(inputs: &Inputs) -> Board {
    let mut board = Board {
        schema: 1,
        made_at: inputs.made_at,
        title: inputs.title.clone(),
        url: inputs.url.clone(),
        environments: inputs
            .places
            .iter()
            .map(|place| place.standing.environment.clone())
            .collect(),
        strays: inputs.strays.clone(),
        notices: inputs.notices.clone(),
        ..Board::default()
    };
    let columns: Vec<Column> = inputs
        .places
        .iter()
        .enumerate()
        .map(|(index, place)| Column::of(place, why_not(inputs, index, &mut board.notices)))
        .collect();
    let rows: BTreeSet<Key> = columns
        .iter()
        .flat_map(|column| column.pins.keys().cloned())
        .collect();
    board.processors = rows
        .into_iter()
        .map(|key| Row {
            cells: columns
                .iter()
                .map(|column| column.cell(&key, inputs))
                .collect(),
            reference: key.0.clone(),
            platform: platform(&key.1).cloned(),
        })
        .collect();
    timeline::tell(inputs, &mut board);
    story::tell(inputs, &mut board);
    board
}

/// What a row is about.
type Key = (ProcessorRef, PinPlace);

fn platform(place: &PinPlace) -> Option<&Platform> {
    match place {
        PinPlace::Oci => None,
        PinPlace::Platform(platform) => Some(platform),
    }
}

/// One environment, ready to be asked about each processor.
struct Column<'a> {
    place: &'a Place,
    /// With the file, for each pin, pending ones too.
    pins: BTreeMap<Key, (Option<&'a PinnedImage>, &'a Path)>,
    /// The latest change that brought an image to a file.
    brought: HashMap<(&'a Digest, &'a Path), &'a PinChange>,
    why_not: HashMap<ProcessorRef, Vec<String>>,
}

impl<'a> Column<'a> {
    fn of(place: &'a Place, why_not: HashMap<ProcessorRef, Vec<String>>) -> Self {
        let mut pins = BTreeMap::new();
        for processor in &place.standing.processors {
            let file = processor.file.as_path();
            let mut add = |place: &PinPlace, image| {
                let key = (processor.reference.clone(), place.clone());
                pins.insert(key, (image, file));
            };
            for pin in &processor.pins {
                add(&pin.place, image(pin));
            }
            if processor.pins.is_empty() {
                add(&PinPlace::Oci, None);
            }
        }
        Self {
            place,
            pins,
            brought: brought(&place.past),
            why_not,
        }
    }

    fn cell(&self, key: &Key, inputs: &Inputs) -> Cell {
        let Some((pinned, file)) = self.pins.get(key) else {
            return self.running(key);
        };
        let Some(image) = *pinned else {
            return Cell {
                why_not: vec!["not pinned yet".to_owned()],
                ..self.running(key)
            };
        };
        let brought = self.brought.get(&(&image.digest, *file));
        let judged = judged(inputs, self.place, image);
        let judged = judged.as_deref().map_err(String::as_str);
        let proofs = self.place.rules.prove(image, judged).into_iter();
        Cell {
            pinned: Some(image.clone()),
            pinned_at: brought.map(|change| change.at),
            commit: brought.map(|change| change.commit.clone()),
            proofs: proofs
                .map(|proof| Proof {
                    requirement: proof.requirement.to_string(),
                    state: proof.state,
                    why: proof.why,
                    at: proof.at,
                })
                .collect(),
            why_not: self.why_not.get(&key.0).cloned().unwrap_or_default(),
            ..self.running(key)
        }
    }

    /// A cell that only says what runs.
    fn running(&self, (reference, place): &Key) -> Cell {
        // Modal runs images for this platform only.
        let is_run = platform(place).is_none_or(|it| *it == Platform::linux_amd64());
        let asked = self.place.running.as_ref();
        let running = asked.and_then(|running| running.get(reference));
        match running.filter(|_| is_run) {
            Some(running) => Cell {
                live: running.live.clone(),
                held: running.held.clone(),
                drift: running.drift.clone(),
                ..Cell::default()
            },
            None => Cell {
                live: asked.map_or(Live::Unknown, |_| Live::Nothing),
                ..Cell::default()
            },
        }
    }
}

/// What lies beside an image. That nobody asked is not the same as that there is nothing.
fn judged(inputs: &Inputs, place: &Place, image: &PinnedImage) -> Result<Vec<Verdict>, String> {
    let judged = place.judged.get(image).or_else(|| inputs.judged.get(image));
    judged
        .cloned()
        .unwrap_or_else(|| Err("nobody asked the registry".to_owned()))
}

fn images(place: &Place) -> impl Iterator<Item = &PinnedImage> {
    let pins = place.standing.processors.iter().flat_map(|one| &one.pins);
    pins.filter_map(image)
}

pub(super) fn image(pin: &Pin) -> Option<&PinnedImage> {
    match &pin.state {
        PinState::Pinned(image) => Some(image),
        PinState::Pending { .. } => None,
    }
}

fn brought(past: &Past) -> HashMap<(&Digest, &Path), &PinChange> {
    let mut brought = HashMap::new();
    for change in &past.changes {
        for image in &change.added {
            let key = (&image.digest, change.file.as_path());
            brought.entry(key).or_insert(change);
        }
    }
    brought
}

/// Why each processor may not go from the environment at `index` to the next.
fn why_not(
    inputs: &Inputs,
    index: usize,
    notices: &mut Vec<String>,
) -> HashMap<ProcessorRef, Vec<String>> {
    let Some((from, to)) = inputs.places.get(index).zip(inputs.places.get(index + 1)) else {
        return HashMap::new();
    };
    if !from.is_followed {
        return HashMap::new();
    }
    let plan = match plan(&from.standing, &to.standing) {
        Ok(plan) => plan,
        Err(error) => {
            notices.push(format!("failed to {error}"));
            return HashMap::new();
        }
    };
    let running = to.running.iter().flatten();
    let held = running.filter_map(|(reference, it)| Some((reference.clone(), it.held.clone()?)));
    let evidence = Evidence {
        judged: images(from)
            .chain(images(to))
            .map(|image| (image.clone(), judged(inputs, from, image)))
            .collect(),
        foreign: foreign(from, to),
        held: held.collect(),
        ..Evidence::default()
    };
    let admissions = gate(&plan, &from.rules, &evidence).into_iter();
    admissions
        .map(|one| {
            let why = one.why_not.into_iter().map(|why| why.text);
            (one.reference, why.collect())
        })
        .collect()
}

/// What the target pins and the source never did. Nobody can tell where the history is cut off.
fn foreign(from: &Place, to: &Place) -> BTreeSet<Digest> {
    if from.past.is_cut {
        return BTreeSet::new();
    }
    let here: BTreeSet<&Digest> = images(from).map(|image| &image.digest).collect();
    let digests = images(to).map(|image| &image.digest);
    let known = |digest: &&Digest| here.contains(digest) || from.past.digests.contains(digest);
    digests.filter(|it| !known(it)).cloned().collect()
}
