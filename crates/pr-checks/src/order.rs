//! Whether checks make sense together, and which comes before which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

use crate::place::normal;
use crate::{Check, CheckName, ChecksError, Parser, parser};

/// Where the command of a check names its file of this run.
pub(crate) const REPORT: &str = "{report}";

/// Looks at all of them; returns them so that what is needed comes first.
pub(crate) fn ordered(checks: &[Check]) -> Result<Vec<&Check>, ChecksError> {
    let mut known: BTreeMap<&CheckName, &Check> = BTreeMap::new();
    for check in checks {
        alone(check)?;
        if known.insert(&check.name, check).is_some() {
            return Err(ChecksError::Twice {
                name: check.name.clone(),
            });
        }
    }
    for check in checks {
        if let Some(need) = check.needs.iter().find(|need| !known.contains_key(need)) {
            return Err(ChecksError::UnknownNeed {
                check: check.name.clone(),
                need: need.clone(),
                known: checks.iter().map(|check| check.name.clone()).collect(),
            });
        }
    }
    let mut order: Vec<&Check> = Vec::new();
    let mut placed: BTreeSet<&CheckName> = BTreeSet::new();
    while order.len() < checks.len() {
        let ready = checks.iter().filter(|check| {
            !placed.contains(&check.name) && check.needs.iter().all(|need| placed.contains(need))
        });
        let ready: Vec<&Check> = ready.collect();
        if ready.is_empty() {
            return Err(ChecksError::Cycle {
                cycle: cycle(checks, &placed),
            });
        }
        placed.extend(ready.iter().map(|check| &check.name));
        order.extend(ready);
    }
    Ok(order)
}

/// Of the checks that are never ready, some that need each other.
fn cycle(checks: &[Check], placed: &BTreeSet<&CheckName>) -> Vec<CheckName> {
    let open = |name: &CheckName| {
        let unplaced = |check: &&Check| check.name == *name && !placed.contains(&check.name);
        checks.iter().find(unplaced)
    };
    let mut path: Vec<CheckName> = Vec::new();
    let mut next = checks.iter().find(|check| !placed.contains(&check.name));
    while let Some(check) = next {
        if let Some(start) = path.iter().position(|name| *name == check.name) {
            return path.split_off(start);
        }
        path.push(check.name.clone());
        next = check.needs.iter().find_map(open);
    }
    path
}

/// What is wrong with one check by itself.
fn alone(check: &Check) -> Result<(), ChecksError> {
    if check.command.first().is_none_or(String::is_empty) {
        return Err(ChecksError::EmptyCommand {
            check: check.name.clone(),
        });
    }
    let reports = check.parser.reports();
    let paths = reports.iter().map(|report| check.directory.join(report));
    for path in paths.chain([check.directory.clone()]) {
        let inside = normal(&path).is_some_and(|_| path.is_relative());
        if !inside || reports.iter().any(|report| report.is_absolute()) {
            return Err(ChecksError::Outside {
                check: check.name.clone(),
                path,
            });
        }
    }
    let names = reports.len() + usize::from(writes_report(check));
    if check.parser.needs_report() && names == 0 {
        return Err(ChecksError::NoReport {
            check: check.name.clone(),
        });
    }
    if let Parser::Pattern { expression } = &check.parser {
        let compiled =
            parser::expression(expression).map_err(|source| ChecksError::Expression {
                check: check.name.clone(),
                source,
            })?;
        if !compiled.capture_names().any(|name| name == Some("message")) {
            return Err(ChecksError::NoMessage {
                check: check.name.clone(),
            });
        }
    }
    globs(check, &check.paths)?;
    globs(check, &check.inputs)?;
    Ok(())
}

/// Whether its command writes a file of this run.
pub(crate) fn writes_report(check: &Check) -> bool {
    check.command.iter().any(|word| word.contains(REPORT))
}

/// Globs of a check, as one.
pub(crate) fn globs(check: &Check, globs: &[String]) -> Result<GlobSet, ChecksError> {
    let failed = |glob: &str, source| ChecksError::Glob {
        check: check.name.clone(),
        glob: glob.to_owned(),
        source,
    };
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(compiled(glob).map_err(|source| failed(glob, source))?);
    }
    set.build()
        .map_err(|source| failed(&globs.join(", "), source))
}

fn compiled(glob: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(glob).literal_separator(true).build()
}

/// A path of a check from the root of the repository.
pub(crate) fn from_root(check: &Check, path: &Path) -> Option<String> {
    let path = normal(&check.directory.join(path))?;
    path.to_str().map(str::to_owned)
}
