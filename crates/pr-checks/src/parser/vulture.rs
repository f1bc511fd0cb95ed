use super::Unreadable;
use super::pattern::matches;
use crate::finding::{Findings, Raw};

/// `shop/cart.py:15: unused function 'total' (60% confidence)`
const LINE: &str = r"^(?P<file>.+?):(?P<line>[0-9]+): (?P<message>(?P<rule>unused [a-z]+|unreachable code|[a-z ]+).*)$";

/// What `vulture` writes: dead code to standard output, files that it cannot read to the other.
pub(super) fn read(streams: [&str; 2], to: &mut Findings<'_>) -> Result<(), Unreadable> {
    streams.into_iter().try_for_each(|text| lines(text, to))
}

fn lines(text: &str, to: &mut Findings<'_>) -> Result<(), Unreadable> {
    matches(LINE, text, |found| {
        let rule = found.rule.trim().replace(' ', "-");
        // What it says of a file that it cannot read is Python's text: `invalid syntax at …`.
        let rule = match rule.starts_with("unused-") || rule == "unreachable-code" {
            true => rule.as_str(),
            false => "invalid-syntax",
        };
        to.add(Raw { rule, ..found });
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::tests::{found, shown};

    #[test]
    fn what_vulture_writes() {
        let text = include_str!("../../tests/fixtures/vulture.txt");
        let errors = "broken.py:1: invalid syntax at \"def f(:\"\n";
        let (read, findings) = found(|to| read([text, errors], to));
        assert_eq!(read, Ok(()));
        insta::assert_snapshot!(shown(&findings), @r#"
        Error code/broken.py:1:- invalid-syntax: invalid syntax at "def f(:"
        Error code/shop/cart.py:1:- unused-import: unused import 'os' (90% confidence)
        Error code/shop/cart.py:2:- unused-import: unused import 'yaml' (90% confidence)
        Error code/shop/cart.py:15:- unused-function: unused function 'never_called' (60% confidence)
        Error code/tests/test_cart.py:16:- unused-variable: unused variable 'missing_fixture' (100% confidence)
        "#);
    }

    #[test]
    fn other_lines_are_nothing() {
        let text = "Error: nowhere could not be found.\n:3: unused x\na.py:x: unused y\n";
        assert_eq!(found(|to| read([text, ""], to)).1, Vec::new());
    }
}
