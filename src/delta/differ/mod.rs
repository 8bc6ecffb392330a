//! The target's plain form told over the base's: what resembles it by differences, the rest byte by byte.
//!
//! As in bsdiff: in an executable whose code moved, thousands of addresses differ by the same small distance, and so do the
//! bytes they are made of. Other than there, each decision on the way is told by its chance under all that both sides know,
//! the base's bytes before all, in an arithmetic code: where most bytes are the base's, a hundred of them take a bit.
//!
//! - `steps.rs`: where the target resembles the base.
//! - `walks.rs`: those steps as numbers; `added.rs`: differences; `fresh.rs`: new bytes.
//! - `model.rs`: chances; `coder.rs`: the arithmetic code.
//!
//! ```text
//!  1  0 to 3: so many bytes before a multiple of four in the target its words begin
//!  …  the arithmetic code of step after step, until the target is whole
//! ```
//!
//! Reading takes as long as writing but for the search, in proportion to the target's plain form, whatever is read. Beside
//! both plain forms it holds 7 MB at most, and writing 75 MB and the target's once more.

mod added;
mod coder;
mod fresh;
mod model;
mod steps;
mod walks;

use added::Added;
use coder::{Bits, Reader, Writer};
use fresh::Fresh;
use steps::Step;
use walks::Walks;

use super::BadDelta;

const BROKEN: BadDelta = BadDelta::Malformed("its steps are broken");

/// All that is learned on the way, by writer and reader alike.
struct Model {
    walks: Walks,
    added: Added,
    fresh: Fresh,
}

impl Model {
    /// For a target of so many bytes.
    fn new(phase: usize, length: usize) -> Model {
        let log = (length / 16).max(1).ilog2().clamp(8, 16);
        Model { walks: Walks::new(), added: Added::new(phase, log), fresh: Fresh::new(log) }
    }

    /// Appends what one step gives. `step` and `known`, the bytes that follow, are told; where they are read, any step and no
    /// bytes. `None` if the step leads outside the base, gives more than `room` bytes or none.
    fn step<C: Bits>(
        &mut self,
        coder: &mut C,
        base: &[u8],
        step: Step,
        known: &[u8],
        room: usize,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let Step { add, from, copy } = self.walks.step(coder, out.len(), step)?;
        let fits = add <= room && copy <= room - add && add + copy > 0;
        if !fits || add > base.len().saturating_sub(from) {
            return None;
        }
        self.added.run(coder, base, from, add, known, out);
        self.fresh.run(coder, base, from + add, copy, known.get(add..).unwrap_or_default(), out);
        Some(())
    }
}

/// The longest base, in bytes, over which this is tried.
const LARGEST: usize = 128 << 20;
/// More new bytes than this, and than a quarter of the target, are not told byte by byte: zstd is shorter and fast.
const MOST_NEW: usize = 256 << 10;

/// `plain` over `before`; `None` where they have little in common.
pub(super) fn make(before: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    if before.is_empty() || before.len() > LARGEST {
        return None;
    }
    let steps = steps::find(before, plain);
    let new: usize = steps.iter().map(|step| step.copy).sum();
    if new > MOST_NEW && new > plain.len() / 4 {
        return None;
    }
    let phase = phase(before, plain, &steps);
    let mut coder = Writer::new(phase as u8);
    let mut model = Model::new(phase, plain.len());
    let mut out = Vec::with_capacity(plain.len());
    for step in steps {
        let known = &plain[out.len()..];
        let told = model.step(&mut coder, before, step, known, known.len(), &mut out);
        told.expect("steps lead from byte to byte of the target, inside the base");
    }
    Some(coder.finish())
}

/// Exactly `length` bytes of plain form, or an error.
pub(super) fn apply(before: &[u8], patch: &[u8], length: usize) -> Result<Vec<u8>, BadDelta> {
    let (&phase, code) = patch.split_first().ok_or(BROKEN)?;
    if usize::from(phase) >= added::WORD {
        return Err(BROKEN);
    }
    let mut coder = Reader::new(code);
    let mut model = Model::new(phase.into(), length);
    let mut plain = Vec::new();
    while plain.len() < length && !coder.is_beyond() {
        let room = length - plain.len();
        model.step(&mut coder, before, Step::default(), &[], room, &mut plain).ok_or(BROKEN)?;
    }
    if coder.is_done() && plain.len() == length { Ok(plain) } else { Err(BROKEN) }
}

/// Where words begin, if there are any: their last bytes, of instructions the operation and of addresses the high part,
/// differ least.
fn phase(before: &[u8], plain: &[u8], steps: &[Step]) -> usize {
    let mut differing = [0; added::WORD];
    let mut begin = 0;
    for step in steps {
        let pairs = plain[begin..begin + step.add].iter().zip(&before[step.from..]);
        for (place, _) in pairs.enumerate().filter(|(_, (byte, base))| byte != base) {
            differing[(begin + place) % added::WORD] += 1;
        }
        begin += step.add + step.copy;
    }
    let last = (0..added::WORD).min_by_key(|&lane| differing[lane]).unwrap_or_default();
    added::WORD - 1 - last
}

#[cfg(test)]
mod tests;
