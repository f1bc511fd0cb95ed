use std::collections::BTreeSet;
use std::path::Path;

use github::{Ahead, CommitSha};
use registry_model::Edit;

use super::changes::PinChanges;
use super::forge::Forge;
use crate::FactoryError;

/// A list of files that is as long as this may be cut.
pub(super) const FILES: usize = 300;

/// What a request has of pins that the report says nothing of, the first such file: they would be
/// lost if the request went. A run for some of the processors has nothing to say of the others.
pub(super) async fn lost<F: Forge>(
    forge: &F,
    changes: &PinChanges,
    base: &CommitSha,
    head: &CommitSha,
    ahead: &Ahead,
) -> Result<Option<String>, FactoryError> {
    let known: BTreeSet<&Path> = changes.reported().map(|(file, ..)| file).collect();
    let whole = changes.is_whole();
    if ahead.files.len() >= FILES && !(whole && changes.partial.is_empty()) {
        return Ok(Some(format!("files beyond the {FILES} that GitHub lists")));
    }
    let quoted = |file: &str| Some(format!("`{file}`"));
    for file in &ahead.files {
        let path = Path::new(file);
        if known.contains(path) {
            if !changes.partial.iter().any(|one| one == path) {
                continue;
            }
        } else if whole {
            // The registry does not have it any more.
            continue;
        }
        let Some(theirs) = forge.read_file(head.as_str(), file).await? else {
            return Ok(quoted(file));
        };
        let theirs = known_aside(changes, path, theirs);
        // Their own parent tells what they changed, even if the base branch has moved on.
        let parent = ahead
            .commits
            .first()
            .and_then(|first| first.parents.first());
        let mut same = false;
        for before in [Some(base), parent].into_iter().flatten() {
            same |= match forge.read_file(before.as_str(), file).await? {
                Some(text) => theirs.is_some() && known_aside(changes, path, text) == theirs,
                // Nobody needs pins of what the base branch does not have.
                None => before == base,
            };
            if same {
                break;
            }
        }
        if !same {
            return Ok(quoted(file));
        }
    }
    Ok(None)
}

/// A registry file with all pins that the report speaks of set alike: what differs then is none of
/// them.
fn known_aside(changes: &PinChanges, file: &Path, mut text: Vec<u8>) -> Option<Vec<u8>> {
    for (_, place, image) in changes.reported().filter(|(of, ..)| *of == file) {
        match registry_model::edit(&text, &place, image) {
            Ok(Edit::Changed(new)) => text = new,
            Ok(Edit::Unchanged) => {}
            Err(_) => return None,
        }
    }
    Some(text)
}
