//! What is made is read back, and what nobody made is refused or at least ends.

use proptest::prelude::*;

use super::{Step, apply, make, steps};

fn told(base: &[u8], plain: &[u8]) {
    let patch = make(base, plain).expect("short ones are always told");
    assert!(apply(base, &patch, plain.len()).as_deref() == Ok(plain), "{} over {}", plain.len(), base.len());
}

/// Base and target in words of a few letters, so that there is much in common, at any distance.
fn alike() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let piece = prop::collection::vec(0..4_u8, 1..60);
    let pieces = prop::collection::vec(piece, 1..8);
    let order = prop::collection::vec(any::<prop::sample::Index>(), 0..20);
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20);
    (pieces, order, changes).prop_map(|(pieces, order, changes)| {
        let mut plain: Vec<u8> = order.iter().flat_map(|index| index.get(&pieces).clone()).collect();
        for (place, byte) in changes {
            if !plain.is_empty() {
                let at = place.index(plain.len());
                plain[at] = byte;
            }
        }
        (pieces.concat(), plain)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_made_is_read_back((base, plain) in alike()) {
        let patch = make(&base, &plain).expect("short ones are always told");
        prop_assert_eq!(apply(&base, &patch, plain.len()), Ok(plain));
    }

    #[test]
    fn steps_lead_through_all_of_the_target_and_nowhere_else((base, plain) in alike()) {
        let steps = steps::find(&base, &plain);
        let mut at = 0;
        for Step { add, from, copy } in steps {
            prop_assert!(add + copy > 0);
            prop_assert!(add == 0 || from + add <= base.len());
            at += add + copy;
        }
        prop_assert_eq!(at, plain.len());
    }

    /// Any bytes are a code of something.
    #[test]
    fn what_nobody_made_ends((base, _) in alike(), code in prop::collection::vec(any::<u8>(), 0..200), length in 0..5_000_usize) {
        let patch = [&[code.len() as u8 % 5], &code[..]].concat();
        if let Ok(plain) = apply(&base, &patch, length) {
            prop_assert_eq!(plain.len(), length);
        }
    }
}

#[test]
fn every_length_is_told_from_none_on() {
    let base: Vec<u8> = (0..200_u32).map(|n| ((n * n) >> 3) as u8).collect();
    for length in 0..50 {
        for begin in 0..9 {
            told(&base, &base[begin..begin + length]);
            told(&base[begin..=begin], &base[begin..begin + length]);
        }
    }
}

/// A hundred of the base's bytes take about a bit.
#[test]
fn what_did_not_change_costs_next_to_nothing() {
    let base: Vec<u8> = (0..100_000_u32).flat_map(|n| n.wrapping_mul(0x9e37_79b1).to_le_bytes()).collect();
    let mut plain = base.clone();
    plain[200_000] ^= 1;
    told(&base, &plain);
    let patch = make(&base, &plain).expect("all is in common");
    assert!(patch.len() < 400_000 / 800, "{}", patch.len());
}

#[test]
fn a_code_that_ends_early_or_goes_on_is_refused() {
    let base: Vec<u8> = (0..3_000_u32).map(|n| ((n * n) >> 5) as u8).collect();
    let mut plain = base[500..].to_vec();
    for at in (0..plain.len()).step_by(37) {
        plain[at] ^= 0x55;
    }
    let patch = make(&base, &plain).expect("most is in common");
    for length in 0..patch.len() - 4 {
        assert_ne!(apply(&base, &patch[..length], plain.len()).as_deref(), Ok(&plain[..]), "{length}");
    }
    let longer = [&patch[..], &[0; 4]].concat();
    assert_eq!(apply(&base, &longer, plain.len()), Err(super::BROKEN));
    assert_eq!(apply(&base, &[&[4], &patch[1..]].concat(), plain.len()), Err(super::BROKEN));
}
