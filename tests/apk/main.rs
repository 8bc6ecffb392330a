//! The real apk accepts what we publish: versions 2.12.9 and 2.14.4, out of Alpine's own root file systems, update, search,
//! fetch and add from trees that the real binary made of real repositories.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "this is a test from end to end"
)]

mod client;
mod disaster;
mod folders;
mod gap;
mod history;
mod main_job;
mod rotation;
mod simulate;
mod solve;
mod stick;
mod tangles;
mod token;
mod update_step;

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
#[path = "../trust/softhsm.rs"]
#[allow(dead_code, reason = "shared")]
mod softhsm;
#[path = "../commands/upstream.rs"]
#[allow(dead_code, reason = "shared")]
mod upstream;
#[path = "../commands/watch.rs"]
#[allow(dead_code, reason = "shared")]
mod watch;
