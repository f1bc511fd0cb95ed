//! A GitHub API for one machine: the part of the REST API that the pipeline uses, in front of bare
//! git repositories in a folder.
//!
//! Objects, branches and merges are git's own, made with its plumbing commands, so that what the
//! API answers and what `git` reads from [`EmbeddedGithub::git_dir`] is one and the same. Pull
//! requests live in memory. Status codes and error bodies are GitHub's: a client that handles them
//! here handles them there. The API is served at `/` and, as on a GitHub Enterprise Server, below
//! `/api/v3`.
//!
//! As with a bot's token on GitHub, a commit whose request names neither author nor committer is
//! made by a bot and reported as verified; any other is not. (Nothing is really signed here.)

mod answer;
mod commits;
mod compare;
mod contents;
mod error;
mod git;
mod merge;
mod pulls;
mod refs;
mod repository;
mod server;
mod trees;
mod version;

pub use error::EmbeddedGithubError;
pub use server::{EmbeddedGithub, EmbeddedGithubOptions};
