//! The `github` client against the embedded GitHub API, and the API's own answers. Every request
//! and every answer is checked against GitHub's own description of its API: see `openapi`.
#![expect(clippy::unwrap_used, reason = "the helpers of the tests are tests too")]

#[path = "github/branches.rs"]
mod branches;
#[path = "github/clients.rs"]
mod clients;
#[path = "github/commits.rs"]
mod commits;
#[path = "github/description.rs"]
mod description;
#[path = "github/faults.rs"]
mod faults;
#[path = "github/graphql.rs"]
mod graphql;
#[path = "github/hostile.rs"]
mod hostile;
#[path = "github/identities.rs"]
mod identities;
#[path = "github/issues.rs"]
mod issues;
#[path = "github/load.rs"]
mod load;
#[path = "github/merging.rs"]
mod merging;
#[path = "github/openapi.rs"]
mod openapi;
#[path = "github/proposals.rs"]
mod proposals;
#[path = "github/recorder.rs"]
mod recorder;
#[path = "github/refusals.rs"]
mod refusals;
#[path = "github/requests.rs"]
mod requests;
#[path = "github/servers.rs"]
mod servers;
#[path = "github/support.rs"]
mod support;
#[path = "github/workflows.rs"]
mod workflows;
