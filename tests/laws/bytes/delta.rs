//! Any bytes are a target that a delta gives exactly, and any bytes behind a matching seal are a delta that gives what it
//! names, or none.

use bivouac::delta::{Limits, apply, form, make, make_against, signature};
use sha2::{Digest as _, Sha256};

/// So that no claim keeps the search waiting.
const LIMITS: Limits = Limits { target: 64 << 10, plain: 128 << 10 };
/// Where a delta's seal stands, and behind the target's digest the base's.
const SEAL: std::ops::Range<usize> = 11..19;
const BASE: std::ops::Range<usize> = 51..83;

/// What the seeds are deltas over: text, whose plain form it is itself.
pub(crate) fn base() -> Vec<u8> {
    (0..400_u32).flat_map(|n| format!("{} bottles on shelf {}\n", n % 97, n * n % 31).into_bytes()).collect()
}

pub(crate) fn law(bytes: &[u8]) {
    gives_what_it_names(bytes);
    if bytes.len() <= LIMITS.target {
        is_a_target(bytes);
    }
}

fn gives_what_it_names(bytes: &[u8]) {
    let base = base();
    let mut delta = bytes.to_vec();
    if delta.len() < SEAL.end {
        assert!(apply(Some(&base), &delta, &LIMITS).is_err());
        return;
    }
    if delta[10] == 1 && delta.len() >= BASE.end {
        delta[BASE].copy_from_slice(&Sha256::digest(&base));
    }
    let seal = Sha256::new().chain_update(&delta[..SEAL.start]).chain_update(&delta[SEAL.end..]).finalize();
    delta[SEAL].copy_from_slice(&seal[..8]);
    if let Ok(target) = apply(Some(&base), &delta, &LIMITS) {
        let header = form::inspect(&delta).expect("what was applied can be inspected");
        assert_eq!((header.target, header.target_len), (Sha256::digest(&target).into(), target.len()));
    }
}

fn is_a_target(target: &[u8]) {
    let half = &target[target.len() / 2..];
    for base in [None, Some(half)] {
        let delta = make(base, target);
        assert!(apply(base, &delta, &Limits::default()).as_deref() == Ok(target));
    }
    let signature = signature(half).expect("half of what is short is short");
    let delta = make_against(&signature, target).expect("our own signature");
    assert!(apply(Some(half), &delta, &Limits::default()).as_deref() == Ok(target));
}
