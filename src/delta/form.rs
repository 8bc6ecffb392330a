//! The bytes of a delta, version 1. Numbers are LEB128: seven bits a byte, the lowest first, the high bit set on all but the
//! last byte, as short as can be.
//!
//! ```text
//!  8  "BIVDELTA"
//!  1  version: 1
//!  1  method: 0 whole, 1 prefix (zstd), 2 differ, 3 rsync
//!  1  base: 0 none, 1 one
//!  8  seal: the first 8 bytes of the SHA-256 of all other bytes of this file
//! 32  SHA-256 of the target
//! 32  SHA-256 of the base, if there is one
//!  …  length of the target; length of its plain form; length of the script
//!  …  script (recode.rs)
//!  …  diff, to the end: the target itself; a zstd frame whose prefix is the base's plain form; differences
//!     (differ/); rsync commands (rsync.rs)
//! ```
//!
//! The seal tells damage from a delta before anything is decoded. It is no signature: who wants to, writes a matching one.

use sha2::{Digest as _, Sha256};

use super::{BadDelta, digest};

const MAGIC: &[u8; 8] = b"BIVDELTA";
const VERSION: u8 = 1;
/// Where the seal stands.
const SEAL: std::ops::Range<usize> = 11..19;

/// How the plain form is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The target as it is.
    Whole,
    /// zstd with the base's plain form as prefix.
    Prefix,
    /// Differences from the base's plain form.
    Differ,
    /// Blocks of the base's plain form, found by its signature.
    Rsync,
}

/// What a delta says of itself. Lengths are claims until [`super::apply`] has met them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// How it is made.
    pub method: Method,
    /// SHA-256 of the base, if it is over one.
    pub base: Option<[u8; 32]>,
    /// SHA-256 of the target.
    pub target: [u8; 32],
    /// The target's length in bytes.
    pub target_len: usize,
    /// Length of the target's plain form in bytes; 0 if it is whole.
    pub plain_len: usize,
}

/// What follows the header.
#[derive(Debug)]
pub(super) struct Body<'a> {
    pub(super) script: &'a [u8],
    pub(super) diff: &'a [u8],
}

/// A sealed delta. `base` is the SHA-256 of what it is over, `plain` is the length of the target's plain form in bytes.
pub(super) fn write(
    method: Method,
    base: Option<[u8; 32]>,
    target: &[u8],
    plain: usize,
    script: &[u8],
    diff: &[u8],
) -> Vec<u8> {
    let code = match method {
        Method::Whole => 0,
        Method::Prefix => 1,
        Method::Differ => 2,
        Method::Rsync => 3,
    };
    let mut out = Vec::with_capacity(128 + script.len() + diff.len());
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[VERSION, code, u8::from(base.is_some())]);
    out.extend_from_slice(&[0; SEAL.end - SEAL.start]);
    out.extend_from_slice(&digest(target));
    if let Some(base) = base {
        out.extend_from_slice(&base);
    }
    for number in [target.len(), plain, script.len()] {
        put_number(&mut out, number);
    }
    out.extend_from_slice(script);
    out.extend_from_slice(diff);
    let seal = seal(&out);
    out[SEAL].copy_from_slice(&seal);
    out
}

/// The seal that `delta` ought to carry.
fn seal(delta: &[u8]) -> [u8; 8] {
    let mut hash = Sha256::new();
    hash.update(&delta[..SEAL.start]);
    hash.update(&delta[SEAL.end..]);
    let whole: [u8; 32] = hash.finalize().into();
    whole.first_chunk().copied().expect("32 bytes have a first 8")
}

/// The header of `delta`, whose seal matches: of what it was made over, and what it gives.
///
/// # Errors
///
/// [`BadDelta::NotOne`], [`BadDelta::Version`], [`BadDelta::Damaged`], [`BadDelta::Malformed`].
pub fn inspect(delta: &[u8]) -> Result<Header, BadDelta> {
    read(delta).map(|(header, _)| header)
}

pub(super) fn read(delta: &[u8]) -> Result<(Header, Body<'_>), BadDelta> {
    let rest = delta.strip_prefix(MAGIC).ok_or(BadDelta::NotOne)?;
    let &version = rest.first().ok_or(BadDelta::Damaged)?;
    if version != VERSION {
        return Err(BadDelta::Version(version));
    }
    if delta.len() < SEAL.end || delta[SEAL] != seal(delta) {
        return Err(BadDelta::Damaged);
    }
    let mut reader = Reader(&delta[SEAL.end..]);
    let method = match delta[9] {
        0 => Method::Whole,
        1 => Method::Prefix,
        2 => Method::Differ,
        3 => Method::Rsync,
        _ => return Err(BadDelta::Malformed("its method is unknown")),
    };
    let target = reader.digest()?;
    let base = match delta[10] {
        0 => None,
        1 => Some(reader.digest()?),
        _ => return Err(BadDelta::Malformed("whether it has a base is neither yes nor no")),
    };
    let (target_len, plain_len, script_len) = (reader.number()?, reader.number()?, reader.number()?);
    let script = reader.take(script_len)?;
    Ok((Header { method, base, target, target_len, plain_len }, Body { script, diff: reader.0 }))
}

/// Appends `number`, LEB128.
pub(super) fn put_number(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes fields off the front; what is not there is an error.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], BadDelta> {
        let (taken, rest) =
            self.0.split_at_checked(length).ok_or(BadDelta::Malformed("a length leads behind its end"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn number(&mut self) -> Result<usize, BadDelta> {
        let mut number = 0_usize;
        for shift in (0..usize::BITS).step_by(7) {
            let byte = self.take(1)?[0];
            let low = usize::from(byte & 0x7f);
            if (low << shift) >> shift != low || (byte == 0 && shift > 0) {
                break;
            }
            number |= low << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(BadDelta::Malformed("a number is too large, or longer than need be"))
    }

    fn digest(&mut self) -> Result<[u8; 32], BadDelta> {
        let bytes = self.take(32)?;
        Ok(*bytes.first_chunk().expect("32 bytes were taken"))
    }
}
