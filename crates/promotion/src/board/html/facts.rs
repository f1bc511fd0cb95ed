//! What follows from a board: the passage from one environment to the next, and the numbers.

use registry_model::Digest;

use crate::board::{Board, Cell, Live, ProofState, Row};

/// The passage from a cell to the one in the next environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// There is nothing to say: nothing is pinned, or there is no next environment.
    None,
    /// The next environment pins the same.
    Same,
    /// It may go there.
    Open,
    /// It may not.
    Shut,
}

/// How what runs stands to what is pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Running {
    /// Nobody knows.
    Unknown,
    /// Nothing runs.
    Nothing,
    /// What is pinned, as far as is known.
    Pinned,
    /// Something else.
    Other,
}

/// The numbers of one environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) pinned: usize,
    pub(super) live: usize,
    pub(super) proven: usize,
    pub(super) drifted: usize,
    pub(super) held: usize,
}

/// The gate behind the cell at `index`.
pub(super) fn gate(row: &Row, index: usize) -> Gate {
    let Some((cell, next)) = row.cells.get(index).zip(row.cells.get(index + 1)) else {
        return Gate::None;
    };
    let digest = |cell: &Cell| cell.pinned.as_ref().map(|image| image.digest.clone());
    match digest(cell) {
        None => Gate::None,
        same if same == digest(next) => Gate::Same,
        Some(_) if cell.why_not.is_empty() => Gate::Open,
        Some(_) => Gate::Shut,
    }
}

/// How what runs stands to what is pinned.
pub(super) fn running(cell: &Cell) -> Running {
    match (&cell.live, &cell.pinned) {
        (Live::Unknown, _) => Running::Unknown,
        (Live::Nothing, _) => Running::Nothing,
        (Live::Version { digest: None, .. }, _) => Running::Unknown,
        (
            Live::Version {
                digest: Some(live), ..
            },
            Some(image),
        ) if begins(&image.digest, live) => Running::Pinned,
        (Live::Version { .. }, _) => Running::Other,
    }
}

/// Whether `known` is the digest or its first digits, and says enough to tell it from others.
pub(super) fn begins(digest: &Digest, known: &str) -> bool {
    const ENOUGH: usize = 7;
    let hex = known.strip_prefix("sha256:").unwrap_or(known);
    hex.len() >= ENOUGH && digest.hex().starts_with(hex)
}

/// Whether all that is asked of the pinned image is there.
pub(super) fn is_proven(cell: &Cell) -> bool {
    cell.pinned.is_some()
        && !cell.proofs.is_empty()
        && cell
            .proofs
            .iter()
            .all(|proof| proof.state == ProofState::Passed)
}

/// The numbers of every environment, in their order.
pub(super) fn numbers(board: &Board) -> Vec<Numbers> {
    let of = |index: usize| {
        let mut numbers = Numbers::default();
        for cell in board
            .processors
            .iter()
            .filter_map(|row| row.cells.get(index))
        {
            numbers.pinned += usize::from(cell.pinned.is_some());
            numbers.live += usize::from(running(cell) == Running::Pinned);
            numbers.proven += usize::from(is_proven(cell));
            numbers.drifted += usize::from(!cell.drift.is_empty());
            numbers.held += usize::from(cell.held.is_some());
        }
        numbers
    };
    (0..board.environments.len()).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(digit: &str) -> registry_model::PinnedImage {
        format!("ghcr.io/acme/a@sha256:{}", digit.repeat(64))
            .parse()
            .unwrap()
    }

    fn cell(digit: Option<&str>) -> Cell {
        Cell {
            pinned: digit.map(image),
            pinned_at: None,
            commit: None,
            live: Live::Unknown,
            held: None,
            drift: Vec::new(),
            proofs: Vec::new(),
            why_not: Vec::new(),
        }
    }

    fn live(digest: &str) -> Live {
        Live::Version {
            version: Some(1),
            digest: Some(digest.to_owned()),
            at: None,
        }
    }

    #[test]
    fn a_gate_is_between_two_pins() {
        let mut shut = cell(Some("2"));
        shut.why_not.push("acceptance is missing".to_owned());
        let row = Row {
            reference: "a/b@1".parse().unwrap(),
            platform: None,
            cells: vec![
                cell(None),
                shut,
                cell(Some("1")),
                cell(Some("0")),
                cell(Some("0")),
            ],
        };
        let gates: Vec<_> = (0..5).map(|index| gate(&row, index)).collect();
        assert_eq!(
            gates,
            [Gate::None, Gate::Shut, Gate::Open, Gate::Same, Gate::None]
        );
    }

    #[test]
    fn the_first_digits_are_enough_and_few_are_not() {
        let mut cell = cell(Some("a"));
        for (known, expected) in [
            (live(&format!("sha256:{}", "a".repeat(64))), Running::Pinned),
            (live("aaaaaaaaaaaa"), Running::Pinned),
            (live("aaab"), Running::Other),
            (live("aaa"), Running::Other),
            (live(""), Running::Other),
            (Live::Nothing, Running::Nothing),
            (Live::Unknown, Running::Unknown),
        ] {
            cell.live = known;
            assert_eq!(running(&cell), expected, "{:?}", cell.live);
        }
        cell.pinned = None;
        cell.live = live("aaaaaaaaaaaa");
        assert_eq!(running(&cell), Running::Other);
    }
}
