#![no_main]
//! The law of `tests/laws/bytes/sections.rs`, for bytes that the search makes up.

use bivouac_fuzz::members;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

#[path = "../../tests/laws/bytes/sections.rs"]
mod sections;

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    members::mutate(data, size, max_size, seed)
});

fuzz_target!(|bytes: &[u8]| sections::law(bytes));
