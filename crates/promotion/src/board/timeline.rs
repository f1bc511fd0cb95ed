//! What happened to the pins, told as promotions and rollbacks.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use registry_model::{Digest, PinnedImage, Repository};

use super::assemble::image;
use super::inputs::{Inputs, PinChange, Place};
use super::{Board, Event, EventKind, EventMove};

/// Events that are told, the newest.
const MOST_EVENTS: usize = 500;
/// Moves of all of them: more than one of each of a thousand processors in three environments.
const MOST_MOVES: usize = 5_000;

/// Fills the timeline of a board.
pub(super) fn tell(inputs: &Inputs, board: &mut Board) {
    let names = Names::of(&inputs.places);
    let places = inputs.places.iter().enumerate();
    let mut commits: Vec<Commit> = places
        .flat_map(|(index, place)| commits(index, place, &names))
        .collect();
    // The oldest first. What comes to several branches at once comes to the first of them first.
    commits.sort_by_key(|one| (one.changes[0].at, one.place, std::cmp::Reverse(one.age)));
    let mut had: Vec<BTreeSet<&Digest>> = vec![BTreeSet::new(); inputs.places.len()];
    let mut events = Vec::new();
    for commit in &commits {
        if let Some(kind) = commit.kind(&had) {
            events.push((commit, kind));
        }
        had[commit.place].extend(commit.digests());
    }
    let mut moves = 0;
    let told = events
        .iter()
        .rev()
        .take(MOST_EVENTS)
        .map(|(commit, kind)| Event {
            at: commit.changes[0].at,
            environment: inputs.places[commit.place].standing.environment.clone(),
            kind: *kind,
            moves: commit
                .changes
                .iter()
                .flat_map(|it| names.moves(it, &commit.kept))
                .collect(),
            commit: commit.changes[0].commit.clone(),
            title: commit.changes[0].title.clone(),
            by: commit.changes[0].author.clone(),
        });
    let told = told.take_while(|event| {
        moves += event.moves.len();
        moves <= MOST_MOVES
    });
    board.timeline = told.collect();
    let left = events.len() - board.timeline.len();
    if left > 0 {
        board
            .notices
            .push(format!("{left} earlier changes of pins are not told here"));
    }
    for place in inputs.places.iter().filter(|place| place.past.is_cut) {
        let environment = &place.standing.environment;
        board.notices.push(format!(
            "the history of `{environment}` is cut off in this clone: what happened before is not \
             told"
        ));
    }
}

/// The changes of one commit in one environment.
struct Commit<'a> {
    /// The number of the environment.
    place: usize,
    /// How many commits of the environment came after it.
    age: usize,
    /// Never empty.
    changes: Vec<&'a PinChange>,
    /// What only moved from one file to another.
    kept: BTreeSet<&'a PinnedImage>,
}

fn commits<'a>(
    index: usize,
    place: &'a Place,
    names: &Names<'_>,
) -> impl Iterator<Item = Commit<'a>> {
    let changes = place.past.changes.iter().filter(|it| names.knows(it));
    let changes: Vec<&PinChange> = changes.collect();
    let commits = changes.chunk_by(|one, other| one.commit == other.commit);
    let commits = commits.enumerate().map(|(age, changes)| {
        let removed = changes.iter().flat_map(|change| &change.removed);
        let removed: BTreeSet<&PinnedImage> = removed.collect();
        let added = changes.iter().flat_map(|change| &change.added);
        Commit {
            place: index,
            age,
            kept: added.filter(|image| removed.contains(image)).collect(),
            changes: changes.to_vec(),
        }
    });
    commits.collect::<Vec<_>>().into_iter()
}

impl<'a> Commit<'a> {
    fn digests(&self) -> impl Iterator<Item = &'a Digest> {
        let changes = self.changes.iter();
        let images = changes.flat_map(|change| change.removed.iter().chain(&change.added));
        images.map(|image| &image.digest)
    }

    /// None for one that only takes pins away.
    fn kind(&self, had: &[BTreeSet<&Digest>]) -> Option<EventKind> {
        let added = self.changes.iter().flat_map(|change| &change.added);
        let mut added = added.filter(|image| !self.kept.contains(image)).peekable();
        added.peek()?;
        let added: Vec<&Digest> = added.map(|image| &image.digest).collect();
        let all = |place: usize| added.iter().all(|digest| had[place].contains(digest));
        Some(match self.place {
            here if all(here) => EventKind::RolledBack,
            here if here > 0 && all(here - 1) => EventKind::Promoted,
            _ => EventKind::Pinned,
        })
    }
}

/// Which processors the images of a file are of, as far as they are there now.
struct Names<'a> {
    files: HashMap<&'a Path, BTreeMap<String, BTreeSet<&'a Repository>>>,
    repositories: HashSet<&'a Repository>,
}

impl<'a> Names<'a> {
    fn of(places: &'a [Place]) -> Self {
        let mut files: HashMap<&Path, BTreeMap<String, BTreeSet<&Repository>>> = HashMap::new();
        for processor in places.iter().flat_map(|place| &place.standing.processors) {
            let names = files.entry(&processor.file).or_default();
            let repositories = names.entry(processor.reference.to_string()).or_default();
            let images = processor.pins.iter().filter_map(image);
            repositories.extend(images.map(|image| &image.repository));
        }
        let repositories = files.values().flat_map(BTreeMap::values).flatten();
        Self {
            repositories: repositories.copied().collect(),
            files,
        }
    }

    /// Whether it may be about a processor that is told of: other files have images by digest, too.
    fn knows(&self, change: &PinChange) -> bool {
        let mut images = change.removed.iter().chain(&change.added);
        self.files.contains_key(change.file.as_path())
            || images.any(|image| self.repositories.contains(&image.repository))
    }

    /// The processor; the file where several share it and the repository does not tell them apart.
    fn name(&self, file: &Path, image: &PinnedImage) -> String {
        let names = self.files.get(file);
        let mut fitting: Vec<&String> = names
            .iter()
            .flat_map(|names| *names)
            .filter(|(_, repositories)| repositories.contains(&image.repository))
            .map(|(name, _)| name)
            .collect();
        if let Some(names) = names
            && names.len() == 1
        {
            fitting = names.keys().collect();
        }
        match fitting[..] {
            [one] => one.clone(),
            _ => file.to_string_lossy().into_owned(),
        }
    }

    /// What each processor of a file had and got, in the order of the file.
    fn moves(&self, change: &PinChange, kept: &BTreeSet<&PinnedImage>) -> Vec<EventMove> {
        let mut moves: BTreeMap<String, [Vec<&Digest>; 2]> = BTreeMap::new();
        for (side, images) in [&change.removed, &change.added].into_iter().enumerate() {
            for image in images.iter().filter(|image| !kept.contains(image)) {
                let name = self.name(&change.file, image);
                moves.entry(name).or_default()[side].push(&image.digest);
            }
        }
        let pairs = moves.into_iter().flat_map(|(name, [old, new])| {
            (0..old.len().max(new.len())).map(move |index| EventMove {
                name: name.clone(),
                old: old.get(index).copied().cloned(),
                new: new.get(index).copied().cloned(),
            })
        });
        pairs.collect()
    }
}
