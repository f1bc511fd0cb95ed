//! The images of a Dockerfile that is not understood as a whole.

use std::collections::{BTreeMap, BTreeSet};

use registry_model::Platform;

use super::lines::{Lines, words};
use super::variables::Variables;
use super::{Analysis, Base, Unknown, Unsure, Visible, fetched, is_plain};

/// Looks through all instructions for images, whatever else is there: those of stages that are not
/// built count, too. What is seen of the context is not known then.
pub(super) fn analyse(
    lines: &Lines,
    args: &[(String, String)],
    platforms: &[Platform],
) -> Analysis {
    let mut scan = Scan {
        stages: Vec::new(),
        analysis: Analysis {
            visible: Visible::Everything,
            bases: BTreeMap::new(),
            unknown: Vec::new(),
            fetched: Vec::new(),
            stages: BTreeSet::new(),
        },
    };
    scan.stages = lines
        .instructions
        .iter()
        .filter_map(|line| from(&words(&line.text, lines.escape)).map(|(_, name)| name))
        .collect();
    scan.analysis.stages = scan.stages.iter().flatten().cloned().collect();
    // Which image it is may differ by platform.
    let each = platforms.iter().map(Some);
    for platform in each.chain(platforms.is_empty().then_some(None)) {
        scan.read(lines, Variables::new(args, lines.escape, platform));
    }
    scan.analysis
}

struct Scan {
    /// The names of all stages, in lower case, in their order.
    stages: Vec<Option<String>>,
    analysis: Analysis,
}

/// The image that a stage begins with, and the name of the stage.
fn from(words: &[String]) -> Option<(&str, Option<String>)> {
    let (keyword, rest) = words.split_first()?;
    if !keyword.eq_ignore_ascii_case("FROM") {
        return None;
    }
    let mut rest = rest.iter().skip_while(|word| word.starts_with("--"));
    let image = rest.next()?;
    let named = rest.next().filter(|word| word.eq_ignore_ascii_case("AS"));
    let name = named.and_then(|_| Some(rest.next()?.to_lowercase()));
    Some((image, name))
}

impl Scan {
    fn read(&mut self, lines: &Lines, mut variables: Variables<'_>) {
        let mut begun = 0;
        for line in &lines.instructions {
            let mut words = words(&line.text, lines.escape);
            if words
                .first()
                .is_some_and(|word| word.eq_ignore_ascii_case("ONBUILD"))
            {
                words.remove(0);
            }
            if let Some((image, _)) = from(&words) {
                let filled = variables.fill_in(image);
                let earlier = |name: &str| {
                    let mut earlier = self.stages.iter().take(begun).flatten();
                    earlier.any(|stage| stage == name)
                };
                match filled {
                    Ok(name) if earlier(&name.to_lowercase()) => {}
                    Ok(name) => self.base(&name, line.number, true),
                    Err(Unsure) => self.unknown(image, line.number),
                }
                begun += 1;
                continue;
            }
            let Some((keyword, rest)) = words.split_first() else {
                continue;
            };
            match keyword.to_uppercase().as_str() {
                "ARG" if begun == 0 => variables.declare(&rest.join(" ")),
                "COPY" | "ADD" => {
                    for word in flags(rest) {
                        if let Some(name) = word.strip_prefix("--from=") {
                            self.named(name, line.number);
                        }
                    }
                    if keyword.eq_ignore_ascii_case("ADD") {
                        self.added(rest, line.number);
                    }
                }
                "RUN" => {
                    for word in flags(rest) {
                        let fields = word.strip_prefix("--mount=").unwrap_or_default();
                        for field in unquoted(fields).split(',') {
                            if let Some(("from", name)) = field.split_once('=') {
                                self.named(name, line.number);
                            }
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// What `ADD` fetches, with or without the brackets of a list.
    fn added(&mut self, words: &[String], line: usize) {
        if flags(words).any(|flag| flag.starts_with("--checksum=")) {
            return;
        }
        for word in words.iter().skip(flags(words).count()) {
            let text = unquoted(word);
            let text = text.trim_matches(['[', ']', ',']).to_owned();
            let unknown = Unknown { line, text };
            if fetched::may_change(&unknown.text) && !self.analysis.fetched.contains(&unknown) {
                self.analysis.fetched.push(unknown);
            }
        }
    }

    /// Another stage or an image.
    fn named(&mut self, text: &str, line: usize) {
        let name = unquoted(text);
        let lower = name.to_lowercase();
        let number = lower.parse::<usize>();
        let is_stage = number.is_ok_and(|number| number < self.stages.len())
            || self.stages.iter().flatten().any(|stage| *stage == lower);
        match is_plain(&name) {
            true if is_stage => {}
            true => self.base(&name, line, false),
            false => self.unknown(text, line),
        }
    }

    fn base(&mut self, name: &str, line: usize, begins: bool) {
        if name.is_empty() || name.contains(char::is_whitespace) {
            return self.unknown(name, line);
        }
        Base::note(&mut self.analysis.bases, name, line, begins);
    }

    fn unknown(&mut self, text: &str, line: usize) {
        let unknown = Unknown {
            line,
            text: text.to_owned(),
        };
        if !self.analysis.unknown.contains(&unknown) {
            self.analysis.unknown.push(unknown);
        }
    }
}

fn flags(words: &[String]) -> impl Iterator<Item = &str> {
    let flags = words.iter().take_while(|word| word.starts_with("--"));
    flags.map(String::as_str)
}

/// Without quotes: no name of an image or a stage has any.
pub(super) fn unquoted(text: &str) -> String {
    text.replace(['"', '\''], "")
}
