/// Text that comes from programs, registries and containers, without what could steer a terminal
/// (control characters) or the runner of a workflow (its commands, on either output stream).
///
/// Source for the commands: `actions/runner`, `ActionCommand.cs`: `::` after any blanks at the
/// start of a line, and `##[` anywhere.
#[must_use]
pub(crate) fn inert(text: &str) -> String {
    // First of all: what becomes a blank may stand before a command.
    let text: String = text
        .chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    let mut safe = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let start = line.len() - line.trim_start().len();
        let (blanks, rest) = line.split_at(start);
        safe.push_str(blanks);
        let rest = match rest.strip_prefix("::") {
            Some(rest) => {
                safe.push_str(": :");
                rest
            }
            None => rest,
        };
        safe.push_str(&rest.replace("##[", "## ["));
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(inert("a\u{1b}[2Jb\r\nc\td"), "a [2Jb \nc\td");
    }

    #[test]
    fn commands_do_not_reach_the_runner() {
        let hostile = "::stop-commands::x\n \t::error::y\na ##[set-output name=z]1\nT::x";
        assert_eq!(
            inert(hostile),
            ": :stop-commands::x\n \t: :error::y\na ## [set-output name=z]1\nT::x"
        );
        assert_eq!(inert("\r::error::x"), " : :error::x");
        let hidden = "a\n  \u{1b}::stop-commands::x\n\0::add-mask::y\n\u{85}\u{7f}::z\u{0}";
        assert_eq!(
            inert(hidden),
            "a\n   : :stop-commands::x\n : :add-mask::y\n  : :z "
        );
    }
}
