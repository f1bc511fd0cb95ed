//! The instructions of a Dockerfile, each on one line, and where here-documents are.
//!
//! Source: moby/buildkit, `frontend/dockerfile/parser`.

/// A Dockerfile taken apart.
#[derive(Debug)]
pub(super) struct Lines {
    /// The text without the here-documents of `RUN`: what is in them is no instruction, wherever
    /// the line names them. Lines and places are those of the whole text.
    pub(super) text: String,
    pub(super) instructions: Vec<Line>,
    pub(super) escape: char,
}

/// An instruction without its line breaks and its here-documents.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Where it begins, from 1.
    pub(super) number: usize,
    pub(super) text: String,
}

/// A here-document that a line announces.
struct HereDoc {
    end: String,
    /// `<<-`: its lines may begin with tabs.
    tabs: bool,
}

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let escape = escape(text);
        let raw: Vec<&str> = text.split_inclusive('\n').collect();
        let mut blanked = String::with_capacity(text.len());
        let mut instructions = Vec::new();
        let mut at = 0;
        while let Some(first) = raw.get(at) {
            let from = at;
            at += 1;
            let bare = first.trim_start_matches('\u{feff}').trim();
            if bare.is_empty() || bare.starts_with('#') {
                blanked.push_str(first);
                continue;
            }
            let (mut line, mut goes_on) = without_continuation(bare, escape);
            while let (true, Some(next)) = (goes_on, raw.get(at)) {
                at += 1;
                let next = next.trim();
                if !next.is_empty() && !next.starts_with('#') {
                    let (more, again) = without_continuation(next, escape);
                    line.push(' ');
                    line.push_str(&more);
                    goes_on = again;
                }
            }
            let (here_docs, is_run) = announced(&line, escape);
            let behind = behind(&raw, at, &here_docs);
            for raw in &raw[from..at] {
                match is_run && behind > at {
                    true => blanked.push_str(&raw.replace("<<", "::")),
                    false => blanked.push_str(raw),
                }
            }
            for raw in &raw[at..behind] {
                match is_run {
                    true => blanked.extend(raw.bytes().map(|b| match b {
                        b'\n' | b'\r' => char::from(b),
                        _ => ' ',
                    })),
                    false => blanked.push_str(raw),
                }
            }
            at = behind;
            instructions.push(Line {
                number: from + 1,
                text: line,
            });
        }
        Self {
            text: blanked,
            instructions,
            escape,
        }
    }
}

/// The character of the directive `# escape=`.
fn escape(text: &str) -> char {
    for line in text.trim_start_matches('\u{feff}').lines() {
        let directive = line.trim().strip_prefix('#');
        let Some((name, value)) = directive.and_then(|text| text.split_once('=')) else {
            break;
        };
        if name.trim().eq_ignore_ascii_case("escape") && value.trim() == "`" {
            return '`';
        }
    }
    '\\'
}

fn without_continuation(line: &str, escape: char) -> (String, bool) {
    match line.strip_suffix(escape) {
        Some(line) if !line.ends_with(escape) => (line.to_owned(), true),
        _ => (line.to_owned(), false),
    }
}

/// The here-documents of an instruction, and whether it is `RUN`.
fn announced(line: &str, escape: char) -> (Vec<HereDoc>, bool) {
    let mut words = words(line, escape).into_iter();
    let mut keyword = words.next().unwrap_or_default().to_uppercase();
    if keyword == "ONBUILD" {
        keyword = words.next().unwrap_or_default().to_uppercase();
    }
    let here_docs = match keyword.as_str() {
        "RUN" | "COPY" | "ADD" => words.filter_map(|word| HereDoc::read(&word)).collect(),
        _ => Vec::new(),
    };
    (here_docs, keyword == "RUN")
}

impl HereDoc {
    /// `<<EOF`, `3<<-'EOF'`.
    fn read(word: &str) -> Option<Self> {
        let end = word.trim_start_matches(|c: char| c.is_ascii_digit());
        let end = end.strip_prefix("<<")?;
        let (end, tabs) = match end.strip_prefix('-') {
            Some(end) => (end, true),
            None => (end, false),
        };
        let end: String = end
            .chars()
            .filter(|c| !matches!(c, '"' | '\'' | '\\'))
            .collect();
        (!end.is_empty() && !end.contains('<')).then_some(Self { end, tabs })
    }
}

/// The line behind the last of the here-documents that begin at `at`. One without an end is none.
fn behind(raw: &[&str], at: usize, here_docs: &[HereDoc]) -> usize {
    let mut from = at;
    for here_doc in here_docs {
        let is_end = |line: &&str| {
            let line = line.trim_end_matches(['\n', '\r']);
            let line = match here_doc.tabs {
                true => line.trim_start_matches('\t'),
                false => line,
            };
            line == here_doc.end
        };
        match raw.iter().skip(from).position(is_end) {
            Some(length) => from += length + 1,
            None => return at,
        }
    }
    from
}

/// The words of a line; quotes and escapes stay in them.
pub(super) fn words(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match quote {
            None if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            None if c == '"' || c == '\'' => quote = Some(c),
            Some(open) if c == open => quote = None,
            _ => {}
        }
        word.push(c);
        if c == escape && quote != Some('\'') {
            word.extend(chars.next());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        let lines = Lines::of(text);
        assert_eq!(lines.text.lines().count(), text.lines().count(), "{text}");
        lines
            .instructions
            .into_iter()
            .map(|line| format!("{} {}", line.number, line.text))
            .collect()
    }

    #[test]
    fn here_documents_are_no_instructions_wherever_they_are_named() {
        for (run, body, end) in [
            ("RUN <<EOF", "FROM x", "EOF"),
            ("RUN python3 - <<EOF", "FROM x", "EOF"),
            ("RUN cat <<'EOF' > /x", "FROM x", "EOF"),
            ("run cat <<-\"E\" | sh", "FROM x", "\tE"),
            ("RUN cat 3<<EOF <<MORE", "FROM x\nEOF\nFROM y", "MORE"),
            ("ONBUILD RUN cat <<EOF", "FROM x", "EOF"),
            ("COPY <<EOF /x", "FROM x", "EOF"),
        ] {
            let told = lines(&format!("FROM a\n{run}\n{body}\n{end}\nCMD b\n"));
            assert_eq!(told.len(), 3, "{run}: {told:?}");
            assert!(told[2].ends_with(" CMD b"), "{told:?}");
        }
        for run in [
            "RUN echo \"<<EOF\"",
            "RUN echo $((1 << 2))",
            "RUN cat <<<EOF",
            "RUN a<<EOF",
            "CMD cat <<EOF",
            "RUN cat <<NOWHERE",
        ] {
            let told = lines(&format!("FROM a\n{run}\nFROM x\nEOF\n"));
            assert_eq!(told.len(), 4, "{run}: {told:?}");
        }
        let text = Lines::of("FROM a\nRUN cat <<EOF > /x\r\nÄ b\r\nEOF\r\nCMD b").text;
        assert_eq!(text, "FROM a\nRUN cat ::EOF > /x\r\n    \r\n   \r\nCMD b");
    }

    #[test]
    fn lines_are_put_together_as_the_builder_does() {
        let text = "# escape=`\nRUN a `\n\n  # no\n  b\\\nCMD c `\n";
        assert_eq!(lines(text), ["2 RUN a  b\\", "6 CMD c "]);
        assert_eq!(lines("RUN a \\\n b"), ["1 RUN a  b"]);
    }
}
