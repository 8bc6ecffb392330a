#![no_main]
//! The law of `tests/laws/bytes/index.rs`, for bytes that the search makes up.

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/laws/bytes/index.rs"]
mod index;

fuzz_target!(|bytes: &[u8]| index::law(bytes));
