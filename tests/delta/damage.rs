//! Deltas that are damaged, forged, over another base, or without end: an error each, and never wrong bytes.

use bivouac::delta::{BadDelta, Limits, Method, apply, form, make};
use sha2::{Digest as _, Sha256};

use crate::encoders::gzip;
use crate::text;

/// Base, target and a delta by `method` between them.
fn sample(method: Method) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let old = text(5, 8_000);
    let mut new = old.clone();
    new.splice(3_000..3_010, *b"some other words");
    // What is mostly new, and says the same again and again.
    if method == Method::Prefix {
        new.extend(text(6, 500).repeat(600));
    }
    // Addresses that all moved by the same distance, as in an executable.
    let addresses = |by: u32| -> Vec<u8> {
        (0..4_000_u32).flat_map(|n| (n.wrapping_mul(n).wrapping_mul(40_503).wrapping_add(by)).to_le_bytes()).collect()
    };
    let (base, target) = (gzip(&[addresses(0), old].concat(), 9), gzip(&[addresses(64), new].concat(), 9));
    let delta = make(Some(&base), &target);
    (base, target, delta)
}

fn both() -> [(Vec<u8>, Vec<u8>, Vec<u8>); 2] {
    [Method::Prefix, Method::Differ].map(|method| {
        let sample = sample(method);
        assert_eq!(form::inspect(&sample.2).unwrap().method, method);
        sample
    })
}

/// Puts a matching seal on what somebody changed.
pub(crate) fn reseal(delta: &mut [u8]) {
    let seal = Sha256::new().chain_update(&delta[..11]).chain_update(&delta[19..]).finalize();
    delta[11..19].copy_from_slice(&seal[..8]);
}

#[test]
fn a_flipped_bit_anywhere_is_an_error() {
    for (base, _, delta) in both() {
        for bit in 0..delta.len() * 8 {
            let mut flipped = delta.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let told = apply(Some(&base), &flipped, &Limits::default());
            assert!(
                matches!(told, Err(BadDelta::NotOne | BadDelta::Version(_) | BadDelta::Damaged)),
                "{bit}: {told:?}"
            );
        }
    }
}

#[test]
fn a_cut_anywhere_is_an_error() {
    for (base, _, delta) in both() {
        for length in 0..delta.len() {
            let told = apply(Some(&base), &delta[..length], &Limits::default());
            assert!(matches!(told, Err(BadDelta::NotOne | BadDelta::Damaged)), "{length}: {told:?}");
        }
        let longer = [&delta[..], b"\0"].concat();
        assert_eq!(apply(Some(&base), &longer, &Limits::default()), Err(BadDelta::Damaged));
    }
}

/// A forger's seal matches: then every decoder meets the change, and the target's digest has the last word.
#[test]
fn a_change_under_a_matching_seal_gives_the_target_or_an_error() {
    for (base, target, delta) in both() {
        let (mut refused, mut tried) = (0, 0);
        // All of the header and the script; of the diff a part.
        for at in (19..delta.len()).filter(|at| *at < 160 || at % 11 == 0) {
            for change in [0x01, 0x80, 0xff] {
                let mut forged = delta.clone();
                forged[at] ^= change;
                reseal(&mut forged);
                tried += 1;
                match apply(Some(&base), &forged, &Limits::default()) {
                    Ok(given) => assert_eq!(given, target),
                    Err(_) => refused += 1,
                }
            }
        }
        assert!(refused > tried / 2, "{refused} of {tried}");
    }
}

#[test]
fn another_base_is_named_and_so_is_none() {
    for (base, _, delta) in both() {
        let needs = Sha256::digest(&base).into();
        assert_eq!(form::inspect(&delta).unwrap().base, Some(needs));
        assert_eq!(apply(None, &delta, &Limits::default()), Err(BadDelta::NoBase { needs }));
        let given = Sha256::digest(b"another").into();
        let told = apply(Some(b"another"), &delta, &Limits::default());
        assert_eq!(told, Err(BadDelta::WrongBase { needs, given }));
        let hex: String = needs.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(told.unwrap_err().to_string().contains(&hex));
    }
}

#[test]
fn a_limit_holds_before_anything_is_decoded() {
    for (base, target, delta) in both() {
        let limits = Limits { target: target.len() - 1, ..Limits::default() };
        let told = apply(Some(&base), &delta, &limits);
        assert_eq!(told, Err(BadDelta::TooLarge { what: "target", limit: target.len() - 1 }));
        for plain in [0, 100, base.len(), 16_000] {
            let told = apply(Some(&base), &delta, &Limits { plain, ..Limits::default() });
            assert_eq!(told, Err(BadDelta::TooLarge { what: "plain form", limit: plain }));
        }
    }
}

/// Replaces the three lengths of a header (target, plain form, script), which stand behind both digests.
fn with_lengths(delta: &[u8], lengths: [usize; 3]) -> Vec<u8> {
    let begin = 19 + 64;
    let mut end = begin;
    for _ in 0..3 {
        end += delta[end..].iter().position(|byte| byte < &0x80).unwrap() + 1;
    }
    let mut forged = delta[..begin].to_vec();
    for mut length in lengths {
        while length >= 0x80 {
            forged.push(length as u8 | 0x80);
            length >>= 7;
        }
        forged.push(length as u8);
    }
    forged.extend_from_slice(&delta[end..]);
    reseal(&mut forged);
    forged
}

/// A hundred million zeros from a few thousand bytes, behind a header that claims a hundred of them.
#[test]
fn a_bomb_behind_a_modest_claim_is_an_error() {
    let (base, target) = (gzip(&text(6, 500), 9), gzip(&vec![0; 100 << 20], 9));
    let delta = make(Some(&base), &target);
    let header = form::inspect(&delta).unwrap();
    assert_eq!(header.method, Method::Prefix);
    assert!(delta.len() < 40_000, "{}", delta.len());
    let script = script_length(&delta);
    let forged = with_lengths(&delta, [header.target_len, 100, script]);
    let told = apply(Some(&base), &forged, &Limits::default());
    assert_eq!(told, Err(BadDelta::Malformed("its plain form has another length")));
    let forged = with_lengths(&delta, [100, header.plain_len, script]);
    assert_eq!(apply(Some(&base), &forged, &Limits::default()), Err(BadDelta::Malformed("its script is broken")));
}

/// Lengths that no memory holds are claims only.
#[test]
fn a_claim_beyond_all_memory_is_an_error() {
    for (base, _, delta) in both() {
        let script = script_length(&delta);
        let limits = Limits { target: usize::MAX, plain: usize::MAX };
        let forged = with_lengths(&delta, [usize::MAX, usize::MAX >> 2, script]);
        assert!(matches!(apply(Some(&base), &forged, &limits), Err(BadDelta::Malformed(_))));
        let forged = with_lengths(&delta, [100, 100, usize::MAX]);
        assert!(matches!(apply(Some(&base), &forged, &limits), Err(BadDelta::Malformed(_))));
    }
}

/// The third length of a header.
fn script_length(delta: &[u8]) -> usize {
    let mut at = 19 + 64;
    let mut number = 0;
    for _ in 0..3 {
        number = 0;
        for shift in (0..).step_by(7) {
            let byte = delta[at];
            at += 1;
            number |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
    }
    number
}
