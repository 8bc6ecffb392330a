//! What packages may have been compressed with.

use std::io::Write as _;

use bivouac::delta::{Limits, Method, apply, form, make};
use flate2::write::{DeflateEncoder, GzEncoder};
use flate2::{Compression, GzBuilder};

use crate::text;

/// A way to make a gzip file.
pub(crate) type Encoder = fn(&[u8]) -> Vec<u8>;

/// Each by its name. Of the two marked ones nothing can be undone: a delta must be exact all the same.
pub(crate) const ENCODERS: &[(&str, Encoder)] = &[
    ("stored", |plain| gzip(plain, 0)),
    ("fastest", |plain| gzip(plain, 1)),
    ("usual", |plain| gzip(plain, 6)),
    ("best", |plain| gzip(plain, 9)),
    ("in blocks, as pigz", pigz),
    ("zopfli", zopfli),
    ("several members", |plain| plain.chunks(plain.len() / 3 + 1).flat_map(|chunk| gzip(chunk, 9)).collect()),
    ("every field in the header", every_field),
    ("rubbish behind", |plain| [gzip(plain, 9), b"\x1f\x8b\x08 no member".to_vec()].concat()),
    ("cut in the middle", |plain| {
        let whole = gzip(plain, 9);
        whole[..whole.len() / 2].to_vec()
    }),
    ("a flipped bit", |plain| {
        let mut whole = gzip(plain, 9);
        let middle = whole.len() / 2;
        whole[middle] ^= 4;
        whole
    }),
    ("not compressed at all", <[u8]>::to_vec),
];

pub(crate) fn gzip(plain: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// One member whose stream is flushed to a byte boundary every few thousand bytes.
fn pigz(plain: &[u8]) -> Vec<u8> {
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::best());
    for block in plain.chunks(16 << 10) {
        deflate.write_all(block).unwrap();
        deflate.flush().unwrap();
    }
    let mut out = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03".to_vec();
    out.extend_from_slice(&deflate.finish().unwrap());
    let mut crc = flate2::Crc::new();
    crc.update(plain);
    out.extend_from_slice(&crc.sum().to_le_bytes());
    out.extend_from_slice(&crc.amount().to_le_bytes());
    out
}

fn zopfli(plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    zopfli::compress(zopfli::Options::default(), zopfli::Format::Gzip, plain, &mut out).unwrap();
    out
}

fn every_field(plain: &[u8]) -> Vec<u8> {
    let mut out = GzBuilder::new()
        .extra(&b"extra"[..])
        .filename("name")
        .comment("comment")
        .mtime(7)
        .write(Vec::new(), Compression::best());
    out.write_all(plain).unwrap();
    out.finish().unwrap()
}

#[test]
fn every_encoder_is_told_exactly() {
    let old = text(1, 60_000);
    let mut new = old.clone();
    new.splice(20_000..20_010, *b"some other words");
    for (name, encode) in ENCODERS {
        let (base, target) = (gzip(&old, 6), encode(&new));
        let delta = make(Some(&base), &target);
        assert_eq!(apply(Some(&base), &delta, &Limits::default()).as_ref(), Ok(&target), "{name}");
        assert!(delta.len() <= target.len() + 128, "{name}: {} of {}", delta.len(), target.len());
    }
}

/// The point of the whole room: of what zlib's algorithm made, in whatever shape, next to nothing is sent.
#[test]
fn of_known_encoders_a_small_change_is_a_small_delta() {
    let old = text(2, 200_000);
    let mut new = old.clone();
    new.splice(20_000..20_010, *b"some other words");
    for name in ["stored", "usual", "in blocks, as pigz", "several members", "every field in the header"] {
        let (_, encode) = ENCODERS.iter().find(|(known, _)| known == &name).unwrap();
        let (base, target) = (gzip(&old, 6), encode(&new));
        let delta = make(Some(&base), &target);
        let ratio = delta.len() * 100 / target.len();
        assert!(ratio < 12, "{name}: {} of {} bytes", delta.len(), target.len());
        assert_ne!(form::inspect(&delta).unwrap().method, Method::Whole, "{name}");
    }
}

/// More than [`bivouac::delta::LARGEST_PLAIN`] comes out of some 300 kB: neither side keeps that in memory.
#[test]
fn a_package_that_inflates_without_end_goes_whole() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![0; 1 << 20];
    for _ in 0..=256 {
        encoder.write_all(&zeros).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    let small = gzip(b"small", 9);
    let delta = make(Some(&small), &bomb);
    assert_eq!(form::inspect(&delta).unwrap().method, Method::Whole);
    assert_eq!(apply(None, &delta, &Limits::default()).as_ref(), Ok(&bomb));
    let over = make(Some(&bomb), &small);
    assert_eq!(form::inspect(&over).unwrap().method, Method::Whole);
}
