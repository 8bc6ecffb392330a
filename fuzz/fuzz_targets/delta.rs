#![no_main]
//! The law of `tests/laws/bytes/delta.rs`, for bytes that the search makes up.

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/laws/bytes/delta.rs"]
mod delta;

fuzz_target!(|bytes: &[u8]| delta::law(bytes));
