#![no_main]
//! The law of `tests/laws/bytes/pkginfo.rs`, for bytes that the search makes up.

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/laws/bytes/pkginfo.rs"]
mod pkginfo;

fuzz_target!(|bytes: &[u8]| pkginfo::law(bytes));
