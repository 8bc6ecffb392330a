//! How probable a bit is: chances that learn, and a mixer that weighs the opinions of several. All in integers, so that
//! writer and reader agree on every machine to the last bit.
//!
//! The parts are those of Matt Mahoney's PAQ family: adaptive chances, logistic mixing.

use super::coder::Bits;

/// The chance that a bit is 1: 22 bits of it, and how often it was met, which says how far it moves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chance(u32);

impl Default for Chance {
    fn default() -> Chance {
        Chance(1 << 31)
    }
}

impl Chance {
    /// In 65536ths, 1 to 65535.
    #[inline]
    fn one(self) -> u32 {
        (self.0 >> 16).clamp(1, 65535)
    }

    /// Learns: by 1/1.5 of the way at the first time, 1/2.5 at the second, down to 1/256.5.
    #[inline]
    fn learn(&mut self, bit: u32) {
        let met = self.0 & 1023;
        let chance = (self.0 >> 10) as i32;
        let step = (((bit << 22) as i32 - chance) >> 3) * STEPS[met as usize];
        self.0 = self.0.wrapping_add(step as u32 & !1023);
        if met < 255 {
            self.0 += 1;
        }
    }

    /// A bit of which nothing else is known.
    #[inline]
    pub(super) fn bit<C: Bits>(&mut self, coder: &mut C, bit: u32) -> u32 {
        let bit = coder.bit(self.one(), bit);
        self.learn(bit);
        bit
    }
}

/// 8192 / (times met + 1.5).
const STEPS: [i32; 256] = {
    let mut steps = [0; 256];
    let mut met = 0;
    while met < steps.len() {
        steps[met] = 16384 / (2 * met as i32 + 3);
        met += 1;
    }
    steps
};

/// 4096 / (1 + e^(-x/256)), x from -2047 to 2047.
const SQUASH: [i16; 4096] = {
    // At every 128th x; between them straight lines.
    const KNOTS: [i32; 33] = [
        1, 2, 3, 6, 10, 16, 27, 45, 73, 120, 194, 310, 488, 747, 1101, 1546, 2047, 2549, 2994, 3348, 3607, 3785, 3901,
        3975, 4022, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094,
    ];
    let mut squash = [0; 4096];
    let mut at = 0;
    while at < squash.len() {
        let (knot, part) = (at >> 7, at as i32 & 127);
        squash[at] = ((KNOTS[knot] * (128 - part) + KNOTS[knot + 1] * part + 64) >> 7) as i16;
        at += 1;
    }
    squash
};

/// The inverse of [`SQUASH`]: ln(p / (1 - p)) in 256ths, by the chance in 4096ths.
const STRETCH: [i16; 4096] = {
    let mut stretch = [0; 4096];
    let mut chance = 0;
    let mut at = 0;
    while at < SQUASH.len() {
        while chance <= SQUASH[at] as usize {
            stretch[chance] = at as i16 - 2048;
            chance += 1;
        }
        at += 1;
    }
    while chance < stretch.len() {
        stretch[chance] = 2047;
        chance += 1;
    }
    stretch
};

/// A chance in two bytes, for where there are many: 12 bits of it, and 4 of how often it was met.
#[derive(Clone, Copy, Debug)]
struct SmallChance(u16);

impl Default for SmallChance {
    fn default() -> SmallChance {
        SmallChance(1 << 15)
    }
}

impl SmallChance {
    /// From there on it moves by 1/10.5 of the way: what the chance is changes on the way through a file.
    const SLOWEST: u16 = 9;

    /// In 4096ths.
    #[inline]
    fn one(self) -> usize {
        usize::from(self.0 >> 4)
    }

    #[inline]
    fn learn(&mut self, bit: u32) {
        let met = self.0 & 15;
        let chance = i32::from(self.0 >> 4);
        // Towards 1 it is rounded up, towards 0 down: else it would stay where the way has become short.
        let (whole, up) = if bit == 1 { (4095, 65535) } else { (0, 0) };
        let step = ((whole - chance) * (STEPS[usize::from(met)] << 3) + up) >> 16;
        self.0 = ((chance + step) as u16) << 4 | (met + u16::from(met < Self::SLOWEST));
    }
}

/// The chances of four bits one after the other, by what came before: number 1 for the first, 2 and 3 for the second, …; 0
/// is for a bit of its own. Two lines lie in one of the processor's cache.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(32))]
struct Line([SmallChance; 16]);

#[derive(Debug)]
pub(super) struct Mixed<const N: usize> {
    lines: Vec<Line>,
    /// By set, weights of the opinions in 65536ths.
    weights: Vec<[i32; N]>,
    shift: u32,
}

impl<const N: usize> Mixed<N> {
    /// With 2^`log` lines, and so many sets of weights.
    pub(super) fn new(log: u32, sets: usize) -> Mixed<N> {
        let weight = (1 << 16) / N as i32;
        Mixed { lines: vec![Line::default(); 1 << log], weights: vec![[weight; N]; sets], shift: 32 - log }
    }

    /// Where the chances for these circumstances lie.
    #[inline]
    pub(super) fn find(&self, hashes: &[u32; N]) -> [usize; N] {
        hashes.map(|hash| (hash.wrapping_mul(0x9e37_79b1) >> self.shift) as usize)
    }

    /// One bit: that of this number in the lines.
    #[inline]
    pub(super) fn bit<C: Bits>(&mut self, coder: &mut C, at: &[usize; N], number: usize, set: usize, bit: u32) -> u32 {
        let weights = &mut self.weights[set];
        let mut opinions = [0; N];
        let mut sum = 0_i64;
        for ((opinion, &at), &weight) in opinions.iter_mut().zip(at).zip(&*weights) {
            *opinion = i32::from(STRETCH[self.lines[at].0[number & 15].one() & 4095]);
            sum += i64::from(*opinion) * i64::from(weight);
        }
        let chance = i32::from(SQUASH[((sum >> 16).clamp(-2047, 2047) + 2048) as usize & 4095]);
        let bit = coder.bit((chance as u32 * 16 + 8).clamp(1, 65535), bit);
        let error = ((bit << 12) as i32 - chance) * RATE;
        for ((&opinion, &at), weight) in opinions.iter().zip(at).zip(weights) {
            *weight = (*weight + ((opinion * error + 0x8000) >> 16)).clamp(-HEAVIEST, HEAVIEST);
            self.lines[at].0[number & 15].learn(bit);
        }
        bit
    }

    /// Four bits, the highest first.
    #[inline]
    pub(super) fn nibble<C: Bits>(&mut self, coder: &mut C, at: &[usize; N], set: usize, nibble: u32) -> u32 {
        let mut node = 1;
        for shift in (0..4).rev() {
            node = node << 1 | self.bit(coder, at, node as usize, set, nibble >> shift & 1);
        }
        node & 15
    }

    /// Eight bits, the highest first; `set` and the one after it are the weights for each half.
    #[inline]
    pub(super) fn byte<C: Bits>(&mut self, coder: &mut C, hashes: &[u32; N], set: usize, byte: u8) -> u8 {
        let at = self.find(hashes);
        let high = self.nibble(coder, &at, set, u32::from(byte >> 4));
        let at = self.find(&hashes.map(|hash| hash.wrapping_add((high + 1).wrapping_mul(0x6487_ed51))));
        (high << 4 | self.nibble(coder, &at, set + 1, u32::from(byte & 15))) as u8
    }
}

/// How fast the weights move.
const RATE: i32 = 16;
/// No weight comes near this, unless somebody forges a code that makes it; 64 in 65536ths.
const HEAVIEST: i32 = 64 << 16;

/// Numbers of any size: how many bits, then the bits, of which the first three are modelled.
#[derive(Debug)]
pub(super) struct Numbers {
    lengths: [Chance; 64],
    bits: Vec<[Chance; 8]>,
}

impl Numbers {
    pub(super) fn new() -> Numbers {
        Numbers { lengths: [Chance::default(); 64], bits: vec![Default::default(); 33] }
    }

    /// Below 2^32 - 1.
    pub(super) fn number<C: Bits>(&mut self, coder: &mut C, number: u32) -> u32 {
        let more = u64::from(number) + 1;
        let wanted = more.ilog2();
        let mut node = 1;
        for shift in (0..6).rev() {
            node = node << 1 | self.lengths[node as usize].bit(coder, wanted >> shift & 1);
        }
        let length = (node & 63).min(32);
        let mut got = 1_u64;
        for place in (0..length).rev() {
            let bit = (more >> place) as u32 & 1;
            let known = length - 1 - place;
            let bit = if known < 3 {
                self.bits[length as usize][got as usize & 7].bit(coder, bit)
            } else {
                coder.bit(1 << 15, bit)
            };
            got = got << 1 | u64::from(bit);
        }
        (got - 1).min(u64::from(u32::MAX)) as u32
    }
}

/// Mixes several numbers into one.
#[inline]
pub(super) fn hash(numbers: &[u32]) -> u32 {
    numbers.iter().fold(0, |hash: u32, number| (hash ^ number).wrapping_mul(0x2c1b_3c6d).rotate_left(15))
}
