//! What the client does when GitHub, or the way to it, fails: against a server that follows a script.
#![expect(clippy::unwrap_used, reason = "the helpers of the tests are tests too")]

mod branches;
mod calls;
mod checks;
mod issues;
mod limits;
mod pulls;
mod script;
