//! Small bundles that would become large: what they claim is refused before it is believed, and what comes out is counted while
//! it does.

use std::io::{Read, Take, repeat};

use sha2::{Digest as _, Sha256};
use tar::Header;
use wait4::Wait4 as _;

use super::fixture::{OURS, UPSTREAM, signed};
use super::handmade::{Parcel, archive, sha256};
use super::sites::Gap;

/// More than an import of these small packages takes, and far less than what the bombs would become; bytes.
const MEMORY: u64 = 150 << 20;

/// So much comes out of each bomb, bytes.
const BURST: usize = 400 << 20;

/// So many zeros. They are never held: what this process held when it starts another is counted as that one's memory.
fn zeros(length: usize) -> Take<std::io::Repeat> {
    repeat(0).take(length as u64)
}

fn all(mut reader: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap();
    bytes
}

/// So many zeros as a zstd frame.
fn frame(length: usize) -> Vec<u8> {
    all(zstd::stream::read::Encoder::new(std::io::BufReader::new(zeros(length)), 3).unwrap())
}

const TOOL: &str = "tool-1.2-r0.apk";

/// What lies at `medium/x.bundle` is refused within [`MEMORY`].
#[track_caller]
fn fizzles(gap: &Gap, code: i32, word: &str, told: &[&str]) {
    fizzles_within(gap, MEMORY, code, word, told);
}

#[track_caller]
fn fizzles_within(gap: &Gap, memory: u64, code: i32, word: &str, told: &[&str]) {
    gap.refuses(&["x.bundle"], code, word, told);
    let mut import = gap.site.start(&["import", "medium/x.bundle"]);
    let ended = import.wait4().unwrap();
    assert_eq!(ended.status.code(), Some(code));
    assert!(ended.rusage.maxrss < memory, "{} bytes of memory", ended.rusage.maxrss);
}

/// The same of a bundle in which this delta stands for a package of 60 kB.
#[track_caller]
fn delta_fizzles(gap: &Gap, parcel: &Parcel, delta: &[u8], cause: &str) {
    let mut parcel = parcel.clone();
    let object = sha256(parcel.object(TOOL));
    parcel.set_body(&object, delta.to_vec());
    let bytes = parcel.volume(1, &OURS);
    assert!(bytes.len() < 200_000, "{}", bytes.len());
    gap.carry("x.bundle", &bytes);
    let told = ["the delta of tool-1.2-r0.apk is refused", cause, "ask the sender for the same bundle again"];
    fizzles(gap, 3, "bundle-damaged", &told);
}

/// Base and target of the delta that is put aside.
struct Tool {
    base: Vec<u8>,
    target: [u8; 32],
    size: usize,
}

fn tool(gap: &Gap, parcel: &mut Parcel) -> Tool {
    let object = parcel.object(TOOL).clone();
    let base = gap.first.bodies[object["base"].as_str().unwrap()].clone();
    let (hex, mut target) = (sha256(&object), [0; 32]);
    for (at, byte) in target.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
    }
    Tool { base, target, size: usize::try_from(object["size"].as_u64().unwrap()).unwrap() }
}

impl Tool {
    /// A delta of `method` (0 whole, 1 zstd, 2 differences), sealed as it must be. `lengths` are those of target, plain form and script.
    fn delta(&self, method: u8, lengths: [usize; 3], rest: &[u8]) -> Vec<u8> {
        let mut delta = b"BIVDELTA".to_vec();
        delta.extend([1, method, 1]);
        delta.extend([0; 8]);
        delta.extend(self.target);
        delta.extend(Sha256::digest(&self.base));
        for mut length in lengths {
            while length >= 0x80 {
                delta.push(length as u8 | 0x80);
                length >>= 7;
            }
            delta.push(length as u8);
        }
        delta.extend(rest);
        let seal = Sha256::new().chain_update(&delta[..11]).chain_update(&delta[19..]).finalize();
        delta[11..19].copy_from_slice(&seal[..8]);
        delta
    }
}

#[test]
fn a_bomb_of_zstd_behind_a_modest_claim() {
    let gap = Gap::standing();
    let mut parcel = gap.increment();
    let tool = tool(&gap, &mut parcel);
    let frame = frame(BURST);
    let bomb = tool.delta(1, [tool.size, 70_000, 0], &frame);
    delta_fizzles(&gap, &parcel, &bomb, "its plain form has another length");
    gap.carry("x.bundle", &parcel.volume(1, &OURS));
    gap.takes(&["x.bundle"]);
}

/// Differences that go on, whatever they are read as.
#[test]
fn a_bomb_of_differences_behind_a_modest_claim() {
    let gap = Gap::standing();
    let mut parcel = gap.increment();
    let tool = tool(&gap, &mut parcel);
    for byte in [0x00, 0x55, 0xff] {
        let bomb = tool.delta(2, [tool.size, 70_000, 0], &[&[0][..], &[byte; 100_000]].concat());
        delta_fizzles(&gap, &parcel, &bomb, "its steps are broken");
    }
}

#[test]
fn a_delta_that_claims_more_than_it_may() {
    let gap = Gap::standing();
    let mut parcel = gap.increment();
    let tool = tool(&gap, &mut parcel);
    let frame = frame(BURST);
    let bomb = tool.delta(1, [tool.size, BURST, 0], &frame);
    delta_fizzles(&gap, &parcel, &bomb, "plain form is larger than");
    // A target that the manifest does not say, though one of this size may be.
    let bomb = tool.delta(0, [200 << 20, 0, 0], &frame);
    delta_fizzles(&gap, &parcel, &bomb, "target is larger than");
}

/// Each of them within its bounds, and all at once they would not be.
#[test]
fn many_large_deltas_at_once() {
    let gap = Gap::standing();
    let mut parcel = gap.increment();
    let tool = tool(&gap, &mut parcel);
    let frame = frame(100 << 20);
    let model = parcel.object(TOOL).clone();
    for number in 0..16_u8 {
        let mut object = model.clone();
        let mut target = tool.target;
        target[0] = number;
        let name = super::fixture::hex(&target);
        object["sha256"] = name.clone().into();
        parcel.objects_mut().push(object);
        let bomb = Tool { target, base: tool.base.clone(), ..tool }.delta(1, [tool.size, 100 << 20, 0], &frame);
        parcel.set_body(&name, bomb);
    }
    gap.carry("x.bundle", &parcel.volume(1, &OURS));
    let mut import = gap.site.start(&["import", "medium/x.bundle"]);
    let ended = import.wait4().unwrap();
    assert!(ended.status.code().is_some());
    assert!(ended.rusage.maxrss < 2 * MEMORY, "{} bytes of memory", ended.rusage.maxrss);
}

#[test]
fn a_manifest_that_claims_more_than_there_can_be() {
    let gap = Gap::standing();
    let parcel = gap.increment();
    for claim in [1_u64 << 50, u64::MAX] {
        let mut larger = parcel.clone();
        larger.object(TOOL)["size"] = claim.into();
        gap.carry("x.bundle", &larger.volume(1, &OURS));
        fizzles(&gap, 1, "too-little-space", &["bytes"]);
        let mut longer = parcel.clone();
        longer.object(TOOL)["length"] = claim.into();
        gap.carry("x.bundle", &longer.volume(1, &OURS));
        fizzles(&gap, 3, "bundle-damaged", &["its objects are not those of its manifest"]);
    }
}

#[test]
fn a_manifest_longer_than_any() {
    let gap = Gap::standing();
    let mut entries = gap.increment().entries(1, &OURS);
    // A hole in the file is read as zeros, and takes no room here.
    let after = archive(&entries.split_off(1));
    let mut head = Header::new_ustar();
    let length = 65 << 20;
    head.set_path("manifest.json").unwrap();
    head.set_size(length);
    head.set_mode(0o644);
    head.set_cksum();
    let path = gap.carry("x.bundle", head.as_bytes());
    let file = std::fs::File::options().write(true).open(path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &after, 512 + length).unwrap();
    fizzles(&gap, 3, "bundle-foreign", &["longer than any manifest", "ask the sender"]);
}

/// What upstream signed, and the sender: an index that inflates without end.
#[test]
fn an_index_that_inflates_without_end() {
    let gap = Gap::standing();
    let mut parcel = gap.increment();
    let member =
        all(flate2::bufread::GzEncoder::new(std::io::BufReader::new(zeros(2 * BURST)), flate2::Compression::best()));
    let index = signed(&member, &[&UPSTREAM]);
    parcel.set_index("v3.23/main", &index);
    gap.carry("x.bundle", &parcel.volume(1, &OURS));
    // An index may have 300 MiB, from wherever it comes.
    let told = ["v3.23/main/x86_64 is not to be trusted", "inflates to more than"];
    fizzles_within(&gap, 700 << 20, 3, "bad-index", &told);
}
