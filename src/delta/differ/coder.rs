//! A binary arithmetic coder: bits of known probability in, bytes out, and back.

/// Either direction, so that what is written and what reads it are one and the same code.
pub(super) trait Bits {
    /// One bit, of which `one` is the probability to be 1, in 65536ths, 1 to 65535. The writer writes `bit` and returns it;
    /// the reader returns what it reads.
    fn bit(&mut self, one: u32, bit: u32) -> u32;
}

/// Numbers between `low` and `high` begin with what was written, and stand for what was told so far.
#[derive(Debug)]
struct Range {
    low: u32,
    high: u32,
}

impl Range {
    const WHOLE: Range = Range { low: 0, high: u32::MAX };

    /// The last number that stands for a 1.
    fn split(&self, one: u32) -> u32 {
        let width = self.high - self.low;
        self.low + (width >> 16) * one + (((width & 0xffff) * one) >> 16)
    }

    fn narrow(&mut self, split: u32, bit: u32) {
        if bit == 1 {
            self.high = split;
        } else {
            self.low = split + 1;
        }
    }

    /// Takes off the first byte if it is certain.
    fn settled(&mut self) -> Option<u8> {
        let first = (self.high >> 24) as u8;
        if (self.low >> 24) as u8 != first {
            return None;
        }
        self.low <<= 8;
        self.high = self.high << 8 | 0xff;
        Some(first)
    }
}

#[derive(Debug)]
pub(super) struct Writer {
    range: Range,
    out: Vec<u8>,
}

impl Writer {
    /// Behind this byte.
    pub(super) fn new(first: u8) -> Writer {
        Writer { range: Range::WHOLE, out: vec![first] }
    }

    /// All that was written: zeros behind it are as good as nothing.
    pub(super) fn finish(mut self) -> Vec<u8> {
        for shift in [24, 16, 8, 0] {
            self.out.push((self.range.high >> shift) as u8);
            if self.range.high >> shift << shift >= self.range.low {
                break;
            }
        }
        self.out
    }
}

impl Bits for Writer {
    #[inline]
    fn bit(&mut self, one: u32, bit: u32) -> u32 {
        let split = self.range.split(one);
        self.range.narrow(split, bit);
        while let Some(byte) = self.range.settled() {
            self.out.push(byte);
        }
        bit
    }
}

#[derive(Debug)]
pub(super) struct Reader<'a> {
    range: Range,
    bytes: &'a [u8],
    /// So many bytes were taken, of which four may lie behind the end.
    taken: usize,
    value: u32,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        let mut reader = Reader { range: Range::WHOLE, bytes, taken: 0, value: 0 };
        for _ in 0..4 {
            reader.take();
        }
        reader
    }

    fn take(&mut self) {
        let byte = self.bytes.get(self.taken).copied().unwrap_or_default();
        self.taken += 1;
        self.value = self.value << 8 | u32::from(byte);
    }

    /// Whether what was read until now ends where the bytes end.
    pub(super) fn is_done(&self) -> bool {
        (self.taken - 3..=self.taken).contains(&self.bytes.len())
    }

    /// Whether more was read than is there.
    pub(super) fn is_beyond(&self) -> bool {
        self.taken > self.bytes.len() + 3
    }
}

impl Bits for Reader<'_> {
    #[inline]
    fn bit(&mut self, one: u32, _: u32) -> u32 {
        let split = self.range.split(one);
        let bit = u32::from(self.value <= split);
        self.range.narrow(split, bit);
        while self.range.settled().is_some() {
            self.take();
        }
        bit
    }
}
