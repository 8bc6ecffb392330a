//! Two sites, and a third behind the second, with no network between them: what one sends the other has, and nothing else is
//! ever in force there, whatever becomes of the medium on its way.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "this is a test from end to end"
)]

mod bombs;
mod damaged;
mod forged;
mod handmade;
mod names;
mod order;
mod repair;
mod rounds;
mod sender;
mod sites;
mod trouble;

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
