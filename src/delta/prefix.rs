//! The target's plain form as one zstd frame whose prefix is the base's (what `zstd --patch-from` makes).

use std::io::Read as _;

use zstd::zstd_safe::{CCtx, CParameter, compress_bound};

use super::BadDelta;

/// The highest level whose tables stay under 100 MB.
const LEVEL: i32 = 19;
/// Above so many bytes of plain forms together the level falls: minutes at the highest level become seconds, and all of
/// [`super::make`] stays under 300 MB.
const SLOW: usize = 48 << 20;
const FASTER_LEVEL: i32 = 9;
/// 2^28 reaches over [`super::LARGEST_PLAIN`].
const LARGEST_WINDOW_LOG: u32 = 28;

/// `None` if zstd fails, which it does only without memory.
pub(super) fn make(before: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    let both = before.len() + plain.len();
    let window = both.next_power_of_two().trailing_zeros().clamp(10, LARGEST_WINDOW_LOG);
    let mut zstd = CCtx::try_create()?;
    let level = if both > SLOW { FASTER_LEVEL } else { LEVEL };
    let long = both > 8 << 20;
    // The content's length stays in the frame: a reader then keeps no window beside what it gives out.
    for parameter in [
        CParameter::CompressionLevel(level),
        CParameter::WindowLog(window),
        CParameter::EnableLongDistanceMatching(long),
        CParameter::ChecksumFlag(false),
    ] {
        zstd.set_parameter(parameter).ok()?;
    }
    zstd.ref_prefix(before).ok()?;
    let mut out = Vec::with_capacity(compress_bound(plain.len()));
    zstd.compress2(&mut out, plain).ok()?;
    out.shrink_to_fit();
    Some(out)
}

/// Exactly `length` bytes of plain form, or an error. Holds one window of at most 2^28 bytes beside them.
pub(super) fn apply(before: &[u8], frame: &[u8], length: usize) -> Result<Vec<u8>, BadDelta> {
    let broken = |_| BadDelta::Malformed("its zstd frame is broken");
    let mut decoder = zstd::Decoder::with_ref_prefix(frame, before).map_err(broken)?.single_frame();
    decoder.window_log_max(LARGEST_WINDOW_LOG).map_err(broken)?;
    let mut plain = Vec::new();
    // One byte more than claimed shows a frame that goes on.
    decoder.take((length as u64).saturating_add(1)).read_to_end(&mut plain).map_err(broken)?;
    if plain.len() == length { Ok(plain) } else { Err(BadDelta::Malformed("its plain form has another length")) }
}
