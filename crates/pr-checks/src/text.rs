//! What programs print, made fit to be shown.

/// One line of at most `longest` characters without what moves the cursor or changes colours.
pub(crate) fn plain(text: &str, longest: usize) -> String {
    // What nobody will see needs no cleaning.
    let head: String = text.chars().take(longest.saturating_mul(4)).collect();
    let mut shown = String::new();
    let mut count = 0;
    for piece in anstream::adapter::strip_str(&head) {
        for c in piece.chars() {
            if count == longest {
                shown.push('…');
                return shown;
            }
            shown.push(if c.is_control() { ' ' } else { c });
            count += 1;
        }
    }
    shown.trim().to_owned()
}

/// The last `count` lines that say something, each plain.
pub(crate) fn last_lines(text: &str, count: usize, longest: usize) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = &lines[lines.len().saturating_sub(count)..];
    let lines: Vec<String> = last
        .iter()
        .map(|line| {
            let indent = line.len() - line.trim_start_matches(' ').len();
            format!("{}{}", " ".repeat(indent.min(40)), plain(line, longest))
        })
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_it_reaches_the_terminal_but_text() {
        assert_eq!(
            plain("\u{1b}[31mred\u{1b}[0m\n::error::x\u{7}", 80),
            "red ::error::x"
        );
        assert_eq!(plain("äöü", 2), "äö…");
        assert_eq!(last_lines("a\n\n  b\nc\n", 2, 80), "  b\nc");
    }
}
