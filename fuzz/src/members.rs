//! gzip members, one behind the other, and the tar streams inside them.

use std::io::Read as _;

use bivouac::apk::v2::index::gzip;

/// Most bytes that a member is inflated to before it is mutated.
const MAX_INFLATED: u64 = 256 << 10;
const BLOCK: usize = 512;

/// Mutates `data[..size]` in place and returns its new size. Every third time the bytes as they are; else the content of one
/// gzip member, whose tar headers then get the checksums that fit them.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let members = split(&data[..size]);
    if seed.is_multiple_of(3) || members.is_empty() {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    }
    let chosen = seed as usize / 3 % members.len();
    let mut out = Vec::with_capacity(size);
    for (number, member) in members.iter().enumerate() {
        if number == chosen {
            out.extend(gzip(&mutated(&member.content)));
        } else {
            out.extend_from_slice(member.raw);
        }
    }
    let used: usize = members.iter().map(|member| member.raw.len()).sum();
    out.extend_from_slice(&data[used..size]);
    if out.len() > max_size {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    }
    data[..out.len()].copy_from_slice(&out);
    out.len()
}

struct Member<'a> {
    raw: &'a [u8],
    content: Vec<u8>,
}

fn split(mut bytes: &[u8]) -> Vec<Member<'_>> {
    let mut members = Vec::new();
    while !bytes.is_empty() {
        let (mut reader, mut content) = (flate2::bufread::GzDecoder::new(bytes).take(MAX_INFLATED), Vec::new());
        if reader.read_to_end(&mut content).is_err() || content.len() as u64 == MAX_INFLATED {
            break;
        }
        let rest = reader.into_inner().into_inner();
        members.push(Member { raw: &bytes[..bytes.len() - rest.len()], content });
        bytes = rest;
    }
    members
}

fn mutated(content: &[u8]) -> Vec<u8> {
    let room = content.len() + 2 * BLOCK;
    let mut changed = content.to_vec();
    changed.resize(room, 0);
    let size = libfuzzer_sys::fuzzer_mutate(&mut changed, content.len(), room);
    changed.truncate(size);
    seal(&mut changed);
    changed
}

/// Puts the right checksum into every block that has a tar header's magic.
fn seal(tar: &mut [u8]) {
    for block in tar.chunks_exact_mut(BLOCK).filter(|block| &block[257..262] == b"ustar") {
        block[148..156].fill(b' ');
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}
