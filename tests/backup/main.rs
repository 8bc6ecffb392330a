//! A disk that is put away: what is wrong with it is found and named, what can be had of it still is, and a run that is stopped
//! at any moment loses nothing.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "this is a test from end to end"
)]

mod flips;
mod hostile;
mod night;
mod part;
mod pruned;
mod stopped;
mod trouble;
mod world;

// Shared with the command tests, each using what it needs.
#[path = "../commands/env.rs"]
#[allow(dead_code, reason = "shared")]
mod env;
#[path = "../commands/fixture.rs"]
#[allow(dead_code, reason = "shared")]
mod fixture;
#[path = "../commands/oracle.rs"]
#[allow(dead_code, reason = "shared")]
mod oracle;
#[path = "../commands/upstream.rs"]
#[allow(dead_code, reason = "shared")]
mod upstream;
