//! A file's sections are cut where its gzip members end, the same however the bytes arrive, and within the limits.

use std::io::Read as _;

use bivouac::apk::v2::sections::{Head, HeadReader, Limits, SignaturePart, read_index, split_index, split_signatures};
use bivouac::apk::v2::signature;

/// Small enough that a search meets them often.
const LIMITS: Limits = Limits { signature: 16 << 10, control: 256 << 10, index: 1 << 20 };

/// Reads `bytes` as a package and as an index file.
pub(crate) fn law(bytes: &[u8]) {
    package(bytes);
    index(bytes);
}

fn package(bytes: &[u8]) {
    let whole = read_head(bytes, bytes.len().max(1));
    let step = bytes.iter().fold(1, |sum, byte| (sum + usize::from(*byte)) % 700 + 1);
    assert_eq!(whole, read_head(bytes, step), "in steps of {step}");
    let Some((head, used)) = whole else { return };
    let from = head.signature_length as usize;
    assert_eq!(from + head.control.len(), used);
    assert_eq!(head.control, bytes[from..used]);
    assert_eq!(head.files.iter().filter(|file| *file == ".PKGINFO").count().min(1), 1);
    // Another reader of gzip finds the control section's end at the same place.
    let (inflated, rest) = inflate(&bytes[from..]);
    assert_eq!(rest, &bytes[used..]);
    assert!(inflated.len() <= LIMITS.control && head.pkginfo.len() <= inflated.len());
    // Signature members fill what precedes it, to the byte.
    let (mut front, mut total) = (&bytes[..from], 0);
    while !front.is_empty() {
        let (inflated, rest) = inflate(front);
        total += inflated.len();
        front = rest;
    }
    assert!(total <= LIMITS.signature);
}

/// The head and how many bytes were taken for it, fed in steps.
fn read_head(bytes: &[u8], step: usize) -> Option<(Head, usize)> {
    let (mut reader, mut used) = (HeadReader::new(LIMITS), 0);
    for chunk in bytes.chunks(step) {
        let taken = reader.feed(chunk).ok()?;
        assert!(taken <= chunk.len());
        assert!(taken == chunk.len() || reader.head().is_some());
        used += taken;
        if reader.head().is_some() {
            break;
        }
    }
    Some((reader.finish().ok()?, used))
}

fn inflate(bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let (mut reader, mut out) = (flate2::bufread::GzDecoder::new(bytes), Vec::new());
    reader.read_to_end(&mut out).unwrap();
    (out, reader.into_inner())
}

fn index(bytes: &[u8]) {
    let Ok(parts) = split_index(bytes, &LIMITS) else { return };
    let signatures = parts.signatures.clone();
    let part = SignaturePart { signatures: parts.signatures, signed_from: parts.signed_from };
    assert_eq!(split_signatures(bytes, &LIMITS), Ok(part));
    let signed = &bytes[parts.signed_from..];
    assert_eq!(inflate(signed).1, b"", "one member to the end of the file");
    assert!(parts.text.len() <= LIMITS.index);
    assert_eq!(read_index(signed, &LIMITS), Ok((parts.description.clone(), parts.text.clone())));
    // Its signatures, packed anew in front of the same bytes, are the same signatures over the same bytes.
    let front = signature::member(&signatures);
    if inflate(&front).0.len() > LIMITS.signature || front.len() > LIMITS.signature || signatures.is_empty() {
        return;
    }
    let again = split_index(&[&front, signed].concat(), &LIMITS).unwrap();
    assert_eq!((again.signatures, again.signed_from), (signatures, front.len()));
    assert_eq!((again.description, again.text), (parts.description, parts.text));
}
