//! Exact deltas between packages: base + target → delta → exactly the target, or an error. Pure: bytes in, bytes out.
//!
//! A package's data section is a deflate stream, and one changed byte of plain text changes every byte behind it: a delta of
//! the files themselves saves nothing. So the compression is undone first, exactly:
//!
//! ```text
//!  target ──recode──▶ plain form + script ──┐
//!                                           ├──prefix or differ──▶ diff     delta = header, script, diff   (form.rs)
//!  base ───inflate──▶ plain form ───────────┘
//! ```
//!
//! - `recode.rs`: a file as the *plain form* of its gzip members, and the script that rebuilds the file's very bytes from it.
//!   A base is only inflated; what it was compressed with does not matter.
//! - `deflate/`: deflate as zlib, pigz and GNU gzip write it, so that for what they wrote the script is their name.
//! - `differ/`: the target's plain form by its differences from the base's, which sees through moved addresses in
//!   executables; an arithmetic code with a model of what changes in them.
//! - `prefix.rs`: the same as a zstd frame whose prefix is the base's, where there is no base or it has little in common.
//! - `rsync.rs`: the same over a signature of the base, for who does not have the base any more.
//! - `form.rs`: the bytes of a delta.
//!
//! What always holds: a delta names its base and its target by SHA-256; [`apply`] returns bytes of that SHA-256 or an error;
//! [`make`] has rebuilt the target from what it returns, or the delta holds the target whole. ([`make_against`] has no base to
//! do that with.)
//!
//! What does not hold: the script's corrections are read by a library (`preflate-rs`) whose work on *forged* ones has no
//! bound of ours. Damage is found before that library runs (the seal, see [`form`]), and a panic of its becomes an error; but
//! only a delta whose own digest something signed vouches for may be applied.

mod deflate;
mod differ;
pub mod form;
mod prefix;
mod recode;
mod rsync;

use sha2::{Digest as _, Sha256};

pub use form::{Header, Method};

/// The largest target, in bytes, of which a delta is tried. What is larger goes whole: both plain forms lie in memory.
pub const LARGEST_TARGET: usize = 256 << 20;

/// The largest plain forms of base and target together, in bytes, of which a delta is tried: below it [`make`] and [`apply`]
/// stay under 1 GB.
pub const LARGEST_PLAIN: usize = 256 << 20;

/// Bounds on what [`apply`] brings into memory, in bytes. They are checked against what a delta's header claims, and again
/// against what really comes out; no claim is allocated before.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The target.
    pub target: usize,
    /// The plain forms of base and target together.
    pub plain: usize,
}

impl Default for Limits {
    /// What [`make`] makes at most.
    fn default() -> Self {
        Limits { target: LARGEST_TARGET, plain: LARGEST_PLAIN }
    }
}

/// Why a delta gave no target.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadDelta {
    /// Another kind of file.
    #[error("it is no delta")]
    NotOne,
    /// Made by a later release.
    #[error("it is a delta of version {0}, which this release does not read")]
    Version(u8),
    /// A flipped bit, or a cut.
    #[error("the delta is damaged: its seal does not match")]
    Damaged,
    /// Sealed, but what it says cannot be.
    #[error("the delta contradicts itself: {0}")]
    Malformed(&'static str),
    /// It is over a base, and none was given.
    #[error("the delta needs its base, sha256 {}", hex(.needs))]
    NoBase {
        /// SHA-256 of the base.
        needs: [u8; 32],
    },
    /// It is over another base than the given one.
    #[error("the delta is over the base with sha256 {}, not over {}", hex(.needs), hex(.given))]
    WrongBase {
        /// SHA-256 of the base.
        needs: [u8; 32],
        /// SHA-256 of what was given.
        given: [u8; 32],
    },
    /// A bound of [`Limits`] is crossed, or would be.
    #[error("the delta's {what} is larger than {limit} bytes")]
    TooLarge {
        /// What would be.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// All was read, and the result is not what the header names.
    #[error("what the delta gives is not the target with sha256 {}", hex(.0))]
    WrongTarget([u8; 32]),
}

fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of a file.
fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// A delta that [`apply`] turns into exactly `target`, given the same `base`. Never much longer than `target`: where no
/// method is shorter, where the target is larger than [`LARGEST_TARGET`] or the plain forms than [`LARGEST_PLAIN`], and where
/// the target could not be rebuilt, the delta holds it whole and needs no base.
///
/// Without a base the target's plain form is compressed for itself.
///
/// Takes under 300 MB, base and target counted, where the plain forms are under 96 MB together.
pub fn make(base: Option<&[u8]>, target: &[u8]) -> Vec<u8> {
    let whole = || form::write(Method::Whole, None, target, 0, &[], target);
    shortest(base, target).filter(|delta| delta.len() < target.len()).unwrap_or_else(whole)
}

/// The shortest delta over the plain forms; `None` where one is out of bounds, or where the proof fails.
fn shortest(base: Option<&[u8]>, target: &[u8]) -> Option<Vec<u8>> {
    if target.len() > LARGEST_TARGET || base.is_some_and(|base| base.len() > LARGEST_PLAIN) {
        return None;
    }
    let before = recode::plain_form(base.unwrap_or_default(), LARGEST_PLAIN)?;
    let recode::Recoded { plain, script } = recode::recode(target, LARGEST_PLAIN - before.len())?;
    let (method, diff) = diff(&before, &plain, target.len())?;
    // The other half of the proof: the script has rebuilt the target already.
    let proved = undo(method, &before, &diff, plain.len()).is_ok_and(|undone| undone == plain);
    proved.then(|| form::write(method, base.map(digest), target, plain.len(), &script, &diff))
}

/// The shorter diff of two plain forms. `target` is the target's length in bytes.
fn diff(before: &[u8], plain: &[u8], target: usize) -> Option<(Method, Vec<u8>)> {
    let patch = differ::make(before, plain);
    // zstd takes several times as long, and is shorter only where there is little in common.
    let patch = match patch {
        Some(patch) if patch.len() < target / 2 => return Some((Method::Differ, patch)),
        patch => patch,
    };
    let frame = prefix::make(before, plain)?;
    match patch {
        Some(patch) if patch.len() < frame.len() => Some((Method::Differ, patch)),
        _ => Some((Method::Prefix, frame)),
    }
}

/// The target of `delta`, whose SHA-256 is the one its header names.
///
/// # Errors
///
/// [`BadDelta`], in this order: not a delta, or damaged; larger than `limits`; over another base; contradicting itself; or
/// its result is not what it names. There is no error after which bytes were given out.
pub fn apply(base: Option<&[u8]>, delta: &[u8], limits: &Limits) -> Result<Vec<u8>, BadDelta> {
    let (header, body) = form::read(delta)?;
    if header.target_len > limits.target {
        return Err(BadDelta::TooLarge { what: "target", limit: limits.target });
    }
    let target = match header.method {
        Method::Whole => body.diff.to_vec(),
        method => rebuild(base_of(&header, base)?, &header, method, &body, limits)?,
    };
    if target.len() != header.target_len || digest(&target) != header.target {
        return Err(BadDelta::WrongTarget(header.target));
    }
    Ok(target)
}

/// The base that the header names: none, or the given one if it is that.
fn base_of<'a>(header: &Header, base: Option<&'a [u8]>) -> Result<&'a [u8], BadDelta> {
    let Some(needs) = header.base else { return Ok(&[]) };
    let base = base.ok_or(BadDelta::NoBase { needs })?;
    let given = digest(base);
    if given == needs { Ok(base) } else { Err(BadDelta::WrongBase { needs, given }) }
}

fn rebuild(
    base: &[u8],
    header: &Header,
    method: Method,
    body: &form::Body<'_>,
    limits: &Limits,
) -> Result<Vec<u8>, BadDelta> {
    let too_large = BadDelta::TooLarge { what: "plain form", limit: limits.plain };
    let Some(before) = recode::plain_form(base, limits.plain) else { return Err(too_large) };
    if header.plain_len > limits.plain - before.len() {
        return Err(too_large);
    }
    let plain = undo(method, &before, body.diff, header.plain_len)?;
    drop(before);
    recode::rebuild(&plain, body.script, header.target_len)
}

/// The target's plain form, of so many bytes.
fn undo(method: Method, before: &[u8], diff: &[u8], length: usize) -> Result<Vec<u8>, BadDelta> {
    match method {
        Method::Differ => differ::apply(before, diff, length),
        Method::Rsync => rsync::apply(before, diff, length),
        Method::Prefix => prefix::apply(before, diff, length),
        Method::Whole => Err(BadDelta::Malformed("it is whole, and has no plain form")),
    }
}

/// What the holder of `base` may give to who makes deltas for it, so that [`make_against`] needs no base: some 40 bytes and
/// then, of a plain form of n bytes, 24 times its square root; the beginning of `delta/rsync.rs` draws it. `None` if the
/// plain form is longer than [`LARGEST_PLAIN`].
pub fn signature(base: &[u8]) -> Option<Vec<u8>> {
    rsync::sign(base, LARGEST_PLAIN)
}

/// Why a signature is of no use.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadSignature {
    /// Another kind of file.
    #[error("it is no signature for deltas")]
    NotOne,
    /// Made by a later release.
    #[error("it is a signature for deltas of version {0}, which this release does not read")]
    Version(u8),
    /// Cut, or its parts contradict each other.
    #[error("the signature for deltas is damaged")]
    Malformed,
}

/// A delta over the base that `signature` is of, which [`apply`] turns into exactly `target`. Several times as long as one by
/// [`make`], and whole under the same conditions. Not proved: whoever chooses the contents of both packages can have it give
/// something else, which [`apply`] then refuses.
///
/// # Errors
///
/// [`BadSignature`].
pub fn make_against(signature: &[u8], target: &[u8]) -> Result<Vec<u8>, BadSignature> {
    let known = rsync::parse(signature)?;
    let delta = over(&known, target).filter(|delta| delta.len() < target.len());
    Ok(delta.unwrap_or_else(|| form::write(Method::Whole, None, target, 0, &[], target)))
}

/// `None` where something is out of bounds.
fn over(known: &rsync::Known, target: &[u8]) -> Option<Vec<u8>> {
    let room = LARGEST_PLAIN.checked_sub(known.plain_len)?;
    if target.len() > LARGEST_TARGET {
        return None;
    }
    let recode::Recoded { plain, script } = recode::recode(target, room)?;
    let diff = rsync::make(known, &plain)?;
    Some(form::write(Method::Rsync, Some(known.base), target, plain.len(), &script, &diff))
}

/// How the deflate streams of `file` would be told in a delta, one after the other: all that is known of what wrote them.
/// `None` where its plain form is longer than [`LARGEST_PLAIN`].
pub fn streams(file: &[u8]) -> Option<Vec<ToldBy>> {
    recode::streams(file, LARGEST_PLAIN)
}

/// What brings the very bytes of a deflate stream back from its plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToldBy {
    /// The command that wrote it.
    Command(&'static str),
    /// Corrections to what zlib would have written.
    Corrections,
    /// Nothing: it stays compressed.
    Nothing,
}
