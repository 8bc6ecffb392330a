//! Stretches of the target that are new: each byte by those before it, and by the base's where the last stretch left it.

use super::coder::Bits;
use super::model::{Mixed, hash};

#[derive(Debug)]
pub(super) struct Fresh {
    bytes: Mixed<5>,
}

impl Fresh {
    /// With 2^`log` lines of chances.
    pub(super) fn new(log: u32) -> Fresh {
        Fresh { bytes: Mixed::new(log, 2) }
    }

    /// The next `count` bytes; `known` are they, or empty if they are read.
    pub(super) fn run<C: Bits>(
        &mut self,
        coder: &mut C,
        base: &[u8],
        from: usize,
        count: usize,
        known: &[u8],
        out: &mut Vec<u8>,
    ) {
        let mut before = out.iter().rev().take(8).rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        for place in 0..count {
            let near = u32::from(base.get(from + place).copied().unwrap_or_default());
            let last = before as u32;
            let lane = (out.len() % 4) as u32;
            let hashes = [
                hash(&[1, last & 0xff]),
                hash(&[2, last & 0xffff]),
                hash(&[3, last & 0x00ff_ffff]),
                hash(&[6, near, last & 0xff, lane]),
                hash(&[7, last >> 24, lane]),
            ];
            let byte = self.bytes.byte(coder, &hashes, 0, known.get(place).copied().unwrap_or_default());
            before = before << 8 | u64::from(byte);
            out.push(byte);
        }
    }
}
