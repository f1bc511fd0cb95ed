use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rayon::ThreadPoolBuilder;
use rayon::prelude::*;

use super::edit::{Edit, edit};
use super::error::PinError;
use super::file::{self, Durable, SetOutcome, Staged};
use super::sync;
use crate::{PinPlace, PinnedImage};

/// Fewer renames than this are not worth another thread.
const RENAMES_A_THREAD: usize = 64;
/// More threads than this do not rename faster.
const MAX_THREADS: usize = 16;

/// One pin to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinRequest {
    /// The registry file.
    pub file: PathBuf,
    /// Which of its pins.
    pub place: PinPlace,
    /// The new image.
    pub image: PinnedImage,
}

/// A file, and the numbers of the requests about it.
struct Group {
    real: PathBuf,
    members: Vec<usize>,
}

/// The results of the members of a group, and the new file if there is one.
struct Prepared {
    results: Vec<(usize, Result<SetOutcome, PinError>)>,
    staged: Option<Staged>,
}

/// Sets many pins, in many files or several in one, and answers each request in its place.
///
/// Like [`set_file`](super::set_file), but quicker: files are edited side by side, and all new
/// texts are flushed to the disk together before the first takes the place of an old one. A file
/// gets all of its pins or none of them; one file's failure does not stop the others.
#[must_use]
pub fn set_files(requests: &[PinRequest]) -> Vec<Result<SetOutcome, PinError>> {
    let mut results: Vec<Option<Result<SetOutcome, PinError>>> = Vec::new();
    results.resize_with(requests.len(), || None);

    let groups = group(requests, &mut results);
    let durable = sync::when(groups.len());
    let prepared: Vec<Prepared> = groups
        .into_par_iter()
        .map(|group| prepare(group, requests, durable))
        .collect();

    let mut waiting = Vec::new();
    for Prepared {
        results: done,
        staged,
    } in prepared
    {
        let members: Vec<usize> = done.iter().map(|(member, _)| *member).collect();
        for (member, result) in done {
            results[member] = Some(result);
        }
        waiting.extend(staged.map(|staged| (staged, members)));
    }
    put_in_place(waiting, durable, requests, &mut results);

    let unanswered = |index: usize| PinError::HeldBack {
        file: requests[index].file.clone(),
    };
    let answers = results.into_iter().enumerate();
    answers
        .map(|(index, result)| result.unwrap_or_else(|| Err(unanswered(index))))
        .collect()
}

/// The requests by the file they lead to, so that no pin of a file overwrites another.
fn group(
    requests: &[PinRequest],
    results: &mut [Option<Result<SetOutcome, PinError>>],
) -> Vec<Group> {
    let mut folders: HashMap<&Path, io::Result<PathBuf>> = HashMap::new();
    for request in requests {
        let folder = file::folder(&request.file);
        folders
            .entry(folder)
            .or_insert_with(|| folder.canonicalize());
    }
    let real: Vec<Result<PathBuf, PinError>> = requests
        .par_iter()
        .map(|request| resolve(&request.file, &folders))
        .collect();

    let mut groups: Vec<Group> = Vec::new();
    let mut known: HashMap<PathBuf, usize> = HashMap::new();
    for (member, real) in real.into_iter().enumerate() {
        match real {
            Err(error) => results[member] = Some(Err(error)),
            Ok(real) => match known.get(&real) {
                Some(group) => groups[*group].members.push(member),
                None => {
                    known.insert(real.clone(), groups.len());
                    let members = vec![member];
                    groups.push(Group { real, members });
                }
            },
        }
    }
    groups
}

/// The file that a path leads to. The folder is looked up once for all of its files.
fn resolve(
    path: &Path,
    folders: &HashMap<&Path, io::Result<PathBuf>>,
) -> Result<PathBuf, PinError> {
    let unread = |source| PinError::Read {
        file: path.to_owned(),
        source,
    };
    let link = fs::symlink_metadata(path).map_err(unread)?.is_symlink();
    match (folders.get(file::folder(path)), path.file_name()) {
        (Some(Ok(folder)), Some(name)) if !link => Ok(folder.join(name)),
        _ => path.canonicalize().map_err(unread),
    }
}

fn prepare(group: Group, requests: &[PinRequest], durable: Durable) -> Prepared {
    let Group { real, members } = group;
    let refuse = |culprit: usize, error: PinError| {
        let held_back = |member: usize| PinError::HeldBack {
            file: requests[member].file.clone(),
        };
        let mut error = Some(error);
        let answer = |member| match error.take_if(|_| member == culprit) {
            Some(error) => (member, Err(error)),
            None => (member, Err(held_back(member))),
        };
        Prepared {
            results: members.iter().copied().map(answer).collect(),
            staged: None,
        }
    };
    let Some(first) = members.first().copied() else {
        return Prepared {
            results: Vec::new(),
            staged: None,
        };
    };
    let (mut text, metadata) = match file::read(&real, &requests[first].file) {
        Ok(read) => read,
        Err(error) => return refuse(first, error),
    };
    let mut changed = false;
    let mut results = Vec::with_capacity(members.len());
    for member in &members {
        let PinRequest { file, place, image } = &requests[*member];
        match edit(&text, place, image) {
            Ok(Edit::Unchanged) => results.push((*member, Ok(SetOutcome::AlreadySo))),
            Ok(Edit::Changed(new)) => {
                text = new;
                changed = true;
                results.push((*member, Ok(SetOutcome::Written)));
            }
            Err(error) => return refuse(*member, error.in_file(file)),
        }
    }
    if !changed {
        return Prepared {
            results,
            staged: None,
        };
    }
    match Staged::write(real, &text, &metadata, durable) {
        Ok(staged) => Prepared {
            results,
            staged: Some(staged),
        },
        Err(source) => {
            let file = requests[first].file.clone();
            refuse(first, PinError::Write { file, source })
        }
    }
}

/// Flushes the new texts, renames them, flushes the renames.
fn put_in_place(
    waiting: Vec<(Staged, Vec<usize>)>,
    durable: Durable,
    requests: &[PinRequest],
    results: &mut [Option<Result<SetOutcome, PinError>>],
) {
    let mut fail = |members: &[usize], error: &io::Error| {
        for member in members {
            let file = requests[*member].file.clone();
            let source = io::Error::new(error.kind(), error.to_string());
            results[*member] = Some(Err(PinError::Write { file, source }));
        }
    };
    let of_folder = |staged: &Staged| staged.folder().to_owned();
    let folders: BTreeSet<PathBuf> = waiting
        .iter()
        .map(|(staged, _)| of_folder(staged))
        .collect();
    if durable == Durable::Later
        && let Err(error) = sync::file_systems(&folders)
    {
        waiting
            .iter()
            .for_each(|(_, members)| fail(members, &error));
        return;
    }
    let mut renamed = Vec::new();
    for (result, members) in rename_all(waiting) {
        match result {
            Ok(()) => renamed.extend(members),
            Err(error) => fail(&members, &error),
        }
    }
    if let Err(error) = sync::folders(&folders) {
        fail(&renamed, &error);
    }
}

/// Renames side by side, in more threads than there are processors: a rename waits for the disk
/// more than it computes.
fn rename_all(waiting: Vec<(Staged, Vec<usize>)>) -> Vec<(io::Result<()>, Vec<usize>)> {
    let threads = waiting.len().div_ceil(RENAMES_A_THREAD).min(MAX_THREADS);
    let rename = |(staged, members): (Staged, _)| (staged.put_in_place(), members);
    match ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) if threads > 1 => pool.install(|| waiting.into_par_iter().map(rename).collect()),
        _ => waiting.into_iter().map(rename).collect(),
    }
}
