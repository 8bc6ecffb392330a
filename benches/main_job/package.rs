//! Makes one package from an index entry, about as large as wished, with the library's own package writer and `gzip -9`, as
//! Alpine's builders use it: what a delta costs depends on whose streams it is between.

use std::io::Write as _;
use std::process::{Command, Stdio};

use bivouac::apk::Arch;
use bivouac::apk::checksum::Identity;
use bivouac::apk::entry::Entry;
use bivouac::apk::v2::package::Recipe;

use crate::chance::{Chance, Filler};
use crate::key::BenchKey;
use crate::outcome::Outcome;

/// Build time of every package, in seconds since 1970; a fixed one keeps the tree reproducible.
pub(crate) const BUILD_TIME: u64 = 1_670_000_000;
/// One file in so many is incompressible, as archives and images are. Tuned so that installed and packed bytes stand to
/// each other as in the 3.17 index itself: 3.2 to 1.
const RANDOM_ONE_IN: u64 = 9;
/// What a file costs beside its content, packed: tar header, pax header with its checksum.
const FILE_HEAD: u64 = 90;
/// What a package costs beside its files, packed: a signature of 512 bytes, `.PKGINFO`, the folders.
const PACKAGE_HEAD: u64 = 1200;

/// A finished package and what the index says about it.
pub(crate) struct Package {
    /// The whole file.
    pub(crate) bytes: Vec<u8>,
    /// `C:`.
    pub(crate) identity: Identity,
    /// `I:`, in bytes.
    pub(crate) installed: u64,
}

/// Builds the package that `entry` describes, at `built` seconds since 1970, about `wished` bytes long; the smallest possible is
/// some 1.5 kB.
pub(crate) fn build(
    entry: &Entry,
    built: u64,
    wished: u64,
    key: &BenchKey,
    filler: &Filler,
    chance: &mut Chance,
) -> Outcome<Package> {
    let arch: Arch = entry.field(b'A').ok_or("an entry without A:")?.parse()?;
    let text = |letter| entry.field(letter).unwrap_or_default().to_owned();
    let terms = |letter| entry.field(letter).unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let mut recipe = Recipe::new(entry.name().clone(), entry.version().clone(), arch);
    recipe.description = text(b'T');
    recipe.url = text(b'U');
    recipe.license = text(b'L');
    recipe.origin = entry.origin().map(str::to_owned);
    recipe.maintainer = entry.field(b'm').map(str::to_owned);
    recipe.commit = entry.field(b'c').map(str::to_owned);
    recipe.provider_priority = entry.field(b'k').unwrap_or("0").parse()?;
    recipe.depends = terms(b'D');
    recipe.provides = terms(b'p');
    recipe.install_if = terms(b'i');

    let mut room = wished.saturating_sub(PACKAGE_HEAD + entry.text().len() as u64 / 3);
    let mut installed = 0;
    for number in 0_u32.. {
        room = room.saturating_sub(FILE_HEAD);
        if number > 0 && room == 0 {
            break;
        }
        // From 512 bytes to 512 kB, each power of two as likely as the next: 75 kB on average.
        let step = 512 << chance.below(10);
        let drawn = step + chance.below(step);
        let (content, packed) = if chance.below(RANDOM_ONE_IN) == 0 {
            let content = chance.bytes(drawn.min(room));
            let packed = content.len() as u64;
            (content, packed)
        } else {
            filler.text(drawn, room, chance)
        };
        room = room.saturating_sub(packed);
        installed += content.len() as u64;
        recipe = recipe.file(&format!("usr/share/{}/{number:05}", entry.name().as_str()), 0o644, content);
    }
    let unsigned = recipe.write_by(built, gzip)?;
    let signature = key.sign(unsigned.signed_bytes())?;
    Ok(Package {
        identity: unsigned.identity(),
        installed: installed.max(1),
        bytes: unsigned.with_signatures(&[signature]),
    })
}

/// One gzip member, as `gzip -9 -n` makes it.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = Command::new("gzip")
        .args(["-9", "-n", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip is there wherever tar is");
    let mut stdin = gzip.stdin.take().expect("it was asked for");
    std::thread::scope(|scope| {
        // Dropped at its end, which is what gzip waits for.
        scope.spawn(move || stdin.write_all(bytes).expect("gzip reads all of it"));
        gzip.wait_with_output().expect("gzip ends").stdout
    })
}
