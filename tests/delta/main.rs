//! Deltas: exact, or an error. On real pairs of packages, on made-up ones by every encoder, and damaged in every way.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests may")]

mod damage;
mod encoders;
mod exact;
mod pairs;
mod rsync;
mod ways;

/// A pseudorandom text of words, so that an encoder finds something to do: the same for the same `seed`.
pub(crate) fn text(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(length + 8);
    while out.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let word = (state >> 33) % 700;
        out.extend_from_slice(format!("{word:x} ").as_bytes());
    }
    out.truncate(length);
    out
}
