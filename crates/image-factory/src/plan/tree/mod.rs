//! The files that builders see, each by the mode and the id that git has for it.
//!
//! A file counts as git keeps it: regular, executable or a link, and the id of its content, which
//! is the hash of `blob <length>\0<bytes>`. Where git's index says that a file is unchanged, its id
//! is taken from there; every other file is read and hashed the same way. So a clean tree, the same
//! tree with changes taken back, a copy without git and a tree that git never saw have one key. (In
//! a repository with SHA-256 objects ids are longer, and the key differs from that of a copy
//! without git.)
//!
//! The hash is SHA-1 where git's is. Whoever can make two files of one SHA-1 could swap them in a
//! commit, too; the hashing here refuses content made by the known attacks, as git does. What is
//! made of the ids, the key, is SHA-256.
//!
//! The index is asked only where its answer is certain: the file's stat is that in the index, the
//! file is older than the index but not than its attributes, and no attribute or setting converts the
//! file between the repository and the working tree ([`attributes`]). Split and sparse indexes are not used. Files
//! that git ignores, or does not know, are sent to the builder like all others; they are read. `.git`
//! is the one thing that never counts: it differs in every clone, and the merge of a pin is a commit,
//! so that an image which counted it would be built again by the merge of its own pin, for ever.

mod attributes;
mod blob;
mod disk;
mod dockerignore;
mod facts;
mod git;
mod listing;
mod view;

use std::sync::OnceLock;

use rayon::{ThreadPool, ThreadPoolBuilder};

pub(crate) use blob::FileMode;
pub(crate) use disk::{Disk, Files, GIT, interrupted};
pub(crate) use facts::Facts;
pub(crate) use git::Git;
pub(crate) use view::{Picked, Tree, View, Wanted, ignore_file, ignore_file_of_context};

/// What a thread may need to go down into folders, in bytes; only what is used takes memory.
const STACK: usize = 64 * 1024 * 1024;

/// The threads of this process for such work. Those of `rayon` itself have too little room.
static THREADS: OnceLock<Option<ThreadPool>> = OnceLock::new();

/// Runs `work` on threads with room to go down into deep folders.
pub(crate) fn on_threads<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let start = || ThreadPoolBuilder::new().stack_size(STACK).build().ok();
    match THREADS.get_or_init(start) {
        Some(threads) => threads.install(work),
        // Without threads to be had, those that are there must do.
        None => work(),
    }
}

#[cfg(test)]
mod tests;
