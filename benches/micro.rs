//! `cargo bench --bench micro`: the steps that a sync of a large repository spends its processor time in, one by one. Prints
//! medians and asserts nothing about time. `$BIVOUAC_REAL_ALPINE` names the folder of real Alpine data.

// A bench is a program of its own that prints; the library's house rules end at its door.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods, missing_docs)]

mod timing;

use std::path::Path;
use std::process::ExitCode;

use bivouac::apk::v2::index;
use bivouac::apk::v2::sections::{Limits, split_index};
use bivouac::apk::v2::signature::{Algorithm, Signature};
use bivouac::apk::{Arch, KeyName, ObjectId, Sha1Policy};
use bivouac::merge::{Layer, Prefer, combine};
use bivouac::sign::index::{describe, sign_merged};
use bivouac::sign::key_file::ModulusBits;
use bivouac::sign::{Digests, PrivateKey, Seal};
use bivouac::verify;
use bivouac::verify::keyring::{Keyring, PublicKey};
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::pkcs8::DecodePublicKey as _;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use timing::{Outcome, median};

fn main() -> ExitCode {
    timing::on_real_data(|real| {
        signatures(real).and_then(|()| indexes(real)).and_then(|()| merge(real)).and_then(|()| hashes())
    })
}

/// One RSA-4096 verification over a control section's length: what each package with its own signature costs.
fn signatures(real: &Path) -> Outcome<()> {
    println!("verify one RSA-4096 signature over 4 kB (SHA-1, as Alpine signs)");
    let file = std::fs::read(real.join("official/index/v3.21/main/x86_64/APKINDEX.tar.gz"))?;
    let parts = split_index(&file, &Limits::default())?;
    let Signature { algorithm, key: name, bytes } = parts.signatures.first().ok_or("an unsigned index")?;
    let pem = std::fs::read_to_string(real.join("official/keys/all").join(name.as_str()))?;
    let ours = PublicKey::parse(name.clone(), pem.as_bytes())?;
    let other = rsa::PublicKey::from_public_key_pem(&pem)?;
    // Of another message the signature is wrong, which costs the same: the exponentiation comes first.
    let message = vec![0; 4096];
    let fast = median(400, || ours.verifies(*algorithm, &message, bytes));
    let slow = median(100, || other.verify(Pkcs1v15Sign::new::<Sha1>(), &Sha1::digest(&message), bytes));
    row("ring (ours)", fast, None);
    row("crate rsa", slow, None);
    println!("  {:<44} {:>10.2} ×", "ring's speed to rsa's", slow / fast);
    Ok(())
}

/// The largest real index, from bytes to entries and back.
fn indexes(real: &Path) -> Outcome<()> {
    println!("the 3.21 community index, 19,854 entries");
    let file = std::fs::read(real.join("official/index/v3.21/community/x86_64/APKINDEX.tar.gz"))?;
    let arch: Arch = "x86_64".parse()?;
    let limits = Limits::default();
    let parts = split_index(&file, &limits)?;
    let length = parts.text.len();
    row("inflate, untar, find signatures", median(9, || split_index(&file, &limits)), Some(length));
    row("parse", median(9, || index::parse(&parts.text)), Some(length));
    let entries = index::parse(&parts.text)?;
    row("print", median(9, || index::print(&entries)), Some(length));
    row("tar and deflate", median(5, || index::member("bench", &parts.text, 0)), Some(length));
    let keyring = official_keys(real)?;
    let verify = |keyring: &Keyring| median(9, || verify::index::verify(file.clone(), keyring, &arch, &limits));
    let accepting = keyring.clone().under(Sha1Policy::Accept);
    row("verify: all but the last two", verify(&keyring), Some(length));
    row("the same, SHA-1 accepted unseen", verify(&accepting), Some(length));
    Ok(())
}

/// From two accepted indexes to the file that is published: 3.21 main and community in one.
fn merge(real: &Path) -> Outcome<()> {
    let arch: Arch = "x86_64".parse()?;
    let mut layers = Vec::new();
    for repository in ["main", "community"] {
        let file = std::fs::read(real.join(format!("official/index/v3.21/{repository}/x86_64/APKINDEX.tar.gz")))?;
        let entries = index::parse(&split_index(&file, &Limits::default())?.text)?;
        let object = ObjectId::new(Sha256::digest(repository).into());
        layers.push(Layer { entries: entries.into_iter().map(|entry| (entry, object)).collect() });
    }
    let merged = combine(&layers, Prefer::Order, &arch);
    println!("3.21 main and community as one index, {} entries", merged.entries.len());
    row("merge and print", median(9, || combine(&layers, Prefer::Order, &arch)), Some(merged.text.len()));
    let mut rng = rsa::rand_core::UnwrapErr(getrandom::SysRng);
    let key = PrivateKey::generate(ModulusBits::Rsa4096, "bench@example.org-1.rsa.pub".parse()?, &mut rng)?;
    let seal = Seal::of(Box::new(key), Digests::Sha256);
    let words = describe(&merged, Some("v3.21"));
    row("tar, deflate, sign", median(3, || sign_merged(&merged, &words, &seal)), Some(merged.text.len()));
    row("of it the RSA-4096 signature", median(5, || seal.signers()[0].sign(Algorithm::Sha256, b"words")), None);
    Ok(())
}

/// What every byte of every package goes through.
fn hashes() -> Outcome<()> {
    println!("digests over 64 MB");
    let bytes = vec![0x5a; 64 << 20];
    row("SHA-256, crate sha2", median(5, || Sha256::digest(&bytes)), Some(bytes.len()));
    let digest = || ring::digest::digest(&ring::digest::SHA256, &bytes);
    row("SHA-256, ring", median(5, digest), Some(bytes.len()));
    row("SHA-1, policy accept", median(5, || Sha1Policy::Accept.digest(&bytes)), Some(bytes.len()));
    row("SHA-1, policy detect", median(5, || Sha1Policy::Detect.digest(&bytes)), Some(bytes.len()));
    Ok(())
}

fn official_keys(real: &Path) -> Outcome<Keyring> {
    let mut keyring = Keyring::new();
    for entry in std::fs::read_dir(real.join("official/keys/all"))? {
        let entry = entry?;
        let name: KeyName = entry.file_name().to_string_lossy().parse()?;
        keyring.add(PublicKey::parse(name, &std::fs::read(entry.path())?)?)?;
    }
    Ok(keyring)
}

/// One line: time per call, and the throughput where `bytes` went through.
fn row(name: &str, seconds: f64, bytes: Option<usize>) {
    let rate = bytes.map(|bytes| format!("{:>8.0} MB/s", bytes as f64 / seconds / 1e6)).unwrap_or_default();
    println!("  {name:<44} {:>10.3} ms {rate}", seconds * 1e3);
}
