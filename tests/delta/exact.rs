//! Exact on what is real and on what is made up.

use std::path::PathBuf;

use bivouac::delta::{Limits, Method, apply, form, make};
use proptest::prelude::*;

use crate::encoders::{ENCODERS, gzip};
use crate::{pairs, text};

/// Where the real data lies; `None`, said aloud, where there is none.
#[allow(clippy::disallowed_methods, reason = "tests are told by the environment")]
pub(crate) fn real() -> Option<PathBuf> {
    let data = std::env::var_os("BIVOUAC_REAL_ALPINE").map(PathBuf::from);
    if data.is_none() {
        eprintln!("skipped: no real Alpine data");
    }
    data
}

/// Of the real pairs those with a target up to this length, in bytes; the bench `delta` takes all.
const SHORT_ENOUGH: u64 = 190_000;

fn short(pairs: Vec<pairs::Pair>) -> Vec<pairs::Pair> {
    pairs.into_iter().filter(|pair| std::fs::metadata(&pair.target).unwrap().len() <= SHORT_ENOUGH).collect()
}

/// Makes and applies; the lengths of delta and target.
fn exact(pair: &pairs::Pair) -> (usize, usize) {
    let (base, target) = (std::fs::read(&pair.base).unwrap(), std::fs::read(&pair.target).unwrap());
    let delta = make(Some(&base), &target);
    assert!(apply(Some(&base), &delta, &Limits::default()).as_ref() == Ok(&target), "{}", pair.target.display());
    (delta.len(), target.len())
}

fn exact_all(pairs: &[pairs::Pair]) -> usize {
    let sums = pairs.iter().map(exact).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    sums.0 * 1000 / sums.1
}

#[test]
fn real_packages_of_any_two_versions() {
    let Some(real) = real() else { return };
    let pairs = short(pairs::all(&real));
    assert!(pairs.len() > 50, "{}", pairs.len());
    exact_all(&pairs);
}

#[test]
fn a_rebuild_of_a_real_package_weighs_a_hundredth() {
    let Some(real) = real() else { return };
    let steps = pairs::steps(&real).into_iter().map(|(_, pairs)| short(pairs)).collect::<Vec<_>>();
    assert_eq!(steps.iter().map(Vec::len).collect::<Vec<_>>(), [11, 4]);
    let [official, rebuilt] = [exact_all(&steps[0]), exact_all(&steps[1])];
    assert!(official < 130, "{official} ‰");
    assert!(rebuilt < 8, "{rebuilt} ‰");
}

#[test]
fn without_a_base_the_plain_form_alone_is_shorter() {
    // What deflate no longer sees, 32 kB back, zstd does.
    let target = gzip(&text(3, 100_000).repeat(2), 9);
    let delta = make(None, &target);
    assert_eq!(form::inspect(&delta).unwrap().base, None);
    assert!(delta.len() < target.len());
    assert_eq!(apply(None, &delta, &Limits::default()).as_ref(), Ok(&target));
}

#[test]
fn what_nothing_shortens_is_whole_and_needs_no_base() {
    let noise: Vec<u8> = (0..200_u32).flat_map(|n| sha2(&n.to_le_bytes())).collect();
    let delta = make(Some(b"another file"), &noise);
    assert_eq!(form::inspect(&delta).unwrap().method, Method::Whole);
    assert_eq!(apply(None, &delta, &Limits::default()).as_ref(), Ok(&noise));
    assert_eq!(apply(None, &make(None, b""), &Limits::default()), Ok(Vec::new()));
}

fn sha2(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}

/// Two made-up versions of a package: signature, control, data, each member by an encoder of its own.
fn versions() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 0..40)), 0..6);
    // Zopfli takes a hundred times as long as the others; it has its turn in `encoders`.
    let quick: Vec<_> = ENCODERS.iter().filter(|(name, _)| *name != "zopfli").map(|(_, encode)| *encode).collect();
    let encoder = prop::sample::select(quick);
    (any::<u32>(), 1..20_000_usize, edits, encoder.clone(), encoder).prop_map(|(seed, length, edits, before, after)| {
        let old = text(seed.into(), length);
        let mut new = old.clone();
        for (place, words) in edits {
            let at = place.index(new.len() + 1);
            let end = new.len().min(at + words.len() / 2);
            new.splice(at..end, words);
        }
        let control = |plain: &[u8]| gzip(format!("size = {}\n", plain.len()).as_bytes(), 9);
        ([control(&old), before(&old)].concat(), [control(&new), after(&new)].concat())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn made_up_packages_are_told_exactly((base, target) in versions()) {
        let delta = make(Some(&base), &target);
        prop_assert!(delta.len() <= target.len() + 128);
        prop_assert!(apply(Some(&base), &delta, &Limits::default()).as_ref() == Ok(&target));
    }
}
