#![no_main]
//! The law of `tests/laws/bytes/version.rs`, for bytes that the search makes up.

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/laws/bytes/version.rs"]
mod version;

fuzz_target!(|bytes: &[u8]| version::law(bytes));
