//! The target's plain form as a bsdiff patch of the base's: in an executable whose code moved, thousands of addresses differ
//! by the same small number, and bsdiff writes that number where others write the addresses.
//!
//! Made by `qbsdiff`; read here, because a reader of patches from outside must refuse what its own writer never writes.

use std::io::Read;

use bzip2::read::BzDecoder;
use qbsdiff::{Bsdiff, ParallelScheme};

use super::BadDelta;

/// The longest plain form, in bytes, of base or target for which the patch is tried: a suffix array takes five times the base.
const LARGEST: usize = 24 << 20;
const MAGIC: &[u8; 8] = b"BSDIFF40";

pub(super) fn is_worth_trying(before: &[u8], plain: &[u8]) -> bool {
    !before.is_empty() && before.len() <= LARGEST && plain.len() <= LARGEST
}

/// `None` if the patch cannot be written, which does not happen in memory.
pub(super) fn make(before: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    let mut patch = Vec::new();
    // Cut in jobs the patch is longer, and packages are many: whoever calls may run several of us.
    Bsdiff::new(before, plain).parallel_scheme(ParallelScheme::Never).compression_level(9).compare(&mut patch).ok()?;
    Some(patch)
}

/// Exactly `length` bytes of plain form, or an error. What comes out is bounded by `length` at every step, and the steps are
/// bounded with it: one that gives nothing is counted, too.
pub(super) fn apply(before: &[u8], patch: &[u8], length: usize) -> Result<Vec<u8>, BadDelta> {
    let (mut controls, mut added, mut copied) = streams(patch, length)?;
    let mut plain = Vec::new();
    let mut at = 0_usize;
    for _ in 0..=length {
        let Some(Control { add, copy, seek }) = next(&mut controls)? else {
            let whole = plain.len() == length;
            return if whole { Ok(plain) } else { Err(BadDelta::Malformed("its patch ends early")) };
        };
        let room = length - plain.len();
        if add > room || copy > room - add {
            return Err(BadDelta::Malformed("its patch goes on"));
        }
        let from = at.checked_add(add).and_then(|end| before.get(at..end)).ok_or(OUTSIDE)?;
        let start = plain.len();
        fill(&mut added, add, &mut plain)?;
        for (byte, base) in plain[start..].iter_mut().zip(from) {
            *byte = byte.wrapping_add(*base);
        }
        fill(&mut copied, copy, &mut plain)?;
        at = (at + add).checked_add_signed(seek).ok_or(OUTSIDE)?;
    }
    Err(BadDelta::Malformed("its patch has more steps than bytes"))
}

const OUTSIDE: BadDelta = BadDelta::Malformed("its patch reads outside the base");
const BROKEN: BadDelta = BadDelta::Malformed("its patch is broken");

/// One step: add to the base's next bytes, copy new ones, move on in the base.
struct Control {
    add: usize,
    copy: usize,
    seek: isize,
}

type Stream<'a> = BzDecoder<&'a [u8]>;

/// BSDIFF40: magic, then lengths of the compressed controls, of the compressed differences and of the result; then the
/// two streams and, to the end, that of the new bytes.
fn streams(patch: &[u8], length: usize) -> Result<(Stream<'_>, Stream<'_>, Stream<'_>), BadDelta> {
    let (header, rest) = patch.split_first_chunk::<32>().ok_or(BROKEN)?;
    if &header[..8] != MAGIC {
        return Err(BROKEN);
    }
    let field = |at: usize| usize::try_from(number(header, at)).map_err(|_| BROKEN);
    if field(24)? != length {
        return Err(BadDelta::Malformed("its patch gives another length"));
    }
    let (controls, rest) = rest.split_at_checked(field(8)?).ok_or(BROKEN)?;
    let (added, copied) = rest.split_at_checked(field(16)?).ok_or(BROKEN)?;
    Ok((BzDecoder::new(controls), BzDecoder::new(added), BzDecoder::new(copied)))
}

/// The next step; `None` behind the last.
fn next(controls: &mut Stream<'_>) -> Result<Option<Control>, BadDelta> {
    let mut bytes = Vec::with_capacity(24);
    controls.by_ref().take(24).read_to_end(&mut bytes).map_err(|_| BROKEN)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let bytes: [u8; 24] = bytes.try_into().map_err(|_| BROKEN)?;
    let (add, copy, seek) = (number(&bytes, 0), number(&bytes, 8), number(&bytes, 16));
    Ok(Some(Control {
        add: usize::try_from(add).map_err(|_| BROKEN)?,
        copy: usize::try_from(copy).map_err(|_| BROKEN)?,
        seek: isize::try_from(seek).map_err(|_| BROKEN)?,
    }))
}

/// bsdiff's integers: 63 bits of magnitude, the lowest byte first, and a sign in the highest bit.
fn number(bytes: &[u8], at: usize) -> i64 {
    let chunk: [u8; 8] = *bytes[at..].first_chunk().expect("the caller's array reaches eight bytes further");
    let raw = u64::from_le_bytes(chunk);
    let magnitude = (raw & (u64::MAX >> 1)) as i64;
    if raw >> 63 == 0 { magnitude } else { -magnitude }
}

/// Appends the next `length` bytes of `stream`.
fn fill(stream: &mut Stream<'_>, length: usize, out: &mut Vec<u8>) -> Result<(), BadDelta> {
    let read = stream.by_ref().take(length as u64).read_to_end(out).map_err(|_| BROKEN)?;
    if read == length { Ok(()) } else { Err(BROKEN) }
}
