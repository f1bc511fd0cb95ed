//! The table of crates in `docs/architecture.md` is the rule: these tests read it from there and
//! hold it against what the manifests say. Only what is shipped counts: a test may use any crate.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

type Table = BTreeMap<String, BTreeSet<String>>;

const HEAD: &str = "| crate | owns | may depend on |";

fn parse(document: &str) -> Result<Table, String> {
    let mut lines = document.lines().skip_while(|line| line.trim() != HEAD);
    if lines.next().is_none() {
        return Err(format!("no line {HEAD:?}"));
    }
    let rows: Vec<&str> = lines
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .collect();
    let name_of = |cell: &str| cell.trim().trim_matches('`').to_owned();
    let names: BTreeSet<String> = rows
        .iter()
        .filter_map(|row| row.split('|').nth(1).map(name_of))
        .collect();
    let mut table = Table::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').collect();
        let [_, name, _, allowed, _] = cells.as_slice() else {
            return Err(format!("not three cells: {row}"));
        };
        let name = name_of(name);
        let allowed: BTreeSet<String> = match allowed.trim() {
            "–" => BTreeSet::new(),
            "all but `xtask`" => names
                .iter()
                .filter(|it| **it != name && *it != "xtask")
                .cloned()
                .collect(),
            list => list.split(',').map(name_of).collect(),
        };
        if let Some(unknown) = allowed.difference(&names).next() {
            return Err(format!("{name} may depend on {unknown}, which has no row"));
        }
        table.insert(name, allowed);
    }
    Ok(table)
}

/// What the manifests have and the table does not allow, and rows and crates without the other.
fn violations(table: &Table, actual: &Table) -> Vec<String> {
    let mut found = Vec::new();
    for (name, dependencies) in actual {
        let Some(allowed) = table.get(name) else {
            found.push(format!("{name} has no row in the table"));
            continue;
        };
        let forbidden = dependencies.difference(allowed);
        found.extend(forbidden.map(|other| format!("{name} must not depend on {other}")));
    }
    let gone = table.keys().filter(|name| !actual.contains_key(*name));
    found.extend(gone.map(|name| format!("{name} is in the table and is no crate")));
    found
}

fn manifests() -> Table {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let packages = metadata.workspace_packages();
    let names: BTreeSet<&str> = packages.iter().map(|it| it.name.as_str()).collect();
    let dependencies_of = |package: &cargo_metadata::Package| {
        let dependencies = package.dependencies.iter();
        dependencies
            .filter(|it| it.kind != DependencyKind::Development)
            .filter(|it| names.contains(it.name.as_str()))
            .map(|it| it.name.clone())
            .collect()
    };
    packages
        .iter()
        .map(|package| (package.name.to_string(), dependencies_of(package)))
        .collect()
}

#[test]
fn the_crates_depend_on_each_other_as_the_architecture_says() {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/architecture.md");
    let table = parse(&std::fs::read_to_string(document).unwrap()).unwrap();
    let found = violations(&table, &manifests());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_forbidden_dependency_is_found() {
    let document = "text\n\n| crate | owns | may depend on |\n| --- | --- | --- |\n\
                    | `a` | x | – |\n| `b` | y | `a` |\n| `c` | z | all but `xtask` |\n\
                    | `xtask` | t | `a`, `b` |\n\nmore | text |\n";
    let table = parse(document).unwrap();
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(table["c"], set(&["a", "b"]));
    assert_eq!(table["xtask"], set(&["a", "b"]));
    let actual = Table::from([
        ("a".to_owned(), set(&["b"])),
        ("b".to_owned(), set(&["a"])),
        ("d".to_owned(), set(&[])),
        ("xtask".to_owned(), set(&[])),
    ]);
    assert_eq!(
        violations(&table, &actual),
        [
            "a must not depend on b",
            "d has no row in the table",
            "c is in the table and is no crate",
        ]
    );
}

#[test]
fn a_table_that_cannot_be_read_is_an_error() {
    assert!(parse("no table").is_err());
    let unknown = format!("{HEAD}\n| --- | --- | --- |\n| `a` | x | `nobody` |\n");
    assert!(parse(&unknown).unwrap_err().contains("nobody"));
    let short = format!("{HEAD}\n| --- | --- | --- |\n| `a` | x |\n");
    assert!(parse(&short).is_err());
}
