//! PEM files and the DER inside them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Mutates `data[..size]` in place and returns its new size. Every third time the text as it is; else the DER of its first
/// PEM block.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let changed = if seed.is_multiple_of(3) { None } else { mutated(&data[..size]) };
    match changed {
        Some(out) if out.len() <= max_size => {
            data[..out.len()].copy_from_slice(out.as_bytes());
            out.len()
        }
        _ => libfuzzer_sys::fuzzer_mutate(data, size, max_size),
    }
}

fn mutated(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (_, behind) = text.split_once("-----BEGIN ")?;
    let (label, behind) = behind.split_once("-----\n")?;
    let (body, _) = behind.split_once("-----END ")?;
    let mut der = STANDARD.decode(body.split_whitespace().collect::<String>()).ok()?;
    let size = der.len();
    der.resize(size + 64, 0);
    let size = libfuzzer_sys::fuzzer_mutate(&mut der, size, size + 64);
    der.truncate(size);
    let body = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        out.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
        out.push('\n');
    }
    Some(out + "-----END " + label + "-----\n")
}
