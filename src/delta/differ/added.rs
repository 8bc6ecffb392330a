//! Stretches of the target that resemble the base: the difference of each byte, four together as a word.
//!
//! Most words are the base's. In the others an address moved: by as much as when this very word was met last, or another
//! one of the same operation (the word's highest byte, as ARM has it). Those are guessed first; what was not guessed goes
//! lane by lane, a lane being one of the word's bytes.

use super::coder::Bits;
use super::model::{Chance, Mixed, hash};

pub(super) const WORD: usize = 4;
/// Sets of weights: by lane and, within it, whether the difference is zero, its high half and its low half.
const SETS: usize = 3 * WORD;

/// The place of a word among those seen has so many bits.
const SEEN: u32 = 14;

#[derive(Debug)]
pub(super) struct Added {
    /// Added to a place in the target, it gives a multiple of four where a word begins.
    phase: usize,
    /// Whether a word differs where none of the last eight did, by when one did and by the operation.
    calm: Vec<Chance>,
    /// Whether one differs elsewhere.
    words: Mixed<3>,
    /// Whether a guess is right.
    guesses: Mixed<3>,
    bytes: Mixed<4>,
    /// Of the last 32 words, whether they differed; the last one's bit is the lowest.
    differed: u32,
    /// By a hash of the base's word, that word and its last difference.
    seen: Vec<(u32, u32)>,
    /// The last two differences other than zero, by operation.
    by_operation: Vec<[u32; 2]>,
    /// Which guesses of each kind were right, the last one's bit the lowest.
    right: [u32; 3],
}

/// A word in the making.
struct Word {
    /// The base's.
    base: u32,
    /// Its lanes that belong to the stretch.
    lanes: std::ops::Range<usize>,
}

impl Added {
    /// With 2^`log` lines of chances.
    pub(super) fn new(phase: usize, log: u32) -> Added {
        Added {
            phase,
            calm: vec![Chance::default(); 5 << 8],
            words: Mixed::new(log.min(14), 16),
            guesses: Mixed::new(log.min(14), 3),
            bytes: Mixed::new(log, SETS),
            differed: 0,
            seen: vec![(0, 0); 1 << SEEN],
            by_operation: vec![[0; 2]; 256],
            right: [0; 3],
        }
    }

    /// The next `count` bytes, which resemble those of `base` from `from` on; `known` are they, or empty if they are read.
    pub(super) fn run<C: Bits>(
        &mut self,
        coder: &mut C,
        base: &[u8],
        from: usize,
        count: usize,
        known: &[u8],
        out: &mut Vec<u8>,
    ) {
        let mut done = 0;
        while done < count {
            let lane = (out.len() + self.phase) % WORD;
            let length = (WORD - lane).min(count - done);
            let begin = (from + done).wrapping_sub(lane);
            let word = Word { base: word_at(base, begin), lanes: lane..lane + length };
            let known = known.get(done..done + length).unwrap_or_default();
            let mut difference = 0;
            for (lane, &byte) in word.lanes.clone().zip(known) {
                difference |= u32::from(byte.wrapping_sub(lane_of(word.base, lane))) << (8 * lane);
            }
            let difference = self.word(coder, &word, difference);
            for lane in word.lanes {
                out.push(lane_of(word.base, lane).wrapping_add(lane_of(difference, lane)));
            }
            done += length;
        }
    }

    /// One word's difference.
    #[inline]
    fn word<C: Bits>(&mut self, coder: &mut C, word: &Word, difference: u32) -> u32 {
        let is_calm = self.differed & 0xff == 0;
        let differs = u32::from(difference != 0);
        let differs = if is_calm { self.ends_calm(coder, word, differs) } else { self.differs(coder, word, differs) };
        self.differed = self.differed << 1 | differs;
        let difference = if differs == 1 { self.difference(coder, word, difference) } else { 0 };
        if differs == 1 || !is_calm {
            self.seen[place_of(word.base)] = (word.base, difference);
        }
        if differs == 1 {
            let [last, second] = &mut self.by_operation[word.operation()];
            if *last != difference {
                *second = std::mem::replace(last, difference);
            }
        }
        difference
    }

    /// Most words of most files go through here.
    #[inline]
    fn ends_calm<C: Bits>(&mut self, coder: &mut C, word: &Word, bit: u32) -> u32 {
        let since = self.differed.trailing_zeros() as usize / 8;
        self.calm[since << 8 | word.operation()].bit(coder, bit)
    }

    #[inline]
    fn differs<C: Bits>(&mut self, coder: &mut C, word: &Word, bit: u32) -> u32 {
        let seen = match self.seen[place_of(word.base)] {
            (base, _) if base != word.base => 0,
            (_, 0) => 1,
            _ => 2,
        };
        let hashes = [
            hash(&[1, word.operation() as u32, self.differed & 0x3f]),
            hash(&[2, word.base >> 16, self.differed & 3]),
            hash(&[3, seen, self.differed & 0xfff]),
        ];
        let at = self.words.find(&hashes);
        let set = (self.differed & 15).count_ones() as usize;
        self.words.bit(coder, &at, 0, set, bit)
    }

    /// A difference that is not zero.
    fn difference<C: Bits>(&mut self, coder: &mut C, word: &Word, difference: u32) -> u32 {
        if word.lanes.len() == WORD
            && let Some(guess) = self.guess(coder, word, difference)
        {
            return guess;
        }
        let [last, _] = self.by_operation[word.operation()];
        let mut made = 0_u32;
        for lane in word.lanes.clone() {
            let place = (lane as u32) << 8 | word.lanes.len() as u32;
            let hashes = [
                hash(&[1, place, word.operation() as u32, made]),
                hash(&[2, place]),
                hash(&[3, place, lane_of(word.base, lane).into(), made]),
                hash(&[4, place, last, made]),
            ];
            made |= u32::from(self.lane(coder, &hashes, 3 * lane, lane_of(difference, lane))) << (8 * lane);
        }
        made
    }

    /// The difference if it is the one with which this word was met last, or one of the last two of its operation.
    fn guess<C: Bits>(&mut self, coder: &mut C, word: &Word, difference: u32) -> Option<u32> {
        let [last, second] = self.by_operation[word.operation()];
        let seen = match self.seen[place_of(word.base)] {
            (base, seen) if base == word.base => seen,
            _ => 0,
        };
        let mut wrong = [0; 3];
        for (kind, guess) in [seen, last, second].into_iter().enumerate() {
            if guess == 0 || wrong.contains(&guess) {
                continue;
            }
            wrong[kind] = guess;
            let right = &mut self.right[kind];
            let number = kind as u32;
            let hashes = [
                hash(&[1, number, word.operation() as u32, *right & 3]),
                hash(&[2, number, *right & 0xff]),
                hash(&[3, number, word.base]),
            ];
            let at = self.guesses.find(&hashes);
            let is_right = self.guesses.bit(coder, &at, 0, kind, u32::from(difference == guess));
            *right = *right << 1 | is_right;
            if is_right == 1 {
                return Some(guess);
            }
        }
        None
    }

    #[inline]
    fn lane<C: Bits>(&mut self, coder: &mut C, hashes: &[u32; 4], set: usize, byte: u8) -> u8 {
        let at = self.bytes.find(hashes);
        if self.bytes.bit(coder, &at, 0, set, u32::from(byte != 0)) == 0 {
            return 0;
        }
        self.bytes.byte(coder, hashes, set + 1, byte)
    }
}

impl Word {
    fn operation(&self) -> usize {
        (self.base >> 24) as usize
    }
}

fn place_of(word: u32) -> usize {
    (word.wrapping_mul(0x9e37_79b1) >> (32 - SEEN)) as usize
}

fn lane_of(word: u32, lane: usize) -> u8 {
    (word >> (8 * lane)) as u8
}

/// The word at `at`; 0 where it is not whole.
#[inline]
fn word_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u32::from_le_bytes(*word))
}
