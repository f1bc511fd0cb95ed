//! What ends a run where it hurts most, and the run after it: a kill that leaves no time to clean
//! up, a full disk, a hundred runs at once. The real command, the real Docker engine, and the
//! embedded registry and GitHub.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail as tests do"
)]

#[path = "../cli/bench.rs"]
#[expect(dead_code, reason = "shared with the tests of the command line")]
mod bench;
mod crowd;
mod disk;
mod gate;
mod interrupted;
mod killed;
#[path = "../cli/project.rs"]
#[expect(dead_code, reason = "shared with the tests of the command line")]
mod project;
mod proposal;
mod second;
#[path = "../cli/services.rs"]
#[expect(dead_code, reason = "shared with the tests of the command line")]
mod services;
