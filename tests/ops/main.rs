//! Living on a server: the daemon through its real signals, metrics, who is told, and what is bad input to all of it.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "this is a test from end to end"
)]

mod bad_input;
mod daemon;
mod journal;
mod metrics;
mod pages;
mod told;
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
#[path = "../commands/served.rs"]
#[allow(dead_code, reason = "shared")]
mod served;
#[path = "../commands/upstream.rs"]
#[allow(dead_code, reason = "shared")]
mod upstream;
