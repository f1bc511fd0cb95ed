//! What containers say, made fit for a report.

use process::Redactor;

/// The innermost frames of a traceback come last, and they are the ones that explain.
const LAST_LINES: usize = 12;
const LONGEST_LINE: usize = 500;

/// `text` without secrets, and of bounded size: its first line, and the last ones. The first line
/// is ours; each other begins with `| `, so that no runner takes it for a command.
pub(super) fn told(text: &str, redactor: &Redactor) -> String {
    // First of all: half a secret would not be known for one.
    let text = redactor.apply(text);
    let text = text.trim_end();
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let rest: Vec<&str> = rest.lines().collect();
    let last = &rest[rest.len().saturating_sub(LAST_LINES)..];
    let mut told = line(first);
    if last.len() < rest.len() {
        told.push_str("\n| …");
    }
    for text in last {
        told.push_str("\n| ");
        told.push_str(&line(text));
    }
    told
}

fn line(text: &str) -> String {
    let visible = |c: char| {
        if c.is_control() && c != '\t' {
            '\u{fffd}'
        } else {
            c
        }
    };
    let mut line: String = text
        .trim_end()
        .chars()
        .take(LONGEST_LINE)
        .map(visible)
        .collect();
    if text.trim_end().chars().nth(LONGEST_LINE).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    #[test]
    fn lines_are_few_short_and_no_commands() {
        let mut redactor = Redactor::new();
        redactor.add(&SecretString::from("hunter22"));
        let text = format!(
            "call: E(hunter22)\n{}::error::x\r\n \u{1b}[31m##[group]\n",
            "noise\n".repeat(1000)
        );
        let shown = told(&text, &redactor);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[..3], ["call: E(***)", "| …", "| noise"]);
        assert_eq!(lines.len(), 2 + LAST_LINES);
        assert_eq!(
            lines[LAST_LINES..],
            ["| ::error::x", "|  \u{fffd}[31m##[group]"]
        );
    }

    #[test]
    fn a_secret_at_the_cut_leaves_nothing_behind() {
        let mut redactor = Redactor::new();
        redactor.add(&SecretString::from("hunter22hunter22"));
        for before in LONGEST_LINE - 20..LONGEST_LINE + 20 {
            let text = format!("{}hunter22hunter22 and more", "ü".repeat(before));
            assert!(!told(&text, &redactor).contains("hun"), "{before}");
        }
        assert_eq!(told("", &redactor), "");
    }
}
