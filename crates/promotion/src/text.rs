use github::NewPullRequest;

use crate::report::Move;
use crate::{PromotionPlan, RunOptions, Scope};

/// A table with more rows would not fit into a request.
const MOST_ROWS: usize = 400;
/// A reason is cut here, in characters.
const LONGEST_WHY: usize = 500;

/// The pull request that promotes: what moves, in one table.
pub(crate) fn pull_request(
    plan: &PromotionPlan,
    options: &RunOptions,
    branch: &str,
) -> NewPullRequest {
    let (from, to) = (plan.from.as_str(), plan.to.as_str());
    let moves: Vec<Move> = plan.moves().filter_map(Move::of).collect();
    let rows: String = moves.iter().take(MOST_ROWS).map(row).collect();
    let more = match moves.len().saturating_sub(MOST_ROWS) {
        0 => String::new(),
        more => format!("\n… and {more} more: the files show them.\n"),
    };
    let (title, what) = match &options.scope {
        Scope::All { join } => {
            let joined = match join {
                true => format!(
                    " Pins that were changed in `{to}` and then in `{from}` become those of `{from}`."
                ),
                false => String::new(),
            };
            (
                format!("Promote {from} to {to}"),
                format!("Merges `{from}` at {} into `{to}`.{joined}", plan.commit),
            )
        }
        Scope::Some(_) => (
            format!("Promote {} of {from} to {to}", processors(&moves)),
            format!(
                "Pins in `{to}` what `{from}` pins at {}, for these processors and no other.",
                plan.commit
            ),
        ),
    };
    let bypassed = options.bypass.as_ref().map_or_else(String::new, |bypass| {
        format!(
            "\n**Against the rules of promotion**, by {}: {}\n",
            plain(&bypass.by),
            plain(&bypass.why)
        )
    });
    let rules = match options.rules_changed.as_slice() {
        [] => String::new(),
        changed => {
            let changed: Vec<String> = changed.iter().map(|it| plain(it)).collect();
            format!(
                "\n**Changes the rules of `{to}`**, read them before you merge: {}\n",
                changed.join(", ")
            )
        }
    };
    let losses: String = options
        .losses
        .iter()
        .take(MOST_ROWS)
        .map(|(reference, loss)| format!("\n`{reference}` {loss}.\n"))
        .collect();
    NewPullRequest {
        title,
        body: format!(
            "{what} The images are the ones that run in `{from}`; nothing is built again.\n\
             {bypassed}{rules}{losses}\n| processor | `{to}` now | then |\n| --- | --- | --- |\n{rows}{more}"
        ),
        head: branch.to_owned(),
        base: to.to_owned(),
        draft: false,
    }
}

fn row(moved: &Move) -> String {
    let platform = moved.platform.as_ref();
    let platform = platform.map_or_else(String::new, |platform| format!(" ({platform})"));
    let old = moved.old.as_ref();
    let old = old.map_or_else(|| "–".to_owned(), |old| format!("`{}`", old.digest.short()));
    format!(
        "| `{}`{platform} | {old} | `{}` |\n",
        moved.reference,
        moved.new.digest.short()
    )
}

fn processors(moves: &[Move]) -> String {
    let mut names: Vec<String> = moves.iter().map(|one| one.reference.to_string()).collect();
    names.dedup();
    match names.as_slice() {
        [one] => one.clone(),
        many => format!("{} processors", many.len()),
    }
}

/// Words of a person in Markdown: on one line, and with nothing in them that is a link, a mention or
/// HTML.
fn plain(text: &str) -> String {
    let kept = |c: char| match c {
        c if c.is_control() => ' ',
        '`' => '\'',
        c => c,
    };
    let text: String = text.chars().take(LONGEST_WHY).map(kept).collect();
    format!("`{}`", text.trim())
}
