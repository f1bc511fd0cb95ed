//! The text of a file, checked, and the way from a parser's position to a byte.

use saphyr_parser::Marker;

use crate::finding::{Position, code};

/// No registry file is this long; a longer one is a mistake or an attack.
pub(crate) const MAX_BYTES: usize = 1 << 20;

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Why a text can't be used at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) code: &'static str,
    pub(crate) at: Position,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// A text that is UTF-8, short enough and free of control characters.
pub(crate) struct Source<'a> {
    text: &'a str,
    line_starts: Vec<usize>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, Problem> {
        if bytes.len() > MAX_BYTES {
            return Err(Problem {
                code: code::TOO_LARGE,
                at: Position::START,
                message: format!("the file has more than {MAX_BYTES} bytes"),
                hint: Some("a registry file describes one processor in a few kilobytes".into()),
            });
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let good = &bytes[..error.valid_up_to()];
                let good = std::str::from_utf8(good).unwrap_or_default();
                return Err(Problem {
                    code: code::NOT_UTF8,
                    at: position_after(good),
                    message: "the file is not UTF-8".into(),
                    hint: Some("save the file as UTF-8".into()),
                });
            }
        };
        // The parser takes NUL for the end of the file; what follows would be lost from sight.
        let plain = |b: &u8| matches!(b, b' '..=b'~' | b'\t' | b'\n' | b'\r');
        let bad = match bytes.iter().all(plain) {
            true => None,
            false => text.char_indices().find(|(_, c)| !is_printable(*c)),
        };
        if let Some((byte, bad)) = bad {
            return Err(Problem {
                code: code::YAML_SYNTAX,
                at: position_after(&text[..byte]),
                message: format!("control character U+{:04X} is not allowed", u32::from(bad)),
                hint: None,
            });
        }
        Ok(Self {
            text,
            line_starts: line_starts(text),
        })
    }

    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// The byte that a parser's position means. Lines and columns are trusted, the parser's
    /// running index is not: it counts characters and skips some.
    pub(crate) fn byte(&self, marker: Marker) -> Option<usize> {
        let start = *self.line_starts.get(marker.line().checked_sub(1)?)?;
        let line = &self.text[start..];
        let (start, line) = match line.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) => (start + BYTE_ORDER_MARK.len(), rest),
            None => (start, line),
        };
        let column = marker.col();
        match line.as_bytes().get(..column) {
            Some(head) if head.is_ascii() => Some(start + column),
            _ => line
                .char_indices()
                .map(|(byte, _)| byte)
                .chain([line.len()])
                .nth(column)
                .map(|byte| start + byte),
        }
    }

    /// Where the line of `byte` starts, behind a byte order mark.
    pub(crate) fn line_start(&self, byte: usize) -> usize {
        let line = self.line_starts.partition_point(|start| *start <= byte);
        let start = self.line_starts[line.saturating_sub(1)];
        if self.text[start..].starts_with(BYTE_ORDER_MARK) {
            start + BYTE_ORDER_MARK.len()
        } else {
            start
        }
    }

    /// Where the line after that of `byte` starts; `None` when nothing ends the line of `byte`.
    pub(crate) fn next_line(&self, byte: usize) -> Option<usize> {
        let line = self.line_starts.partition_point(|start| *start <= byte);
        self.line_starts.get(line).copied()
    }

    /// The line break that ends the line before `line_start`, else the first of the file, else
    /// `\n`.
    pub(crate) fn line_break(&self, line_start: Option<usize>) -> &'static str {
        let start = line_start.or_else(|| self.line_starts.get(1).copied());
        match start.map(|start| &self.bytes()[..start]) {
            Some(head) if head.ends_with(b"\r\n") => "\r\n",
            Some(head) if head.ends_with(b"\r") => "\r",
            _ => "\n",
        }
    }
}

/// The characters of the YAML 1.2 production `c-printable`.
fn is_printable(c: char) -> bool {
    matches!(
        c,
        '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..
    )
}

fn line_starts(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let mut starts = vec![0];
    for (index, byte) in bytes.iter().enumerate() {
        let ends = *byte == b'\n' || (*byte == b'\r' && bytes.get(index + 1) != Some(&b'\n'));
        if ends {
            starts.push(index + 1);
        }
    }
    starts
}

fn position_after(text: &str) -> Position {
    let starts = line_starts(text);
    let last = starts.last().copied().unwrap_or_default();
    let line = text[last..].trim_start_matches(BYTE_ORDER_MARK);
    Position {
        line: starts.len(),
        column: line.chars().count() + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_become_bytes_whatever_the_line_endings_and_characters() {
        let source = Source::new("\u{feff}a: ü # é\r\nb: x\rc: y\n".as_bytes()).unwrap();
        let char_at = |line, column| {
            let byte = source.byte(Marker::new(0, line, column)).unwrap();
            source.text()[byte..].chars().next()
        };
        assert_eq!(char_at(1, 0), Some('a'));
        assert_eq!(char_at(1, 3), Some('ü'));
        assert_eq!(char_at(1, 5), Some('#'));
        assert_eq!(char_at(2, 0), Some('b'));
        assert_eq!(char_at(3, 0), Some('c'));
        assert_eq!(source.byte(Marker::new(0, 9, 0)), None);
        assert_eq!(source.line_start(4), 3);
        assert_eq!(source.line_break(source.next_line(3)), "\r\n");
    }

    #[test]
    fn unusable_texts_are_named_with_their_place() {
        let problem = |bytes: &[u8]| {
            let problem = Source::new(bytes).err().unwrap();
            (problem.code, problem.at.line, problem.at.column)
        };
        assert_eq!(problem(b"a: b\nc: \xff\n"), (code::NOT_UTF8, 2, 4));
        assert_eq!(problem(b"\xff\xfea\0:\0"), (code::NOT_UTF8, 1, 1));
        assert_eq!(problem(b"a: b\nc\0: d"), (code::YAML_SYNTAX, 2, 2));
        assert_eq!(problem(&vec![b'#'; MAX_BYTES + 1]), (code::TOO_LARGE, 1, 1));
    }
}
