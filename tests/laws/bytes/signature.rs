//! Names of signature entries and the member that holds them read back as what was written.

use bivouac::apk::v2::sections::{Limits, split_signatures};
use bivouac::apk::v2::signature::{EntryName, Signature, member, parse_name, print_name};

/// Reads `bytes` as an entry's name, a line feed and the signature behind it; and as a signature member.
pub(crate) fn law(bytes: &[u8]) {
    if let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
        entry(&bytes[..at], &bytes[at + 1..]);
    }
    section(bytes);
}

fn entry(name: &[u8], content: &[u8]) {
    let Ok(name) = std::str::from_utf8(name) else { return };
    match parse_name(name) {
        EntryName::Known(algorithm, key) => {
            assert_eq!(print_name(algorithm, &key), name);
            assert_eq!(key.as_str().parse().as_ref(), Ok(&key));
            let one = Signature { algorithm, key, bytes: content.to_vec() };
            reads_back(std::slice::from_ref(&one));
            reads_back(&[one.clone(), one]);
        }
        EntryName::Unknown | EntryName::Malformed => assert!(name.starts_with(".SIGN.")),
        EntryName::Other => assert!(!name.starts_with(".SIGN.")),
    }
}

fn section(bytes: &[u8]) {
    let file = [bytes, &index()].concat();
    let Ok(part) = split_signatures(&file, &Limits::default()) else { return };
    assert!(part.signed_from <= Limits::default().signature);
    if !part.signatures.is_empty() {
        assert!(part.signed_from > 0);
        reads_back(&part.signatures);
    }
}

/// Packs signatures in front of an index and takes them off again.
fn reads_back(signatures: &[Signature]) {
    let front = member(signatures);
    let part = split_signatures(&[front.clone(), index()].concat(), &Limits::default());
    // A header of its own, at most two blocks of a long name, and padding, for each.
    let inflated: usize = signatures.iter().map(|one| one.bytes.len().next_multiple_of(512) + 4 * 512).sum();
    if inflated <= Limits::default().signature {
        let part = part.unwrap();
        assert_eq!((part.signatures.as_slice(), part.signed_from), (signatures, front.len()));
    }
}

fn index() -> Vec<u8> {
    bivouac::apk::v2::index::member("", "", 0)
}
