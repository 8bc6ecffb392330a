//! Steps as numbers: how far each goes, and where in the base. A walk is known by its distance, what stands in the base less
//! what stands in the target; most go on at the distance of one of the last sixteen.

use super::coder::Bits;
use super::model::{Chance, Numbers};
use super::steps::Step;

const RECENT: usize = 16;
/// The place of a distance that is not among the recent ones.
const NEW: u32 = RECENT as u32;

#[derive(Debug)]
pub(super) struct Walks {
    /// By whether the last step ended with new bytes.
    adds: [Numbers; 2],
    /// By the size of what resembles the base before them.
    copies: [Numbers; 8],
    /// By the last place among the recent distances, a tree over the places.
    places: Vec<[Chance; 32]>,
    backwards: Chance,
    leaps: Numbers,
    recent: [isize; RECENT],
    place: u32,
    copied: usize,
}

impl Walks {
    pub(super) fn new() -> Walks {
        Walks {
            adds: std::array::from_fn(|_| Numbers::new()),
            copies: std::array::from_fn(|_| Numbers::new()),
            places: vec![[Chance::default(); 32]; RECENT + 1],
            backwards: Chance::default(),
            leaps: Numbers::new(),
            recent: [0; RECENT],
            place: 0,
            copied: 0,
        }
    }

    /// The step at the target's `at`; `step` is it, or anything if it is read. `None` where one leads before the base.
    pub(super) fn step<C: Bits>(&mut self, coder: &mut C, at: usize, step: Step) -> Option<Step> {
        let add = self.adds[self.copied.min(1)].number(coder, step.add as u32) as usize;
        if add > 0 {
            self.distance(coder, (step.from as isize).wrapping_sub(at as isize));
        }
        let size = ((add + 1).ilog2() as usize / 2).min(7);
        let copy = self.copies[size].number(coder, step.copy as u32) as usize;
        self.copied = copy;
        let from = at.checked_add_signed(self.recent[0]);
        // Where nothing is taken from the base, it does not matter from where.
        let from = if add == 0 { from.or(Some(0)) } else { from };
        Some(Step { add, from: from?, copy })
    }

    /// Puts the distance first among the recent ones.
    fn distance<C: Bits>(&mut self, coder: &mut C, distance: isize) {
        let known = self.recent.iter().position(|&recent| recent == distance);
        let known = known.map_or(NEW, |place| place as u32);
        let tree = &mut self.places[self.place as usize];
        let mut node = 1;
        for shift in (0..5).rev() {
            node = node << 1 | tree[node as usize].bit(coder, known >> shift & 1);
        }
        self.place = (node & 31).min(NEW);
        if self.place < NEW {
            self.recent[..=self.place as usize].rotate_right(1);
            return;
        }
        let leap = distance.wrapping_sub(self.recent[0]);
        let backwards = self.backwards.bit(coder, u32::from(leap < 0));
        let leap = self.leaps.number(coder, leap.unsigned_abs() as u32) as isize;
        let leap = if backwards == 1 { -leap } else { leap };
        self.recent.rotate_right(1);
        self.recent[0] = self.recent[1].saturating_add(leap);
    }
}
