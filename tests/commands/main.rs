//! The commands, run as a user runs them: the real binary in a sealed environment, against an upstream that misbehaves on
//! demand. A command test shows that the wiring is right; the rules are tested beside the code.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "this is a test from end to end"
)]

mod bundle;
mod configuration;
mod audit;
mod bad_input;
mod bundled;
mod doctor;
mod folders;
mod gate;
mod held;
mod incomplete;
mod history;
mod loose;
mod prune;
mod readme;
mod readme_by_hand;
mod readme_gap;
mod receipt;
mod repair;
mod rotation;
mod rules;
mod served;
mod site;
mod sources_in_trouble;
mod state;
mod sync;
mod tools;
mod usual_troubles;
mod why;

// Shared with the tests of the real clients, each using what it needs.
#[allow(dead_code, reason = "shared")]
mod env;
#[allow(dead_code, reason = "shared")]
mod fixture;
#[allow(dead_code, reason = "shared")]
mod mending;
mod oracle;
#[allow(dead_code, reason = "shared")]
mod upstream;
#[allow(dead_code, reason = "shared")]
mod watch;
