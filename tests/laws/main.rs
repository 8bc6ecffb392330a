//! Laws of the pure rules, tried on made-up and on Alpine's own data.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests may")]

mod bytes;
mod closure;
mod real;
mod text;
mod versions;
