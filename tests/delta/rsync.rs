//! Deltas against a signature: for a sender that has the base no more.

use bivouac::delta::{BadDelta, BadSignature, LARGEST_PLAIN, Limits, Method, apply, form, make_against, signature};
use sha2::{Digest as _, Sha256};

use crate::encoders::{ENCODERS, gzip};
use crate::exact::real;
use crate::{pairs, text};

/// Base, target, and a delta over the base's signature.
fn sample() -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let old = text(11, 30_000);
    let mut new = old.clone();
    new.splice(3_000..3_010, *b"some other words");
    let (base, target) = (gzip(&old, 6), gzip(&new, 9));
    let delta = make_against(&signature(&base).unwrap(), &target).unwrap();
    (base, target, delta)
}

#[test]
fn a_small_change_is_a_small_delta_over_the_base_that_is_named() {
    let (base, target, delta) = sample();
    let header = form::inspect(&delta).unwrap();
    assert_eq!((header.method, header.base), (Method::Rsync, Some(Sha256::digest(&base).into())));
    assert!(delta.len() < target.len() / 8, "{} of {}", delta.len(), target.len());
    assert_eq!(apply(Some(&base), &delta, &Limits::default()).as_ref(), Ok(&target));
    assert!(matches!(apply(None, &delta, &Limits::default()), Err(BadDelta::NoBase { .. })));
    assert!(matches!(apply(Some(&target), &delta, &Limits::default()), Err(BadDelta::WrongBase { .. })));
}

#[test]
fn every_encoder_is_told_exactly() {
    let old = text(12, 20_000);
    let mut new = old.clone();
    new.splice(500..510, *b"some other words");
    for (name, encode) in ENCODERS {
        let (base, target) = (encode(&old), encode(&new));
        let delta = make_against(&signature(&base).unwrap(), &target).unwrap();
        assert_eq!(apply(Some(&base), &delta, &Limits::default()).as_ref(), Ok(&target), "{name}");
        assert!(delta.len() <= target.len() + 128, "{name}: {} of {}", delta.len(), target.len());
    }
}

#[test]
fn the_shortest_bases_have_signatures() {
    for length in [0, 1, 127, 128, 129, 300] {
        let base = text(13, length);
        let target = [&base[..], &gzip(&text(14, 3_000), 9)].concat();
        let delta = make_against(&signature(&base).unwrap(), &target).unwrap();
        assert_eq!(apply(Some(&base), &delta, &Limits::default()).as_ref(), Ok(&target), "{length}");
    }
}

#[test]
fn real_packages_are_told_exactly() {
    let Some(real) = real() else { return };
    let mut sums = [0; 2];
    for (_, pairs) in pairs::steps(&real) {
        for pair in pairs {
            let (base, target) = (std::fs::read(&pair.base).unwrap(), std::fs::read(&pair.target).unwrap());
            let delta = make_against(&signature(&base).unwrap(), &target).unwrap();
            assert!(
                apply(Some(&base), &delta, &Limits::default()).as_ref() == Ok(&target),
                "{}",
                pair.target.display()
            );
            sums = [sums[0] + delta.len(), sums[1] + target.len()];
        }
    }
    assert!(sums[0] * 100 / sums[1] < 40, "{sums:?}");
}

/// A signature comes from another site: whatever it says, there is a delta or an error, and the delta a target or an error.
#[test]
fn a_damaged_signature_is_an_error_or_only_costs_length() {
    let (base, target, _) = sample();
    let whole = signature(&base).unwrap();
    for length in 0..whole.len() {
        let told = make_against(&whole[..length], &target);
        assert!(matches!(told, Err(BadSignature::NotOne | BadSignature::Malformed)), "{length}");
    }
    let longer = [&whole[..], b"\0"].concat();
    assert_eq!(make_against(&longer, &target), Err(BadSignature::Malformed));
    let mut later = whole.clone();
    later[8] = 2;
    assert_eq!(make_against(&later, &target), Err(BadSignature::Version(2)));
    for at in (9..whole.len()).filter(|at| *at < 80 || at % 7 == 0) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        match make_against(&damaged, &target) {
            Err(error) => assert_eq!(error, BadSignature::Malformed),
            Ok(delta) => match apply(Some(&base), &delta, &Limits::default()) {
                Ok(given) => assert_eq!(given, target),
                Err(error) => assert!(matches!(error, BadDelta::WrongBase { .. }), "{at}: {error}"),
            },
        }
    }
}

/// A signature may claim a base of any length; nothing of that length is held for it.
#[test]
fn a_claim_beyond_all_memory_is_an_error() {
    for claim in [u64::MAX, LARGEST_PLAIN as u64 * 2] {
        let mut forged = b"BIVRSIGN\x01".to_vec();
        forged.extend_from_slice(&[7; 32]);
        let mut rest = claim;
        while rest >= 0x80 {
            forged.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        forged.push(rest as u8);
        forged.extend_from_slice(b"rs\x01\x36\0\0\x08\0\0\0\0\x08");
        assert_eq!(make_against(&forged, &gzip(b"target", 9)), Err(BadSignature::Malformed), "{claim}");
    }
}

#[test]
fn a_forged_diff_gives_the_target_or_an_error() {
    let (base, target, delta) = sample();
    let mut refused = 0;
    for at in 83..delta.len() {
        let mut forged = delta.clone();
        forged[at] ^= 0x81;
        crate::damage::reseal(&mut forged);
        match apply(Some(&base), &forged, &Limits::default()) {
            Ok(given) => assert_eq!(given, target),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > delta.len() / 2, "{refused}");
}
