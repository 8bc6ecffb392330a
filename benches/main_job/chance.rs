//! Reproducible content: the same seed gives the same tree on any machine.

use std::convert::Infallible;

/// xorshift64*, good enough to be incompressible and fast enough to be no part of the measurement.
pub(crate) struct Chance(u64);

impl Chance {
    /// A stream of its own for each `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        // xorshift never leaves zero, and close seeds start alike; an odd multiplier spreads them.
        let mut chance = Chance((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        chance.next();
        chance
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number from 0 to `end - 1`; `end` is at least 1.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }

    /// `length` incompressible bytes.
    pub(crate) fn bytes(&mut self, length: u64) -> Vec<u8> {
        let mut bytes = vec![0; length as usize];
        self.fill(&mut bytes);
        bytes
    }

    fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

// The bench key is drawn from this stream as well: it signs bench data only, and is the same everywhere.
impl rsa::rand_core::TryRng for Chance {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.next() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.next())
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), Infallible> {
        self.fill(buffer);
        Ok(())
    }
}

impl rsa::rand_core::TryCryptoRng for Chance {}

/// Compressible content: the words of a small language, some far more frequent than others, and phrases that recur.
pub(crate) struct Filler(Vec<u8>);

impl Filler {
    /// How many bytes of it deflate packs into ten (at the level that packages are written with).
    const TEN_PACKED: u64 = 44;

    /// 32 MB of text: a thousand times deflate's window, so that no slice of it helps to compress another.
    pub(crate) fn new() -> Self {
        let mut chance = Chance::new(1);
        let words: Vec<Vec<u8>> =
            (0..2000).map(|_| (0..2 + chance.below(9)).map(|_| b' ' + chance.below(90) as u8).collect()).collect();
        let phrases: Vec<Vec<u8>> = (0..1000)
            .map(|_| {
                (0..2 + chance.below(6))
                    .map(|_| favoured(&words, &mut chance).as_slice())
                    .collect::<Vec<_>>()
                    .join(&b' ')
            })
            .collect();
        let mut text = Vec::with_capacity((32 << 20) + 128);
        while text.len() < 32 << 20 {
            let list = if chance.below(2) == 0 { &words } else { &phrases };
            text.extend_from_slice(favoured(list, &mut chance));
            text.push(b' ');
        }
        Filler(text)
    }

    /// A stretch of `length` bytes (at most 32 MB), or less where it would pack into more than `room` bytes; and the bytes
    /// that it will pack into, roughly.
    pub(crate) fn text(&self, length: u64, room: u64, chance: &mut Chance) -> (Vec<u8>, u64) {
        let length = length.min(room * Self::TEN_PACKED / 10);
        let start = chance.below(self.0.len() as u64 - length + 1);
        (self.0[start as usize..(start + length) as usize].to_vec(), length * 10 / Self::TEN_PACKED)
    }
}

/// One of `list`; the product of two draws favours its front, as language does.
fn favoured<'a>(list: &'a [Vec<u8>], chance: &mut Chance) -> &'a Vec<u8> {
    let length = list.len() as u64;
    &list[(chance.below(length) * chance.below(length) / length) as usize]
}
