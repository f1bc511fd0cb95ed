use roxmltree::Node;

use super::{FileLines, Measured, Tally};
use crate::parser::Unreadable;
use crate::place::Place;
use crate::xml;

/// Sources and files are tried in all pairs.
const MOST_SOURCES: usize = 20;

/// What Cobertura's XML says. The sums are counted, not taken from the attributes.
pub(super) fn read(text: &str, place: &Place) -> Result<Measured, Unreadable> {
    let document = xml::parse(text).map_err(|error| Unreadable::new("the coverage XML", &error))?;
    let root = document.root_element();
    if !root.has_tag_name("coverage") {
        let why = format!("it is a <{}>", root.tag_name().name());
        return Err(Unreadable::new("the coverage XML", &why));
    }
    let sources: Vec<&str> = document
        .descendants()
        .filter(|node| node.has_tag_name("source"))
        .filter_map(|node| node.text())
        .take(MOST_SOURCES)
        .collect();
    let mut measured = Measured::default();
    let classes = document.descendants();
    for class in classes.filter(|node| node.has_tag_name("class")) {
        let Some(name) = class.attribute("filename") else {
            continue;
        };
        let mut lines = FileLines::default();
        // Lines of methods stand there once more.
        let listed = class.children().find(|node| node.has_tag_name("lines"));
        for line in listed.iter().flat_map(Node::children) {
            add(line, &mut lines, &mut measured.branches);
        }
        // A line of two classes is covered when one of them says so.
        lines.missing.retain(|line| !lines.covered.contains(line));
        measured.lines.covered += lines.covered.len() as u64;
        measured.lines.all += (lines.covered.len() + lines.missing.len()) as u64;
        if let Some(file) = file(name, &sources, place) {
            let known = measured.files.entry(file).or_default();
            known.covered.append(&mut lines.covered);
            known.missing.append(&mut lines.missing);
            let covered = &known.covered;
            known.missing.retain(|line| !covered.contains(line));
        }
    }
    Ok(measured)
}

fn add(line: Node<'_, '_>, lines: &mut FileLines, branches: &mut Tally) {
    let number = |name| line.attribute(name)?.parse::<u64>().ok();
    let (Some(at), Some(hits)) = (number("number"), number("hits")) else {
        return;
    };
    match hits {
        0 => lines.missing.insert(at),
        _ => lines.covered.insert(at),
    };
    if let Some(tally) = line.attribute("condition-coverage").and_then(conditions) {
        branches.covered = branches.covered.saturating_add(tally.covered);
        branches.all = branches.all.saturating_add(tally.all);
    }
}

/// 1 and 2 of `50% (1/2)`.
fn conditions(text: &str) -> Option<Tally> {
    let (_, inner) = text.split_once('(')?;
    let (covered, all) = inner.strip_suffix(')')?.split_once('/')?;
    let (covered, all) = (covered.parse().ok()?, all.parse().ok()?);
    (covered <= all).then_some(Tally { covered, all })
}

/// The file of a class: below the source where it is, else where it could be.
fn file(name: &str, sources: &[&str], place: &Place) -> Option<String> {
    let below = |source: &&str| place.relative(&format!("{}/{name}", source.trim_end_matches('/')));
    let mut places: Vec<String> = sources.iter().filter_map(below).collect();
    // Sources of a container or another machine are nowhere here.
    places.extend(place.relative(name));
    let there = places.iter().position(|path| place.has(path)).unwrap_or(0);
    (there < places.len()).then(|| places.swap_remove(there))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    const REAL: &str = include_str!("../../tests/fixtures/coverage.xml");

    #[test]
    fn the_source_where_the_file_is_counts() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("code/b")).unwrap();
        std::fs::write(root.path().join("code/b/x.py"), "").unwrap();
        let place = Place::new(root.path(), Path::new("code"));
        assert_eq!(
            file("x.py", &["a", "b"], &place).as_deref(),
            Some("code/b/x.py")
        );
        assert_eq!(
            file("y.py", &["/app", "b"], &place).as_deref(),
            Some("code/b/y.py")
        );
        assert_eq!(
            file("y.py", &["/app"], &place).as_deref(),
            Some("code/y.py")
        );
        assert_eq!(file("../../y.py", &["/app"], &place), None);
    }

    #[test]
    fn anything_else_cannot_be_read() {
        let place = Place::new(Path::new("/repo"), Path::new("code"));
        for text in ["", "<html/>", "<coverage>", "{}"] {
            assert!(read(text, &place).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_that_cannot_be_are_left_out() {
        let place = Place::new(Path::new("/repo"), Path::new("code"));
        let text = "<coverage><class filename='a.py'><lines><line number='-1' hits='1'/>\
            <line number='2' hits='x'/><line number='3' hits='99999999999999999999'/>\
            <line number='4' hits='1' condition-coverage='9% (3/2)'/></lines></class></coverage>";
        let measured = read(text, &place).unwrap();
        assert_eq!(measured.lines, Tally { covered: 1, all: 1 });
        assert_eq!(measured.branches, Tally::default());
    }

    proptest! {
        #[test]
        fn a_torn_file_is_no_panic(at in 0..REAL.len(), noise in "[<>/&\"0-9a]{0,5}") {
            let place = Place::new(Path::new("/repo"), Path::new("code"));
            if let (Some(head), Some(tail)) = (REAL.get(..at), REAL.get(at..)) {
                let _ = read(&format!("{head}{noise}{tail}"), &place);
            }
        }
    }
}
