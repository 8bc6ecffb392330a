//! Runs that end before their time: killed before each durable step they count, killed at random instants, asked to stop,
//! out of disk or of permission, on a store that was damaged. What clients see is whole at every such moment, and the next
//! run goes on where this one ended.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "this is a test from end to end"
)]

mod bundles;
mod damage;
mod ground;
mod instants;
mod repair;
mod steps;
mod switches;
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
