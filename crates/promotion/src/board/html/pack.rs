//! The board as the block of data of the page: short enough for a thousand processors.
//!
//! Lists instead of objects, each text once, digests as one line of digits, times as seconds before
//! the board was made. `0` stands for no text, no digest, no environment. The reader is
//! `assets/data.js`.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use receipts::statement::Kind;
use registry_model::{Digest, Environment};
use serde::Serialize;

use super::escape::plain;
use super::facts::{begins, gate, running};
use super::links;
use crate::board::{Board, Cell, Event, EventKind, ImageStory, Live, ProofState, ReceiptLine, Row};

/// How many reasons of one kind a cell shows; the report has them all.
const MOST_REASONS: usize = 8;

/// A text, a digest or an environment by its number, from 1; 0 for none.
type Number = usize;
/// Seconds before the board was made.
type Age = Option<i64>;

#[derive(Serialize)]
pub(super) struct Packed {
    title: String,
    /// To which a commit is added.
    commits: Option<String>,
    /// Seconds since 1970.
    made: i64,
    environments: Vec<String>,
    rows: Vec<PackedRow>,
    images: Vec<PackedImage>,
    events: Vec<PackedEvent>,
    strays: Vec<String>,
    notices: Vec<String>,
    texts: Vec<String>,
    /// 64 digits for each.
    digests: String,
}

#[derive(Serialize)]
struct PackedRow(String, Number, Vec<PackedCell>);

/// digest, repository, age, commit, gate, running, version, live digest, live digits, live age,
/// held, drift, proofs, why not
#[derive(Serialize)]
struct PackedCell(
    Number,
    Number,
    Age,
    Number,
    u8,
    u8,
    Option<u32>,
    Number,
    Number,
    Age,
    Number,
    Vec<Number>,
    Vec<PackedProof>,
    Vec<Number>,
);

/// requirement, state, why, age
#[derive(Serialize)]
struct PackedProof(Number, u8, Number, Age);

/// digest, repository, source commit, receipts
#[derive(Serialize)]
struct PackedImage(Number, Number, Number, Vec<PackedReceipt>);

/// kind, which of ours, outcome, refused, environment, age, by, run up to its last part, that part,
/// text
#[derive(Serialize)]
struct PackedReceipt(
    Number,
    u8,
    u8,
    Number,
    Number,
    Age,
    Number,
    Number,
    String,
    Number,
);

/// age, environment, kind, commit, title, by, moves
#[derive(Serialize)]
struct PackedEvent(i64, Number, u8, Number, Number, Number, Vec<PackedMove>);

/// name, old, new
#[derive(Serialize)]
struct PackedMove(Number, Number, Number);

/// Packs a board.
pub(super) fn pack(board: &Board) -> Packed {
    let mut packer = Packer {
        made: board.made_at.as_second(),
        environments: &board.environments,
        texts: HashMap::new(),
        digests: BTreeMap::new(),
        packed: Packed {
            title: plain(&board.title),
            commits: board.url.as_deref().and_then(links::commits),
            made: board.made_at.as_second(),
            environments: board.environments.iter().map(ToString::to_string).collect(),
            rows: Vec::new(),
            images: Vec::new(),
            events: Vec::new(),
            strays: board.strays.iter().map(|stray| plain(stray)).collect(),
            notices: board.notices.iter().map(|notice| plain(notice)).collect(),
            texts: Vec::new(),
            digests: String::new(),
        },
    };
    // First of all, so that a few digits can be told to be one of them.
    for digest in board.images.keys() {
        packer.digest(digest);
    }
    packer.packed.rows = board.processors.iter().map(|row| packer.row(row)).collect();
    packer.packed.images = board
        .images
        .iter()
        .map(|(digest, story)| packer.image(digest, story))
        .collect();
    packer.packed.events = board
        .timeline
        .iter()
        .map(|event| packer.event(event))
        .collect();
    packer.packed
}

struct Packer<'a> {
    made: i64,
    environments: &'a [Environment],
    texts: HashMap<String, Number>,
    digests: BTreeMap<Digest, Number>,
    packed: Packed,
}

impl Packer<'_> {
    fn row(&mut self, row: &Row) -> PackedRow {
        let platform = row.platform.as_ref().map(ToString::to_string);
        let cells = row.cells.iter().enumerate();
        let cells = cells.map(|(index, cell)| self.cell(cell, gate(row, index) as u8));
        let cells = cells.collect();
        PackedRow(
            row.reference.to_string(),
            self.maybe(platform.as_deref()),
            cells,
        )
    }

    fn cell(&mut self, cell: &Cell, gate: u8) -> PackedCell {
        let (version, live, digits, live_at) = self.live(cell);
        let image = cell.pinned.as_ref();
        let proof = |packer: &mut Self, proof: &crate::board::Proof| {
            let state = match proof.state {
                ProofState::Passed => 0,
                ProofState::Failed => 1,
                ProofState::Refused => 2,
                ProofState::Missing => 3,
                ProofState::Unknown => 4,
            };
            let (requirement, why) = (
                packer.text(&proof.requirement),
                packer.maybe(proof.why.as_deref()),
            );
            PackedProof(requirement, state, why, packer.age(proof.at))
        };
        PackedCell(
            image.map_or(0, |image| self.digest(&image.digest)),
            image.map_or(0, |image| self.text(image.repository.as_str())),
            self.age(cell.pinned_at),
            self.commit(cell.commit.as_deref()),
            gate,
            running(cell) as u8,
            version,
            live,
            digits,
            live_at,
            cell.held.as_ref().map_or(0, |digest| self.digest(digest)),
            self.reasons(&cell.drift),
            cell.proofs.iter().map(|it| proof(self, it)).collect(),
            self.reasons(&cell.why_not),
        )
    }

    /// What runs: its version, its digest or what is known of that, and since when.
    fn live(&mut self, cell: &Cell) -> (Option<u32>, Number, Number, Age) {
        let Live::Version {
            version,
            digest,
            at,
        } = &cell.live
        else {
            return (None, 0, 0, None);
        };
        let known = digest.as_deref().unwrap_or_default();
        let pinned = cell.pinned.iter().map(|image| &image.digest);
        let held = cell.held.iter();
        let whole = known.parse::<Digest>().ok();
        let found = pinned
            .chain(held)
            .find(|digest| begins(digest, known))
            .cloned();
        let found = whole.or(found).or_else(|| self.only(known));
        let number = found.as_ref().map_or(0, |digest| self.digest(digest));
        let digits = if found.is_none() {
            self.maybe(digest.as_deref())
        } else {
            0
        };
        (*version, number, digits, self.age(*at))
    }

    /// The one digest that begins so.
    fn only(&self, known: &str) -> Option<Digest> {
        let mut all = self.digests.keys().filter(|digest| begins(digest, known));
        let first = all.next()?;
        all.next().is_none().then(|| first.clone())
    }

    fn image(&mut self, digest: &Digest, story: &ImageStory) -> PackedImage {
        let receipts = story
            .receipts
            .iter()
            .map(|line| self.receipt(line))
            .collect();
        PackedImage(
            self.digest(digest),
            self.text(&story.repository),
            self.commit(story.source_commit.as_deref()),
            receipts,
        )
    }

    fn receipt(&mut self, line: &ReceiptLine) -> PackedReceipt {
        let known = match line.known {
            None => 0,
            Some(Kind::Build) => 1,
            Some(Kind::Acceptance) => 2,
            Some(Kind::Deployment) => 3,
            Some(Kind::Promotion) => 4,
        };
        let outcome = match line.passed {
            None => 0,
            Some(true) => 1,
            Some(false) => 2,
        };
        // Runs differ in their last part only.
        let run = line.run.as_deref().and_then(links::web);
        let (start, end) = run
            .as_deref()
            .and_then(|run| run.rsplit_once('/'))
            .map_or((None, ""), |(start, end)| (Some(start), end));
        PackedReceipt(
            self.text(&line.kind),
            known,
            outcome,
            self.maybe(line.refused.as_deref()),
            line.environment
                .as_ref()
                .map_or(0, |it| self.environment(it)),
            self.age(line.at),
            self.maybe(line.by.as_deref()),
            self.maybe(start),
            end.to_owned(),
            self.text(&line.text),
        )
    }

    fn event(&mut self, event: &Event) -> PackedEvent {
        let kind = match event.kind {
            EventKind::Pinned => 0,
            EventKind::Promoted => 1,
            EventKind::RolledBack => 2,
        };
        let moves = event.moves.iter().map(|one| {
            PackedMove(
                self.text(&one.name),
                one.old.as_ref().map_or(0, |digest| self.digest(digest)),
                one.new.as_ref().map_or(0, |digest| self.digest(digest)),
            )
        });
        let moves = moves.collect();
        PackedEvent(
            self.made - event.at.as_second(),
            self.environment(&event.environment),
            kind,
            self.commit(Some(&event.commit)),
            self.text(&event.title),
            self.text(&event.by),
            moves,
        )
    }

    fn reasons(&mut self, reasons: &[String]) -> Vec<Number> {
        let shown = reasons.iter().take(MOST_REASONS);
        shown.map(|reason| self.text(reason)).collect()
    }

    /// Only what can be a commit is one; the rest would be a wrong link.
    fn commit(&mut self, commit: Option<&str>) -> Number {
        self.maybe(commit.filter(|commit| links::is_commit(commit)))
    }

    fn age(&self, at: Option<Timestamp>) -> Age {
        at.map(|at| self.made - at.as_second())
    }

    fn environment(&self, environment: &Environment) -> Number {
        let position = self.environments.iter().position(|it| it == environment);
        position.map_or(0, |position| position + 1)
    }

    fn maybe(&mut self, text: Option<&str>) -> Number {
        text.map_or(0, |text| self.text(text))
    }

    fn text(&mut self, text: &str) -> Number {
        if text.is_empty() {
            return 0;
        }
        let text = plain(text);
        if let Some(number) = self.texts.get(&text) {
            return *number;
        }
        self.packed.texts.push(text.clone());
        let number = self.packed.texts.len();
        self.texts.insert(text, number);
        number
    }

    fn digest(&mut self, digest: &Digest) -> Number {
        let next = self.digests.len() + 1;
        if let Some(number) = self.digests.get(digest) {
            return *number;
        }
        self.packed.digests.push_str(digest.hex());
        self.digests.insert(digest.clone(), next);
        next
    }
}
