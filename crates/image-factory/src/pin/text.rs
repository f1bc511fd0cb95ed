use std::fmt::Write;

use github::CommitSha;
use registry_model::PinnedImage;

use super::changes::PinChange;

/// The first line of the message of the commit.
pub(super) const COMMIT: &str = "ci: pin processor images (bot)";

/// The table ends before the text gets longer than this, in bytes: GitHub takes 65,536 characters.
const LONGEST: usize = 60_000;
/// A cell of the table ends here.
const LONGEST_CELL: usize = 400;

/// The title of the pull request.
pub(super) fn title(changes: &[PinChange]) -> String {
    match changes {
        [one] => format!("Pin {}", one.name()),
        many => format!("Pin {} processor images", many.len()),
    }
}

/// The text of the pull request, in Markdown. What comes from the repository is shown as code, in
/// which nothing is a link, a mention or HTML.
pub(super) fn body(
    changes: &[PinChange],
    base: &str,
    source: &CommitSha,
    run_url: Option<&str>,
) -> String {
    let built = match run_url.filter(|url| is_plain_url(url)) {
        Some(url) => format!("built and pushed by [this run]({url})"),
        None => "built and pushed".to_owned(),
    };
    let mut body = format!(
        "These images are {built}, from {} of {}. Merging this pins them; it changes nothing that \
         an image is built from.\n\n\
         | processor | image | size | why |\n| --- | --- | --- | --- |\n",
        source.short(),
        code(base),
    );
    for (index, change) in changes.iter().enumerate() {
        let row = format!(
            "| {} | {} → {} | {} | {} |\n",
            code(&change.name()),
            old(change),
            code(&shown(&change.new, change.old.as_ref())),
            sizes(change),
            why(&change.why.to_string()),
        );
        if body.len() + row.len() > LONGEST {
            // Writing to a string cannot fail.
            let _ = write!(
                body,
                "\n… and {} more: the files show them.\n",
                changes.len() - index
            );
            break;
        }
        body.push_str(&row);
    }
    body
}

fn old(change: &PinChange) -> String {
    match &change.old {
        Some(image) => code(&shown(image, Some(&change.new))),
        None => "pending".to_owned(),
    }
}

/// The short digest; with the repository, when that changes, too.
fn shown(image: &PinnedImage, other: Option<&PinnedImage>) -> String {
    match other {
        Some(other) if other.repository != image.repository => {
            format!("{}@{}", image.repository, image.digest.short())
        }
        _ => image.digest.short().to_owned(),
    }
}

fn sizes(change: &PinChange) -> String {
    match (change.old_size, change.new_size) {
        (Some(old), Some(new)) => format!("{} → {}", megabytes(old), megabytes(new)),
        (None, Some(new)) => megabytes(new),
        _ => String::new(),
    }
}

/// In units of 1,000,000 bytes, as registries show it.
fn megabytes(bytes: u64) -> String {
    let tenths = (u128::from(bytes) + 50_000) / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

/// A reason in Markdown, with its names in backticks: these stay code, and plain words plain.
/// Whatever does not look like that becomes code as a whole.
#[must_use]
pub fn why(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || " ,;:().→…-".contains(c);
    let parts: Vec<&str> = text.split('`').collect();
    let well_formed = parts.len() % 2 == 1
        && parts.iter().step_by(2).all(|part| part.chars().all(plain))
        && parts.iter().skip(1).step_by(2).all(|part| !part.is_empty());
    if !well_formed || text.chars().count() > LONGEST_CELL {
        return code(text);
    }
    let shown = parts
        .iter()
        .enumerate()
        .map(|(index, part)| match index % 2 {
            0 => (*part).to_owned(),
            _ => code(part),
        });
    shown.collect()
}

/// `text` as code of Markdown on one line, whatever is in it, that a cell of a table can hold.
#[must_use]
pub fn code(text: &str) -> String {
    let mut inner: String = text
        .chars()
        .map(|c| match c {
            c if c.is_control() => ' ',
            c if is_unseen(c) => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .take(LONGEST_CELL)
        .collect();
    if text.chars().nth(LONGEST_CELL).is_some() {
        inner.push('…');
    }
    // Code ends at as many backticks as it starts with.
    let longest = inner
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    // A table ends a cell at `|` even in code, and a backslash before an escaped one undoes that.
    let inner = inner.replace('|', "¦");
    let pad = if longest > 0 || inner.trim() != inner || inner.is_empty() {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{inner}{pad}{fence}")
}

/// Characters that are not seen, or turn the order of what is: a name would look like another one.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
    )
}

fn is_plain_url(url: &str) -> bool {
    url.starts_with("https://")
        && url.len() <= 500
        && url
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~:/?#@!$&+,;=%".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_code() {
        for (text, expected) in [
            ("x/one@1", "`x/one@1`"),
            ("a`b", "`` a`b ``"),
            ("``", "``` `` ```"),
            ("a\\|b|", "`a\\¦b¦`"),
            ("a\nb <b>@me #1", "`a b <b>@me #1`"),
            ("a\u{202e}b\u{200b}", "`a�b�`"),
            (" a", "`  a `"),
            ("", "`  `"),
        ] {
            assert_eq!(code(text), expected);
        }
        assert!(code(&"x".repeat(9000)).len() < LONGEST_CELL + 10);
        assert_eq!(why("inputs changed"), "inputs changed");
        assert_eq!(why("`@me|x` changed, a→b"), "`@me¦x` changed, a→b");
        assert_eq!(why("@me changed"), "`@me changed`");
        assert_eq!(why("`a`` changed"), "``` `a`` changed ```");
        assert_eq!(why("`a` @me `b`"), "`` `a` @me `b` ``");
    }

    #[test]
    fn sizes_are_rounded() {
        for (bytes, text) in [(0, "0.0 MB"), (949_999, "0.9 MB"), (950_000, "1.0 MB")] {
            assert_eq!(megabytes(bytes), text);
        }
        assert_eq!(megabytes(u64::MAX), "18446744073709.6 MB");
    }

    #[test]
    fn only_plain_addresses_are_links() {
        assert!(is_plain_url("https://github.com/a/b/actions/runs/1?x=y#z"));
        for bad in [
            "javascript:x",
            "http://a",
            "https://a)b",
            "https://a b",
            "https://a<b",
        ] {
            assert!(!is_plain_url(bad), "{bad}");
        }
    }
}
