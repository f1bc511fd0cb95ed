//! A GitHub API for one machine: the part of the REST API that the pipeline uses, in front of bare
//! git repositories in a folder.
//!
//! Objects, branches and merges are git's own, made with its plumbing commands, so that what the
//! API answers and what `git` reads from [`EmbeddedGithub::git_dir`] is one and the same. Pull
//! requests, issues, comments, labels, commit statuses and started workflows live in memory. Status codes
//! and bodies are GitHub's: the tests check every one of them against GitHub's own description. The
//! API is served at `/` and, as on a GitHub Enterprise Server, below `/api/v3`.
//!
//! The token tells who it is: one that begins with `ghs_actions` is `github-actions[bot]`, another
//! `ghs_` a GitHub App's bot, and any other a person. As on GitHub, a commit whose request names
//! neither author nor committer is reported as verified when a bot makes it, and any other is not.
//! (Nothing is really signed here.)
//!
//! Tests can make it fail: see [`Fault`].

mod answer;
mod comments;
mod commits;
mod compare;
mod contents;
mod dispatches;
mod error;
mod faults;
mod git;
mod graphql;
mod identity;
mod issues;
mod known;
mod labels;
mod merge;
mod names;
mod pages;
mod pulls;
mod refs;
mod repository;
mod reviewers;
mod routes;
mod server;
mod statuses;
mod swap;
mod trees;
mod version;
mod writing;

pub use dispatches::Dispatch;
pub use error::EmbeddedGithubError;
pub use faults::Fault;
pub use server::{EmbeddedGithub, EmbeddedGithubOptions};
