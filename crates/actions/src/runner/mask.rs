use std::io::{self, Write};

use process::spellings;
use secrecy::{ExposeSecret, SecretString};

use super::annotation::data;

/// Tells the runner, through `log`, to show `***` for these values and for each of their lines
/// from now on, however they are quoted; how they look in base64 and in addresses it knows by
/// itself. The runner reads both standard output and standard error, and shows none of this.
///
/// # Errors
/// When `log` cannot be written to.
pub fn mask<'a>(
    log: &mut impl Write,
    values: impl IntoIterator<Item = &'a SecretString>,
) -> io::Result<()> {
    for value in values {
        for part in spellings(value) {
            writeln!(log, "::add-mask::{}", data(part.expose_secret()))?;
        }
    }
    log.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(values: &[&str]) -> String {
        let values: Vec<SecretString> = values.iter().map(|text| (*text).into()).collect();
        let mut log = Vec::new();
        mask(&mut log, &values).unwrap();
        String::from_utf8(log).unwrap()
    }

    #[test]
    fn values_and_their_lines_are_masked() {
        assert_eq!(masked(&["hunter22"]), "::add-mask::hunter22\n");
        insta::assert_snapshot!(masked(&["first line\r\n  second\n\n}\n", "100%"]), @r"
        ::add-mask::first line\\r\\n  second\\n\\n}
        ::add-mask::first line\r\n  second\n\n}
        ::add-mask::first line%0D%0A  second%0A%0A}
        ::add-mask::first line
        ::add-mask::second
        ::add-mask::100%25
        ");
    }

    #[test]
    fn no_value_is_another_command() {
        let log = masked(&["x\n::set-output name=a::b\r::error::c%0A::d"]);
        assert!(
            log.lines().all(|line| line.starts_with("::add-mask::")),
            "{log}"
        );
        assert!(!log.contains('\r'));
    }

    #[test]
    fn short_and_empty_values_are_left_alone() {
        assert_eq!(masked(&["", "1", "abc", " \n ", "\n\n\n\n"]), "");
    }
}
