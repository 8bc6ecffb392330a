//! A file as the plain form of its gzip members, and a script that rebuilds the file's very bytes from that.
//!
//! The *plain form* of a file: its gzip members from the first on (of an apk: signatures, control, data), each header and
//! each trailer (CRC, length) as it is and the deflate stream between them inflated. Where no member begins or one is broken,
//! and behind the [`MOST_MEMBERS`]th, the rest stands as it is. It follows from the file alone: both sides compute a base's.
//! The plain form of a *target* differs in one thing: a stream that cannot be rebuilt exactly stays as it is.
//!
//! The *script*: numbers and corrections, for part after part of the plain form:
//!
//! ```text
//!  2 · length            so many bytes as they are
//!  2 · way + 1           a deflate stream that one of the ways of `deflate/` writes
//!    length                its plain text's
//!  1                     any other deflate stream
//!    pieces                how many follow
//!      length                the plain text's of one
//!      length, bytes         the corrections with which preflate-rs compresses that as the original was
//! ```

use std::io::Cursor;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use flate2::{Decompress, FlushDecompress, Status};
use preflate_rs::{ExitCode, PreflateConfig, PreflateStreamProcessor, RecreateStreamProcessor};

use super::deflate::{self, Goal, Way};
use super::form::{Reader, put_number};
use super::{BadDelta, ToldBy};

/// A package has two to four. A file of thousands of tiny members would cost seconds and save nothing.
const MOST_MEMBERS: usize = 64;
/// Compressed bytes that are analysed at once: their tokens take some ten times as much memory.
const PIECE: usize = 4 << 20;
/// Bytes of a gzip member behind its deflate stream: CRC-32 and length.
const TRAILER: usize = 8;

/// What a script that cannot be is called.
const BROKEN: BadDelta = BadDelta::Malformed("its script is broken");

/// The target's plain form, and what rebuilds it.
pub(super) struct Recoded {
    pub(super) plain: Vec<u8>,
    pub(super) script: Vec<u8>,
}

/// A base's plain form; `None` if it is longer than `limit` bytes.
pub(super) fn plain_form(file: &[u8], limit: usize) -> Option<Vec<u8>> {
    Some(inflate_members(file, limit)?.form)
}

/// Takes a target apart; `None` if its plain form is longer than `limit` bytes. Proved, stream by stream: [`rebuild`] makes
/// `file` of it.
pub(super) fn recode(file: &[u8], limit: usize) -> Option<Recoded> {
    let Inflated { form, mut streams } = inflate_members(file, limit)?;
    let all = streams.len();
    let mut script = Vec::new();
    // Where the last stream that is kept ended.
    let mut done = 0;
    streams.retain(|stream| {
        let told = tell(&file[stream.in_file.clone()], &form[stream.in_form.clone()]);
        if let Some(told) = &told {
            put_as_it_is(&mut script, stream.in_file.start - done);
            script.extend_from_slice(told);
            done = stream.in_file.end;
        }
        told.is_some()
    });
    put_as_it_is(&mut script, file.len() - done);
    let plain = if streams.len() == all { form } else { with_inflated(file, &form, &streams) };
    Some(Recoded { plain, script })
}

fn put_as_it_is(script: &mut Vec<u8>, length: usize) {
    if length > 0 {
        put_number(script, 2 * length);
    }
}

/// The file with only these of its streams inflated, as they are in `form`.
fn with_inflated(file: &[u8], form: &[u8], streams: &[Stream]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut done = 0;
    for Stream { in_file, in_form } in streams {
        plain.extend_from_slice(&file[done..in_file.start]);
        plain.extend_from_slice(&form[in_form.clone()]);
        done = in_file.end;
    }
    plain.extend_from_slice(&file[done..]);
    plain
}

/// The file that `script` makes of `plain`: at most `length` bytes, and all of `plain` is in it.
pub(super) fn rebuild(plain: &[u8], script: &[u8], length: usize) -> Result<Vec<u8>, BadDelta> {
    let (mut plain, mut script) = (Reader(plain), Reader(script));
    let mut file = Vec::new();
    while !script.0.is_empty() {
        let part = script.number()?;
        let room = length - file.len();
        if part % 2 == 0 {
            file.extend_from_slice(plain.take(part / 2)?);
        } else if part == 1 {
            file.extend_from_slice(&corrected(&mut plain, &mut script, room)?);
        } else {
            let way = Way::from_code(part / 2).ok_or(BROKEN)?;
            let text = plain.take(script.number()?)?;
            file.extend_from_slice(&deflate::compress(way, text, Goal::AtMost(room)).ok_or(BROKEN)?);
        }
        if file.len() > length {
            return Err(BROKEN);
        }
    }
    if plain.0.is_empty() { Ok(file) } else { Err(BROKEN) }
}

/// The next deflate stream that goes by corrections, at most `length` bytes.
fn corrected(plain: &mut Reader<'_>, script: &mut Reader<'_>, length: usize) -> Result<Vec<u8>, BadDelta> {
    // A panic of the library is a script that it did not write; nothing of it is used behind that.
    catch_unwind(AssertUnwindSafe(|| recompress(plain, script, length))).map_err(|_| BROKEN)?
}

fn recompress(plain: &mut Reader<'_>, script: &mut Reader<'_>, length: usize) -> Result<Vec<u8>, BadDelta> {
    let mut compressor = RecreateStreamProcessor::new();
    let mut stream = Vec::new();
    for _ in 0..script.number()? {
        let text_length = script.number()?;
        let corrections_length = script.number()?;
        let (text, corrections) = (plain.take(text_length)?, script.take(corrections_length)?);
        let (piece, _) = compressor.recompress(&mut Cursor::new(text), corrections).map_err(|_| BROKEN)?;
        stream.extend_from_slice(&piece);
        if stream.len() > length {
            return Err(BROKEN);
        }
    }
    Ok(stream)
}

/// How each of the file's streams would be told; `None` if its plain form is longer than `limit` bytes.
pub(super) fn streams(file: &[u8], limit: usize) -> Option<Vec<ToldBy>> {
    let Inflated { form, streams } = inflate_members(file, limit)?;
    let told = streams.iter().map(|Stream { in_file, in_form }| {
        let (stream, plain) = (&file[in_file.clone()], &form[in_form.clone()]);
        match way(stream, plain) {
            Some(way) => ToldBy::Command(way.command()),
            None if by_corrections(stream, plain).is_some() => ToldBy::Corrections,
            None => ToldBy::Nothing,
        }
    });
    Some(told.collect())
}

/// A stream's part of the script; `None` if nothing that is shorter tells it.
fn tell(stream: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    by_way(stream, plain).or_else(|| by_corrections(stream, plain))
}

/// The way that wrote this stream. Most are out with their first block.
fn way(stream: &[u8], plain: &[u8]) -> Option<Way> {
    Way::ALL.into_iter().find(|&way| deflate::compress(way, plain, Goal::Exactly(stream)).is_some())
}

fn by_way(stream: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    let way = way(stream, plain)?;
    let mut told = Vec::new();
    put_number(&mut told, 2 * way.code() + 1);
    put_number(&mut told, plain.len());
    Some(told)
}

fn by_corrections(stream: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    // The library gives up on streams that it cannot predict, and has assertions where it did not think of one.
    let (count, pieces) = catch_unwind(AssertUnwindSafe(|| analyse(stream, plain))).ok()??;
    let mut told = Vec::new();
    put_number(&mut told, 1);
    put_number(&mut told, count);
    told.extend_from_slice(&pieces);
    let rebuilt = || rebuild(plain, &told, stream.len());
    (told.len() < stream.len() && rebuilt().is_ok_and(|rebuilt| rebuilt == stream)).then_some(told)
}

fn analyse(stream: &[u8], plain: &[u8]) -> Option<(usize, Vec<u8>)> {
    // What comes of it is proved by the caller.
    let config =
        PreflateConfig { verify_compression: false, plain_text_limit: plain.len() + 1, ..PreflateConfig::default() };
    let mut analyst = PreflateStreamProcessor::new(&config);
    let (mut count, mut pieces) = (0, Vec::new());
    let (mut from, mut text_from, mut ahead) = (0, 0, PIECE);
    while !analyst.is_done() {
        let end = stream.len().min(from + ahead);
        match analyst.decompress(&stream[from..end]) {
            Ok(piece) => {
                let text = analyst.plain_text().text();
                if plain.get(text_from..text_from + text.len()) != Some(text) {
                    return None;
                }
                put_number(&mut pieces, text.len());
                put_number(&mut pieces, piece.corrections.len());
                pieces.extend_from_slice(&piece.corrections);
                text_from += text.len();
                analyst.shrink_to_dictionary();
                from += piece.compressed_size;
                count += 1;
                ahead = PIECE;
            }
            // Not even one block ends within the piece.
            Err(error) if error.exit_code() == ExitCode::ShortRead && end < stream.len() => ahead *= 2,
            Err(_) => return None,
        }
    }
    (from == stream.len() && text_from == plain.len()).then_some((count, pieces))
}

/// A plain form whose deflate streams are all inflated, and where they stand.
struct Inflated {
    form: Vec<u8>,
    streams: Vec<Stream>,
}

struct Stream {
    in_file: Range<usize>,
    in_form: Range<usize>,
}

/// `None` if more than `limit` bytes come out.
fn inflate_members(file: &[u8], limit: usize) -> Option<Inflated> {
    let (mut form, mut streams) = (Vec::new(), Vec::new());
    let mut at = 0;
    while streams.len() < MOST_MEMBERS
        && let Some(header) = header_length(&file[at..])
    {
        let begin = at + header;
        form.extend_from_slice(&file[at..begin]);
        at = begin;
        let form_begin = form.len();
        let Some(used) = inflate(&file[begin..], &mut form, limit)? else { break };
        streams.push(Stream { in_file: begin..begin + used, in_form: form_begin..form.len() });
        at = file.len().min(begin + used + TRAILER);
        form.extend_from_slice(&file[begin + used..at]);
    }
    form.extend_from_slice(&file[at..]);
    (form.len() <= limit).then_some(Inflated { form, streams })
}

/// Length of the header of the gzip member that `bytes` begin with, RFC 1952 section 2.3; `None` if there is none.
fn header_length(bytes: &[u8]) -> Option<usize> {
    const CRC: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    if !bytes.starts_with(&[0x1f, 0x8b, 8]) {
        return None;
    }
    let flags = *bytes.get(3)?;
    let mut length = 10;
    if flags & EXTRA != 0 {
        let field = bytes.get(length..length + 2)?;
        length += 2 + usize::from(u16::from_le_bytes([field[0], field[1]]));
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            length += memchr::memchr(0, bytes.get(length..)?)? + 1;
        }
    }
    if flags & CRC != 0 {
        length += 2;
    }
    (length <= bytes.len()).then_some(length)
}

/// Appends the plain text of the deflate stream that `bytes` begin with, and says how many of them it takes: none, and
/// nothing is appended, if it is broken. `None` outside if `out` would grow beyond `limit` bytes.
fn inflate(bytes: &[u8], out: &mut Vec<u8>, limit: usize) -> Option<Option<usize>> {
    let begin = out.len();
    let mut inflate = Decompress::new(false);
    loop {
        if out.len() == out.capacity() {
            out.reserve(out.len().clamp(64 << 10, 16 << 20));
        }
        let (used, before) = (inflate.total_in() as usize, out.len());
        let status = inflate.decompress_vec(&bytes[used..], out, FlushDecompress::None);
        if out.len() > limit {
            return None;
        }
        let moved = inflate.total_in() as usize > used || out.len() > before;
        match status {
            Ok(Status::StreamEnd) => return Some(Some(inflate.total_in() as usize)),
            Ok(_) if moved => {}
            Ok(_) | Err(_) => {
                out.truncate(begin);
                return Some(None);
            }
        }
    }
}
