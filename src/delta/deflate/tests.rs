//! Against what zlib 1.2.13 (deflateInit2 with raw deflate and memory level 8, the text in one call) and GNU gzip 1.12 wrote.
//! What pigz writes is met in `tests/delta`, on real packages.

use sha2::{Digest as _, Sha256};

use super::{Goal, Level, Program, Way, compress};

fn numbers(mut state: u64) -> impl Iterator<Item = u64> {
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 33
    })
}

fn words(seed: u64, length: usize) -> Vec<u8> {
    let words = numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1).map(|number| format!("{:x} ", number % 700));
    words.flat_map(String::into_bytes).take(length).collect()
}

fn noise(length: usize) -> Vec<u8> {
    numbers(1).map(|number| number as u8).take(length).collect()
}

fn text(name: &str) -> Vec<u8> {
    match name {
        "nothing" => Vec::new(),
        "one byte" => b"a".to_vec(),
        "words" => words(1, 300_000),
        "zeros" => vec![0; 200_000],
        "noise" => noise(70_000),
        "numbers" => (0..40_000_u32)
            .flat_map(|n| (((u64::from(n).pow(2) % 1_000_003) as u32) / (1 + n % 7)).to_le_bytes())
            .collect(),
        _ => [words(2, 40_000), noise(20_000), vec![0; 70_000], words(2, 40_000), noise(20_000), words(3, 90_000)]
            .concat(),
    }
}

/// Text, program, and of levels 4 to 9 the stream's length in bytes and the beginning of its SHA-256.
type Row = (&'static str, Program, [(usize, &'static str); 6]);

#[rustfmt::skip]
const WRITTEN: &[Row] = &[
    ("nothing", Program::Zlib, [(2, "9b4fb24e"), (2, "9b4fb24e"), (2, "9b4fb24e"), (2, "9b4fb24e"), (2, "9b4fb24e"), (2, "9b4fb24e")]),
    ("nothing", Program::Gzip, [(2, "9b4fb24e"), (2, "9b4fb24e"), (2, "9b4fb24e"), (2, "9b4fb24e"), (2, "9b4fb24e"), (2, "9b4fb24e")]),
    ("one byte", Program::Zlib, [(3, "59fced9a"), (3, "59fced9a"), (3, "59fced9a"), (3, "59fced9a"), (3, "59fced9a"), (3, "59fced9a")]),
    ("one byte", Program::Gzip, [(3, "59fced9a"), (3, "59fced9a"), (3, "59fced9a"), (3, "59fced9a"), (3, "59fced9a"), (3, "59fced9a")]),
    ("words", Program::Zlib, [(137064, "6b74c378"), (133747, "ec7d0e8d"), (130684, "a2e7557a"), (129996, "4bc7e292"), (129997, "b245d73c"), (129997, "b245d73c")]),
    ("words", Program::Gzip, [(137035, "d6913de6"), (133736, "58de1c82"), (130729, "3d51a387"), (130022, "4c015738"), (130023, "e0c95d94"), (130023, "e0c95d94")]),
    ("zeros", Program::Zlib, [(211, "7e71aecd"), (211, "7e71aecd"), (211, "7e71aecd"), (211, "7e71aecd"), (211, "7e71aecd"), (211, "7e71aecd")]),
    ("zeros", Program::Gzip, [(211, "7e71aecd"), (211, "7e71aecd"), (211, "7e71aecd"), (211, "7e71aecd"), (211, "7e71aecd"), (211, "7e71aecd")]),
    ("noise", Program::Zlib, [(70025, "fd2ea5bf"), (70025, "fd2ea5bf"), (70025, "fd2ea5bf"), (70025, "fd2ea5bf"), (70025, "fd2ea5bf"), (70025, "fd2ea5bf")]),
    ("noise", Program::Gzip, [(70015, "df78521e"), (70015, "df78521e"), (70015, "df78521e"), (70015, "df78521e"), (70015, "df78521e"), (70015, "df78521e")]),
    ("numbers", Program::Zlib, [(120564, "2f1c40ac"), (120635, "3d6fef3a"), (120740, "7fb953f2"), (120740, "7fb953f2"), (120740, "7fb953f2"), (120740, "7fb953f2")]),
    ("numbers", Program::Gzip, [(120451, "d3663218"), (120522, "3273ed0f"), (120627, "7ba10d16"), (120627, "7ba10d16"), (120627, "7ba10d16"), (120627, "7ba10d16")]),
    ("mixture", Program::Zlib, [(124543, "741a25d4"), (122950, "3f8b6a27"), (121887, "aec3e511"), (121790, "7610bf9b"), (121790, "9639e854"), (121790, "9639e854")]),
    ("mixture", Program::Gzip, [(126167, "904b8313"), (124486, "1f9c0fe4"), (123450, "c435598e"), (123288, "c51e9c0b"), (123288, "80e901cd"), (123288, "80e901cd")]),
];

#[test]
fn every_level_writes_what_the_program_wrote() {
    for (name, program, levels) in WRITTEN {
        let plain = text(name);
        for (level, (length, begins)) in (Level::LOWEST..).zip(levels) {
            let way = Way::of(*program, level);
            let stream = compress(way, &plain, Goal::AtMost(usize::MAX)).unwrap();
            let digest: String = Sha256::digest(&stream)[..4].iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!((stream.len(), digest.as_str()), (*length, *begins), "{name}, {way:?}");
        }
    }
}

/// What pigz joins is one stream of the text, each block but the last ended on a byte boundary.
#[test]
fn blocks_are_one_stream() {
    for name in ["nothing", "words", "zeros", "mixture"] {
        let plain = text(name);
        for level in [6, 9] {
            let stream = compress(Way::of(Program::Pigz, level), &plain, Goal::AtMost(usize::MAX)).unwrap();
            let mut inflate = flate2::Decompress::new(false);
            let mut again = Vec::with_capacity(plain.len() + 1);
            let status = inflate.decompress_vec(&stream, &mut again, flate2::FlushDecompress::Finish);
            assert_eq!(status.unwrap(), flate2::Status::StreamEnd, "{name}");
            assert_eq!((again == plain, inflate.total_in()), (true, stream.len() as u64), "{name}");
        }
    }
}

#[test]
fn a_goal_that_is_missed_ends_the_work() {
    let plain = text("words");
    let way = Way::of(Program::Zlib, 9);
    let stream = compress(way, &plain, Goal::AtMost(usize::MAX)).unwrap();
    assert!(compress(way, &plain, Goal::Exactly(&stream)).is_some());
    assert!(compress(way, &plain, Goal::AtMost(stream.len())).is_some());
    assert!(compress(way, &plain, Goal::AtMost(stream.len() - 1)).is_none());
    assert!(compress(way, &plain, Goal::Exactly(&stream[..stream.len() - 1])).is_none());
    assert!(compress(way, &plain, Goal::Exactly(&[&stream[..], b"x"].concat())).is_none());
    let mut other = stream;
    other[10] ^= 1;
    assert!(compress(way, &plain, Goal::Exactly(&other)).is_none());
}

#[test]
fn every_way_has_a_number_of_its_own() {
    for way in Way::ALL {
        assert_eq!(Way::from_code(way.code()), Some(way));
    }
    for code in [0, 1, 9, 10, 13, 23, 33, 40, 49, 1000] {
        assert_eq!(Way::from_code(code), None, "{code}");
    }
}
