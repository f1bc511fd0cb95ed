use promotion::board::{Board, Cell, Live, ProofState, Row, summary as summarize};
use registry_model::Digest;
use tokio_util::sync::CancellationToken;

use super::args::StatusArgs;
use super::gather::{Gathered, gather};
use super::output::table;
use super::report::{self, Report};
use super::stage::{End, stage};
use super::summary;
use crate::exit::Exit;
use crate::ui::Failure;

/// Rows of a failure's text; the table has all.
const MOST_TOLD: usize = 20;

pub(super) async fn run(args: &StatusArgs, cancel: &CancellationToken) -> Result<Exit, Failure> {
    let to = Report::to(&args.json)?;
    let gathered = stage("status", gather(&args.view, "status", cancel), end).await?;
    let board = &gathered.board;
    summary::write(|| summarize(&board.environments, &board.trails()))?;
    let delivered = to.deliver(board, || show(board));
    report::ended(ended(gathered), delivered)
}

fn end(gathered: &Gathered) -> End {
    let Gathered { board, unasked } = gathered;
    let missing = match unasked.len() {
        0 => "",
        _ => ", and not everything could be asked",
    };
    match board.drift() {
        0 => End::Done(format!(
            "{} processors in {} environments{missing}",
            board.processors.len(),
            board.environments.len()
        )),
        some => End::Failed(format!("{some} not as git has it{missing}")),
    }
}

/// Drift comes first: it is there whatever else could not be asked.
fn ended(gathered: Gathered) -> Result<Exit, Failure> {
    let Gathered { board, unasked } = gathered;
    if board.drift() > 0 {
        return Err(drifted(&board));
    }
    match unasked.into_iter().next() {
        Some(failure) => Err(failure),
        None => Ok(Exit::Done),
    }
}

fn drifted(board: &Board) -> Failure {
    let mut lines: Vec<String> = Vec::new();
    for row in &board.processors {
        for (environment, cell) in board.environments.iter().zip(&row.cells) {
            let name = name(row);
            let drift = cell.drift.iter();
            lines.extend(drift.map(|why| format!("\n  - {name} in {environment} is {why}")));
        }
    }
    lines.extend(board.strays.iter().map(|stray| format!("\n  - {stray}")));
    let more = lines.len().saturating_sub(MOST_TOLD);
    lines.truncate(MOST_TOLD);
    if more > 0 {
        lines.push(format!("\n  … and {more} more"));
    }
    let text = format!("find what runs as git has it:{}", lines.concat());
    let hint = "`pipeline audit` says what to do about each";
    Failure::new(Exit::Drift, text).with_hint(Some(hint.to_owned()))
}

fn name(row: &Row) -> String {
    match &row.platform {
        Some(platform) => format!("{} ({platform})", row.reference),
        None => row.reference.to_string(),
    }
}

fn show(board: &Board) -> String {
    let mut rows = Vec::new();
    for row in &board.processors {
        let mut name = name(row);
        for (environment, cell) in board.environments.iter().zip(&row.cells) {
            rows.push(vec![
                // Once for all of its environments.
                std::mem::take(&mut name),
                environment.to_string(),
                pinned(cell),
                cell.pinned_at.map_or_else(String::new, day),
                live(cell),
                proven(cell),
                wrong(cell),
            ]);
        }
    }
    let heading = ["processor", "", "pinned", "since", "live", "proven", "but"];
    let mut text = table(&heading, &rows);
    for line in board.strays.iter().chain(&board.notices) {
        text.push_str(&format!("{line}\n"));
    }
    text
}

fn day(time: jiff::Timestamp) -> String {
    time.to_string().chars().take(10).collect()
}

fn pinned(cell: &Cell) -> String {
    match (&cell.pinned, cell.why_not.is_empty()) {
        (Some(image), _) => image.digest.short().to_owned(),
        (None, false) => "pending".to_owned(),
        (None, true) => "–".to_owned(),
    }
}

fn live(cell: &Cell) -> String {
    let Live::Version {
        version, digest, ..
    } = &cell.live
    else {
        return match cell.live {
            Live::Nothing => "nothing".to_owned(),
            _ => "?".to_owned(),
        };
    };
    let version = version.map_or_else(|| "v?".to_owned(), |it| format!("v{it}"));
    let known = digest.as_deref().unwrap_or_default();
    let digits = known.strip_prefix("sha256:").unwrap_or(known);
    let pinned = cell.pinned.as_ref().map(|image| image.digest.hex());
    match pinned {
        Some(pinned) if !digits.is_empty() && pinned.starts_with(digits) => version,
        _ if digits.is_empty() => version,
        _ => format!("{version} {}", digits.chars().take(12).collect::<String>()),
    }
}

/// How much of what is asked is there.
fn proven(cell: &Cell) -> String {
    let proofs = &cell.proofs;
    let passed = proofs.iter().filter(|it| it.state == ProofState::Passed);
    let (passed, all) = (passed.count(), proofs.len());
    let unknown = proofs.iter().any(|it| it.state == ProofState::Unknown);
    match (all, unknown) {
        (0, _) => "–".to_owned(),
        (_, true) => "?".to_owned(),
        _ => format!("{passed} of {all}"),
    }
}

/// What is wrong with what runs, who holds it, and why it may not go on.
fn wrong(cell: &Cell) -> String {
    let held = cell.held.as_ref().map(Digest::short);
    let held = held.map(|digest| format!("held at {digest}"));
    let mut parts: Vec<String> = cell.drift.iter().cloned().chain(held).collect();
    match (&cell.pinned, cell.why_not.is_empty()) {
        (Some(_), false) => parts.extend(cell.why_not.iter().cloned()),
        (Some(_), true) => {
            let lacking = cell
                .proofs
                .iter()
                .filter(|it| it.state != ProofState::Unknown);
            parts.extend(lacking.filter_map(|proof| proof.why.clone()));
        }
        (None, _) => {}
    }
    parts.join("; ")
}
