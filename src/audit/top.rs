//! The heaviest of a kind, in bounded memory.

use std::collections::HashMap;
use std::hash::Hash;

/// Values by key, of which up to twice `keep` are held. When they are more, the lightest half goes; what that hides of any key
/// is at most [`Top::missed`], for a key that comes back begins anew. Whoever weighs more than that is sure to be here.
#[derive(Clone, Debug)]
pub(super) struct Top<K, V> {
    values: HashMap<K, Weighed<V>>,
    keep: usize,
    missed: u64,
}

#[derive(Clone, Debug)]
struct Weighed<V> {
    weight: u64,
    value: V,
}

impl<K: Eq + Hash + Ord + Clone, V: Default> Top<K, V> {
    pub(super) fn new(keep: usize) -> Self {
        Top { values: HashMap::new(), keep: keep.max(1), missed: 0 }
    }

    /// The value of `key`, which weighs `more` than before.
    pub(super) fn of<Q>(&mut self, key: &Q, more: u64) -> &mut V
    where
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
        K: std::borrow::Borrow<Q>,
    {
        if !self.values.contains_key(key) {
            if self.values.len() >= 2 * self.keep {
                self.shed();
            }
            self.values.insert(key.to_owned(), Weighed { weight: 0, value: V::default() });
        }
        let weighed = self.values.get_mut(key).expect("it is there, or was just put there");
        weighed.weight += more;
        &mut weighed.value
    }

    fn shed(&mut self) {
        let mut weights: Vec<u64> = self.values.values().map(|weighed| weighed.weight).collect();
        weights.sort_unstable_by(|one, other| other.cmp(one));
        let limit = weights[self.keep];
        // All that weigh as much as the first one too many go with it, or the heap of ones would keep an arbitrary half.
        self.values.retain(|_, weighed| weighed.weight > limit);
        self.missed += limit;
    }

    /// By how much a count may be too low, and how heavy one that is not here may be. 0: all were kept.
    pub(super) fn missed(&self) -> u64 {
        self.missed
    }

    /// How many are here.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.values.len()
    }

    /// All that are here, the heaviest first, then by key.
    pub(super) fn heaviest(&self) -> Vec<(&K, u64, &V)> {
        let mut all: Vec<_> = self.values.iter().map(|(key, weighed)| (key, weighed.weight, &weighed.value)).collect();
        all.sort_unstable_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(other.0)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heavy_stay_and_the_bound_holds() {
        let mut top: Top<String, u64> = Top::new(50);
        // A heavy one that comes late and seldom, among ten thousand that come once or twice.
        for round in 0_u64..10_000 {
            *top.of(format!("light-{round}").as_str(), 1) += 1;
            if round > 3_000 && round % 10 == 0 {
                *top.of("heavy", 1) += 1;
            }
        }
        assert!(top.len() <= 100);
        let (name, weight, value) = top.heaviest()[0];
        assert_eq!((name.as_str(), weight), ("heavy", *value));
        assert!(weight <= 699 && weight + top.missed() >= 699, "{weight} + {}", top.missed());
        assert!(top.missed() > 0);
    }

    #[test]
    fn few_are_counted_exactly() {
        let mut top: Top<String, ()> = Top::new(2);
        for (name, times) in [("a", 1), ("b", 3), ("c", 2), ("d", 3)] {
            (0..times).for_each(|_| *top.of(name, 1) = ());
        }
        let told: Vec<_> = top.heaviest().into_iter().map(|(key, weight, ())| (key.as_str(), weight)).collect();
        assert_eq!((told, top.missed()), (vec![("b", 3), ("d", 3), ("c", 2), ("a", 1)], 0));
    }
}
