//! Deflate exactly as zlib, pigz and GNU gzip write it: the *ways* packages were compressed, so that plain text and the name
//! of a way are all it takes to have a stream's very bytes again.
//!
//! What comes out of a compressor that keeps to RFC 1951 is free in every choice: which match, where a block ends, which code
//! of several equally short ones. Here each choice is made as zlib's `deflate_slow` and `trees.c` make it (1.1 to 1.3 agree):
//!
//! - `window.rs`: what of the text is in sight. Ours is all in memory; zlib's window and its moves leave marks in the output.
//! - `chains.rs`: the longest match, the nearest one of that length, among the candidates that zlib would get to.
//! - `lazy.rs`: which of two overlapping matches is taken.
//! - `huffman.rs`: code lengths, ties broken as zlib's heap breaks them.
//! - `block.rs`: where a block ends, which of the three forms it takes, and its bits.
//!
//! Written from zlib's and pigz's documented algorithm; zlib's search is done in another order with the same result, several
//! times as fast. zlib is (C) 1995-2024 Jean-loup Gailly and Mark Adler, pigz (C) 2007-2023 Mark Adler; this is altered from
//! either, and not theirs.
//!
//! The work is bounded: [`compress`] takes time in proportion to the plain text, whoever wrote the script that asks for it.

mod block;
mod chains;
mod huffman;
mod lazy;
mod window;

use block::Blocks;
use lazy::Encoder;

/// How pigz cuts its input, in bytes.
const PIGZ_BLOCK: usize = 128 << 10;
/// How much of the text before it each of pigz's blocks sees, in bytes.
const PIGZ_DICTIONARY: usize = 32 << 10;

/// A program and its level: all that a stream depends on beside the plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    program: Program,
    level: Level,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    /// `pigz -p N`, N > 1: blocks of 128 KiB that know of the 32 KiB before them, each ended on a byte boundary.
    Pigz,
    /// zlib's `deflate` over the whole text, with 16383 symbols a block (memory level 8, the default).
    Zlib,
    /// GNU gzip, which also ends a block early where that seems to pay.
    Gzip,
}

/// How hard the matches are looked for. zlib's levels 1 to 3 follow another algorithm and are not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Level(u8);

/// The numbers behind a level.
#[derive(Clone, Copy, Debug)]
struct Effort {
    /// From this length of the match before, only a quarter of the candidates is looked at.
    good: usize,
    /// From this length of the match before, no other one is looked for.
    lazy: usize,
    /// A match of this length is not looked beyond.
    nice: usize,
    /// So many candidates are looked at.
    chain: u16,
}

impl Level {
    const LOWEST: u8 = 4;
    const HIGHEST: u8 = 9;

    /// zlib's `configuration_table`, from level 4 on.
    fn effort(self) -> Effort {
        let (good, lazy, nice, chain) = match self.0 {
            ..=4 => (4, 4, 16, 16),
            5 => (8, 16, 32, 32),
            6 => (8, 16, 128, 128),
            7 => (8, 32, 128, 256),
            8 => (32, 128, 258, 1024),
            9.. => (32, 258, 258, 4096),
        };
        Effort { good, lazy, nice, chain }
    }
}

impl Way {
    /// The ways worth trying, the likeliest first.
    pub(super) const ALL: [Way; 9] = [
        Way::of(Program::Pigz, 9),
        Way::of(Program::Zlib, 9),
        Way::of(Program::Gzip, 9),
        Way::of(Program::Zlib, 6),
        Way::of(Program::Gzip, 6),
        Way::of(Program::Pigz, 6),
        Way::of(Program::Zlib, 8),
        Way::of(Program::Zlib, 7),
        Way::of(Program::Zlib, 5),
    ];

    const fn of(program: Program, level: u8) -> Way {
        Way { program, level: Level(level) }
    }

    /// What a person would type to have such a stream.
    pub(super) fn command(self) -> &'static str {
        const COMMANDS: [[&str; 6]; 3] = [
            ["pigz -4", "pigz -5", "pigz -6", "pigz -7", "pigz -8", "pigz -9"],
            ["zlib -4", "zlib -5", "zlib -6", "zlib -7", "zlib -8", "zlib -9"],
            ["gzip -4", "gzip -5", "gzip -6", "gzip -7", "gzip -8", "gzip -9"],
        ];
        COMMANDS[self.program as usize][usize::from(self.level.0 - Level::LOWEST)]
    }

    /// The number that stands for this way in a script: ten times the program's and the level.
    pub(super) fn code(self) -> usize {
        let program = match self.program {
            Program::Pigz => 1,
            Program::Zlib => 2,
            Program::Gzip => 3,
        };
        program * 10 + usize::from(self.level.0)
    }

    /// The way with this number; `None` if there is none.
    pub(super) fn from_code(code: usize) -> Option<Way> {
        let program = match code / 10 {
            1 => Program::Pigz,
            2 => Program::Zlib,
            3 => Program::Gzip,
            _ => return None,
        };
        let level = (code % 10) as u8;
        (Level::LOWEST..=Level::HIGHEST).contains(&level).then_some(Way { program, level: Level(level) })
    }
}

/// What to do with the bytes that come out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal<'a> {
    /// They are to be these: the first block with another one ends the work.
    Exactly(&'a [u8]),
    /// They are wanted, at most so many.
    AtMost(usize),
}

/// The stream of `plain` in this way; `None` if it misses the goal.
pub(super) fn compress(way: Way, plain: &[u8], goal: Goal<'_>) -> Option<Vec<u8>> {
    let blocks = Blocks::new(way.program, goal);
    let mut encoder = Encoder::new(plain, way.level.effort(), blocks);
    match way.program {
        Program::Zlib | Program::Gzip => encoder.finish(plain.len())?,
        Program::Pigz => in_blocks(&mut encoder, plain.len())?,
    }
    encoder.into_stream()
}

/// pigz's `parallel_compress`, one block after the other.
fn in_blocks(encoder: &mut Encoder<'_>, length: usize) -> Option<()> {
    let mut begin = 0;
    while length - begin > PIGZ_BLOCK {
        encoder.restart(begin.saturating_sub(PIGZ_DICTIONARY), begin);
        begin += PIGZ_BLOCK;
        encoder.pause(begin)?;
    }
    encoder.restart(begin.saturating_sub(PIGZ_DICTIONARY), begin);
    encoder.finish(length)
}

#[cfg(test)]
mod tests;
