//! Alpine's formats as they really occur: the test vectors of the format description, official indexes, and every odd file
//! that was found in the wild, held against what the three clients do with it.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "this is a test from end to end"
)]

mod items;
mod official;
mod packages;
mod real;
mod vectors;
