//! Four official indexes: the right key of their arch and no other, no byte of them changed, printed back as they came.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use bivouac::apk::Arch;
use bivouac::apk::v2::index;
use bivouac::apk::v2::sections::{Limits, split_index};
use bivouac::verify::index::verify;
use bivouac::verify::keyring::Untrusted;
use bivouac::verify::{Keyring, RefusedIndex};

use super::real::{arch, files_below, key, key_named, keyring, real_alpine};

struct Official {
    file: &'static str,
    arch: &'static str,
    signer: &'static str,
    entries: usize,
}

const OFFICIAL: [Official; 4] = [
    Official { file: "v3.16/main/x86_64", arch: "x86_64", signer: "6165ee59", entries: 4929 },
    Official { file: "v3.17/main/aarch64", arch: "aarch64", signer: "616ae350", entries: 5004 },
    Official { file: "v3.21/main/x86_64", arch: "x86_64", signer: "6165ee59", entries: 5538 },
    Official { file: "v3.21/community/x86_64", arch: "x86_64", signer: "6165ee59", entries: 19_854 },
];

impl Official {
    fn bytes(&self, real: &Path) -> Vec<u8> {
        std::fs::read(real.join("official/index").join(self.file).join("APKINDEX.tar.gz")).unwrap()
    }

    fn key_name(&self) -> String {
        format!("alpine-devel@lists.alpinelinux.org-{}.rsa.pub", self.signer)
    }
}

#[test]
fn each_verifies_with_the_right_key_and_prints_back() {
    let Some(real) = real_alpine() else { return };
    for official in &OFFICIAL {
        let verified =
            verify(official.bytes(&real), &Keyring::official(), &arch(official.arch), &Limits::default()).unwrap();
        let signers: Vec<_> = verified.signers().iter().map(|signer| signer.key.as_str()).collect();
        assert_eq!(signers, [official.key_name()], "{}", official.file);
        assert_eq!(verified.entries().len(), official.entries, "{}", official.file);
        let text = split_index(verified.bytes(), &Limits::default()).unwrap().text;
        assert!(index::print(verified.entries()) == text, "{} does not print back", official.file);
        // The one key alone is enough, too.
        let alone = keyring([key(&real.join("official/keys/all").join(official.key_name()))]);
        verify(official.bytes(&real), &alone, &arch(official.arch), &Limits::default()).unwrap();
    }
}

#[test]
fn no_other_official_key_verifies_them() {
    let Some(real) = real_alpine() else { return };
    let keys = files_below(&real.join("official/keys/all"), ".rsa.pub");
    assert_eq!(keys.len(), 18);
    for official in &OFFICIAL {
        let bytes = official.bytes(&real);
        for file in keys.iter().filter(|file| !file.ends_with(official.key_name())) {
            let under_its_name = keyring([key(file)]);
            let refused = verify(bytes.clone(), &under_its_name, &arch(official.arch), &Limits::default()).unwrap_err();
            assert!(matches!(refused, RefusedIndex::Untrusted(Untrusted::UnknownSigner(_))), "{file:?}: {refused}");
            // Nor under the name of the right one, where it is really tried.
            let posing = keyring([key_named(&official.key_name(), &std::fs::read(file).unwrap())]);
            let refused = verify(bytes.clone(), &posing, &arch(official.arch), &Limits::default()).unwrap_err();
            assert!(matches!(refused, RefusedIndex::Untrusted(Untrusted::BadSignature(_))), "{file:?}: {refused}");
        }
    }
}

#[test]
fn the_built_in_keys_are_for_their_arch_only() {
    let Some(real) = real_alpine() else { return };
    for official in &OFFICIAL {
        for other in ["aarch64", "armhf", "armv7", "loongarch64", "ppc64le", "riscv64", "s390x", "x86", "x86_64"] {
            let verdict = verify(official.bytes(&real), &Keyring::official(), &arch(other), &Limits::default());
            assert_eq!(verdict.is_ok(), other == official.arch, "{} as {other}", official.file);
        }
    }
}

#[test]
fn the_built_in_keys_are_those_of_the_key_package() {
    let Some(real) = real_alpine() else { return };
    let keyring = Keyring::official();
    for file in files_below(&real.join("official/keys/all"), ".rsa.pub") {
        let known = key(&file);
        let built_in = keyring.keys().find(|key| key.name() == known.name()).unwrap();
        assert_eq!(built_in.fingerprint(), known.fingerprint());
    }
    assert_eq!(keyring.keys().count(), 18);
    // `official/keys/<arch>/` says which key is for which arch.
    for folder in std::fs::read_dir(real.join("official/keys")).unwrap() {
        let folder = folder.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap();
        if name == "all" {
            continue;
        }
        let arch: Arch = arch(name);
        let listed: Vec<_> = files_below(&folder, ".rsa.pub").iter().map(|file| key(file).name().clone()).collect();
        for key in keyring.keys() {
            assert_eq!(
                keyring.find(key.name(), &arch).is_some(),
                listed.contains(key.name()),
                "{} for {name}",
                key.name()
            );
        }
    }
}

/// What no signature and no checksum covers, because no reader looks at it: of the signature part's gzip header the time,
/// the compression effort, the operating system and the flag that hints at text, and the bits that fill up the last byte of
/// its deflate stream (in front of checksum and length, 8 bytes).
fn says_nothing(at: usize, before: u8, after: u8, length: usize) -> bool {
    match at {
        3 => before ^ after == 0x01,
        4..=9 => true,
        _ => at == length - 9 && before ^ after == 0x80,
    }
}

#[test]
fn any_changed_byte_of_the_signature_part_is_refused() {
    let Some(real) = real_alpine() else { return };
    for official in &OFFICIAL {
        let bytes = official.bytes(&real);
        let whole = split_index(&bytes, &Limits::default()).unwrap();
        let changes: Vec<(usize, u8)> =
            (0..whole.signed_from).flat_map(|at| [0x01, 0x80, 0xff].map(|bits| (at, bytes[at] ^ bits))).collect();
        all_in_parallel(&changes, |&(at, value)| {
            let mut changed = bytes.clone();
            changed[at] = value;
            match verify(changed, &Keyring::official(), &arch(official.arch), &Limits::default()) {
                Err(_) => {}
                Ok(verified) => {
                    assert!(
                        says_nothing(at, bytes[at], value, whole.signed_from),
                        "{}: byte {at} → {value:#x} went through",
                        official.file
                    );
                    // What was signed, and by whom, is as it was.
                    assert!(verified.signed() == &bytes[whole.signed_from..]);
                    assert_eq!(verified.signers()[0].key.as_str(), official.key_name());
                }
            }
        });
    }
}

#[test]
fn any_changed_byte_of_the_signed_part_is_refused() {
    let Some(real) = real_alpine() else { return };
    for official in &OFFICIAL {
        let bytes = official.bytes(&real);
        let from = split_index(&bytes, &Limits::default()).unwrap().signed_from;
        // Every byte of the gzip header, then 1,000 others by a fixed seed.
        let mut state = 0x0b1f_0a2c_5eed_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let places = (from..from + 10).chain((0..1000).map(|_| from + (random() as usize) % (bytes.len() - from)));
        let changes: Vec<(usize, u8)> =
            places.collect::<Vec<_>>().into_iter().map(|at| (at, 1 << (random() % 8))).collect();
        all_in_parallel(&changes, |&(at, bit)| {
            let mut changed = bytes.clone();
            changed[at] ^= bit;
            let verdict = verify(changed, &Keyring::official(), &arch(official.arch), &Limits::default());
            assert!(verdict.is_err(), "{}: bit {bit:#x} of byte {at} went through", official.file);
        });
    }
}

#[test]
fn a_cut_or_longer_index_is_refused() {
    let Some(real) = real_alpine() else { return };
    let official = &OFFICIAL[0];
    let bytes = official.bytes(&real);
    let check = |bytes: Vec<u8>| verify(bytes, &Keyring::official(), &arch(official.arch), &Limits::default());
    for length in [0, 1, 9, 10, 666, 667, 668, 677, bytes.len() / 2, bytes.len() - 8, bytes.len() - 1] {
        assert!(check(bytes[..length].to_vec()).is_err(), "{length} bytes");
    }
    for tail in [&b"\0"[..], &[0; 512], b"garbage", &bytes[..667], &bytes[667..]] {
        assert!(check([&bytes[..], tail].concat()).is_err(), "{} bytes more", tail.len());
    }
    // Signed once more around the signature, or the signature taken away.
    assert!(check([&bytes[..667], &bytes].concat()).is_ok(), "the same signature twice says the same");
    let refused = check(bytes[667..].to_vec()).unwrap_err();
    assert!(matches!(refused, RefusedIndex::Untrusted(Untrusted::Unsigned)), "{refused}");
}

fn all_in_parallel<T: Sync>(items: &[T], check: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(2, |count| count.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    check(item);
                }
            });
        }
    });
}
