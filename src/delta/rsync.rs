//! Deltas against a signature, for a sender that no longer has the base: rsync's algorithm over both plain forms, as librsync
//! writes it (`fast_rsync`), and what it finds new compressed by zstd.
//!
//! A *signature* is what the holder of a base tells of it, all numbers but the last part's as in a delta (`form.rs`):
//!
//! ```text
//!  8  "BIVRSIGN"
//!  1  version: 1
//! 32  SHA-256 of the base
//!  …  length of the base's plain form
//!  …  to the end, librsync's: "rs\x01\x36", then, the highest byte first, the block's length and 8, both in four bytes; then
//!     for each block of the plain form its rolling sum (4 bytes) and the first 8 bytes of its MD4
//! ```
//!
//! The block's length follows from the plain form's: half its square root, rounded up to a multiple of 64, at least 128.
//!
//! The *diff* of such a delta: the length of librsync's delta, then that as a zstd frame.
//!
//! Who makes blocks that MD4 does not tell apart gets a delta that gives something else; its SHA-256 is then not the one
//! that the delta names, and nothing is given out.

use fast_rsync::{Signature, SignatureOptions};

use super::form::{Reader, put_number};
use super::{BadDelta, BadSignature, digest, prefix, recode};

const MAGIC: &[u8; 8] = b"BIVRSIGN";
const VERSION: u8 = 1;
/// Of each block's MD4 so many bytes are told. Blocks are compared where the rolling sum agrees already.
const MD4_LENGTH: u32 = 8;
/// What librsync's signature of MD4 begins with.
const MD4_MAGIC: [u8; 4] = *b"rs\x01\x36";
/// The smallest block, in bytes.
const SMALLEST_BLOCK: usize = 128;

/// A signature whose parts agree with each other.
pub(super) struct Known {
    pub(super) base: [u8; 32],
    /// The length of the base's plain form in bytes.
    pub(super) plain_len: usize,
    blocks: Signature,
}

/// In bytes, for a plain form of so many.
fn block_length(plain: usize) -> usize {
    (plain.isqrt() / 2).next_multiple_of(64).max(SMALLEST_BLOCK)
}

/// `None` if the base's plain form is longer than `limit` bytes.
pub(super) fn sign(base: &[u8], limit: usize) -> Option<Vec<u8>> {
    let plain = recode::plain_form(base, limit)?;
    let block_size = block_length(plain.len()) as u32;
    let blocks = Signature::calculate(&plain, SignatureOptions { block_size, crypto_hash_size: MD4_LENGTH });
    let mut out = MAGIC.to_vec();
    out.push(VERSION);
    out.extend_from_slice(&digest(base));
    put_number(&mut out, plain.len());
    out.extend_from_slice(blocks.serialized());
    Some(out)
}

/// Reads a signature.
pub(super) fn parse(signature: &[u8]) -> Result<Known, BadSignature> {
    let rest = signature.strip_prefix(MAGIC).ok_or(BadSignature::NotOne)?;
    let (&version, rest) = rest.split_first().ok_or(BadSignature::Malformed)?;
    if version != VERSION {
        return Err(BadSignature::Version(version));
    }
    let mut reader = Reader(rest);
    let malformed = |_| BadSignature::Malformed;
    let base = *reader.take(32).map_err(malformed)?.first_chunk().ok_or(BadSignature::Malformed)?;
    let plain_len = reader.number().map_err(malformed)?;
    let blocks = blocks(reader.0, plain_len).ok_or(BadSignature::Malformed)?;
    Ok(Known { base, plain_len, blocks })
}

/// librsync's part, if it is of a plain form of that length.
fn blocks(bytes: &[u8], plain: usize) -> Option<Signature> {
    let length = block_length(plain);
    let (magic, rest) = bytes.split_first_chunk::<4>()?;
    let (block, rest) = rest.split_first_chunk::<4>()?;
    let (md4, sums) = rest.split_first_chunk::<4>()?;
    let agree = *magic == MD4_MAGIC
        && u32::from_be_bytes(*block) as usize == length
        && u32::from_be_bytes(*md4) == MD4_LENGTH
        && Some(sums.len()) == plain.div_ceil(length).checked_mul(4 + MD4_LENGTH as usize);
    if agree { Signature::deserialize(bytes.to_vec()).ok() } else { None }
}

/// `plain` over what the signature is of. `None` if zstd fails, which it does only without memory.
pub(super) fn make(known: &Known, plain: &[u8]) -> Option<Vec<u8>> {
    let mut commands = Vec::new();
    fast_rsync::diff(&known.blocks.index(), plain, &mut commands).ok()?;
    let mut out = Vec::new();
    put_number(&mut out, commands.len());
    out.extend_from_slice(&prefix::make(&[], &commands)?);
    Some(out)
}

/// Exactly `length` bytes of plain form, or an error.
pub(super) fn apply(before: &[u8], diff: &[u8], length: usize) -> Result<Vec<u8>, BadDelta> {
    let mut reader = Reader(diff);
    let commands_length = reader.number()?;
    if commands_length > most_commands(length) {
        return Err(BadDelta::Malformed("its rsync commands are longer than what they give"));
    }
    let commands = prefix::apply(&[], reader.0, commands_length)?;
    let mut plain = Vec::new();
    fast_rsync::apply_limited(before, &commands, &mut plain, length)
        .map_err(|_| BadDelta::Malformed("its rsync commands are broken"))?;
    if plain.len() == length { Ok(plain) } else { Err(BadDelta::Malformed("its plain form has another length")) }
}

/// Bytes of commands that so many bytes of plain form take at most: all of them as they are, and for each block that is
/// copied, at most 17 bytes for that and 9 for what stands between it and the next.
fn most_commands(plain: usize) -> usize {
    plain.saturating_add(plain / SMALLEST_BLOCK * 26).saturating_add(64)
}
