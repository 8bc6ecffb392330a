//! What must hold whatever upstream signs, however the configuration changes and whatever is lost: nothing stands under a
//! name that was not verified under it, no source stops the others, and nothing stays stuck.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "this is a test from end to end"
)]

mod bad_input;
mod changes;
mod evidence;
mod keys;
mod indexes;
mod memory;
mod misplaced;
mod newly_signed;
mod pair;
mod real;
mod replays;
mod sha1;
mod signers;
// Shared with the tests of the real clients.
mod softhsm;
mod tokens;

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
#[path = "../commands/site.rs"]
#[allow(dead_code, reason = "shared")]
mod site;
#[path = "../commands/upstream.rs"]
#[allow(dead_code, reason = "shared")]
mod upstream;
#[path = "../commands/watch.rs"]
#[allow(dead_code, reason = "shared")]
mod watch;
