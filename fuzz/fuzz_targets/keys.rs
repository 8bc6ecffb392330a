#![no_main]
//! The law of `tests/laws/bytes/keys.rs`, for bytes that the search makes up.

use bivouac_fuzz::pem;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

#[path = "../../tests/laws/bytes/keys.rs"]
mod keys;

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { pem::mutate(data, size, max_size, seed) });

fuzz_target!(|bytes: &[u8]| keys::law(bytes));
