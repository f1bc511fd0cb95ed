//! The job summary of a workflow: what a stage did, as a table.

use std::path::Path;

use image_factory::build::{BuildReport, Outcome};
use image_factory::pin::{PinAction, PinReport, why};
use image_factory::plan::{BuildPlan, Decision};
use oci::Likeness;

use super::context::set;
use super::pin::told;
use crate::exit::Exit;
use crate::runner::append_summary;
use crate::ui::Failure;
/// A name as code.
pub(super) use image_factory::pin::code;

/// Rows of one table, in bytes: the runner drops a summary over 1 MiB, and nobody reads that much.
const ROOM: usize = 128 * 1024;

/// Appends to the summary of the job, when there is one.
pub(super) fn write(markdown: impl FnOnce() -> String) -> Result<(), Failure> {
    let Some(file) = set("GITHUB_STEP_SUMMARY") else {
        return Ok(());
    };
    append_summary(Path::new(&file), &markdown())
        .map_err(|error| Failure::new(Exit::Unexpected, error))
}

/// What is planned.
pub(super) fn of_plan(plan: &BuildPlan) -> String {
    let to_build = plan.to_build().count();
    let rows = plan.items.iter().map(|item| {
        let decision = match &item.decision {
            Decision::Reuse { digest } => format!("reuse `{}`", digest.short()),
            Decision::Build { .. } => "build".to_owned(),
        };
        vec![code(&item.name()), decision, why(&item.why().to_string())]
    });
    section(
        &format!("Plan: {to_build} of {} to build", plan.items.len()),
        &table(&["processor", "decision", "why"], rows),
    )
}

/// What was built.
pub(super) fn of_build(report: &BuildReport, failed: &[(String, String)]) -> String {
    let built = |one: &&image_factory::build::Built| one.decision != Outcome::Reused;
    let built = report.built.iter().filter(built).count();
    let reused = report.built.len() - built;
    let failures = failed.iter().map(|(name, error)| {
        vec![
            code(name),
            "**failed**".to_owned(),
            escape(error),
            String::new(),
        ]
    });
    let rows = report.built.iter().map(|one| {
        let outcome = match &one.decision {
            Outcome::Built => format!("built in {:.1} s", one.seconds),
            Outcome::Reused => "reused".to_owned(),
            Outcome::Kept(likeness) => escape(&kept(likeness)),
        };
        vec![
            code(&one.name()),
            outcome,
            why(&one.why.to_string()),
            code(one.image.digest.short()),
        ]
    });
    let failing = match failed.len() {
        0 => String::new(),
        many => format!(", {many} failed"),
    };
    section(
        &format!("Build: {built} built, {reused} reused{failing}"),
        &table(
            &["processor", "outcome", "why", "digest"],
            failures.chain(rows),
        ),
    )
}

/// What became of the pins.
pub(super) fn of_pin(report: &PinReport) -> String {
    let rows = report.changes.changes.iter().map(|change| {
        let old = change.old.as_ref();
        let old = old.map_or("pending".to_owned(), |image| code(image.digest.short()));
        let pin = format!("{old} → {}", code(change.new.digest.short()));
        vec![code(&change.name()), pin, why(&change.why.to_string())]
    });
    let mut body = match report.changes.is_empty() {
        true => "Every pin is as it should be.\n".to_owned(),
        false => table(&["processor", "pin", "why"], rows),
    };
    if let Some(request) = &report.pull_request {
        body.push_str(&format!("\n[{}]({})\n", escape(&told(report)), request.url));
    } else if report.action == PinAction::Created {
        body.push_str(&format!("\n{}\n", escape(&told(report))));
    }
    let closed: Vec<String> = report.closed.iter().map(|one| format!("#{one}")).collect();
    if !closed.is_empty() {
        let what = report
            .preview
            .as_ref()
            .map_or("Closed", |_| "Would be closed");
        body.push_str(&format!("\n{what}: {}\n", closed.join(", ")));
    }
    for notice in &report.notices {
        body.push_str(&format!("\n> {}\n", escape(notice)));
    }
    let dry = report.preview.as_ref().map_or("", |_| " (dry run)");
    let heading = format!(
        "Pin{dry}: {} of `{}`",
        report.changes.changes.len(),
        report.base
    );
    section(&heading.replace('\n', " "), &body)
}

/// Why a pin stays although its image was built.
pub(super) fn kept(likeness: &Likeness) -> String {
    let differs = match likeness {
        Likeness::OnlyAttestations => "only attestations differ",
        Likeness::OnlyTimestamps => "only times differ",
        Likeness::Identical | Likeness::Different { .. } => "the same bits",
    };
    format!("kept the pin: {differs}")
}

/// A heading with what stands below it.
pub(super) fn section(heading: &str, body: &str) -> String {
    format!("### {heading}\n\n{body}\n")
}

/// A table of at most [`ROOM`] bytes, and how many rows did not fit.
pub(super) fn table(heading: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = format!(
        "| {} |\n|{}\n",
        heading.join(" | "),
        " --- |".repeat(heading.len())
    );
    let mut left = 0;
    for row in rows {
        let line = format!("| {} |\n", row.join(" | "));
        match left == 0 && text.len() + line.len() <= ROOM {
            true => text.push_str(&line),
            false => left += 1,
        }
    }
    match left {
        0 => text,
        left => format!("{text}\n… and {left} more; the report has all.\n"),
    }
}

/// A sentence that stays text in Markdown, on one line; what it has in backticks is code.
pub(super) fn escape(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        // Nobody can tell where the code begins and ends.
        return plain(text);
    }
    let shown = parts
        .iter()
        .enumerate()
        .map(|(index, part)| match index % 2 {
            0 => plain(part),
            _ => code(part),
        });
    shown.collect()
}

fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '\\' | '*' | '_' | '[' | ']' | '#' | '~' | '!' | '`' => safe.extend(['\\', c]),
            '<' => safe.push_str("&lt;"),
            '&' => safe.push_str("&amp;"),
            // Would call somebody.
            '@' => safe.push_str("&#64;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_in_its_cell() {
        assert_eq!(escape("a | b\n<img> @all"), "a \\| b &lt;img> &#64;all");
        assert_eq!(
            escape("`libs/a_b.txt` is_new, `x|<y>` @all `z`"),
            "`libs/a_b.txt` is\\_new, `x¦<y>` &#64;all `z`"
        );
        assert_eq!(escape("`a_b <img>"), "\\`a\\_b &lt;img>");
    }

    #[test]
    fn a_table_has_an_end() {
        let rows = (0..100_000).map(|n| vec![n.to_string(), "x".repeat(50)]);
        let text = table(&["a", "b"], rows);
        assert!(text.len() < ROOM + 100, "{}", text.len());
        assert!(text.contains("more; the report has all."), "{text}");
        let short = table(&["a"], std::iter::once(vec!["1".to_owned()]));
        assert_eq!(short, "| a |\n| --- |\n| 1 |\n");
    }
}
