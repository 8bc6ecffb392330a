//! By what the compression of real packages is undone: no corrections where pigz, zlib or GNU gzip wrote them.

use std::collections::BTreeMap;
use std::path::Path;

use bivouac::delta::{ToldBy, streams};

use crate::exact::real;
use crate::pairs;

/// How many streams each command wrote, of so many packages.
fn told(folder: &Path) -> (usize, BTreeMap<&'static str, usize>) {
    let mut told = BTreeMap::new();
    let packages = pairs::packages(folder);
    for (_, path) in &packages {
        for stream in streams(&std::fs::read(path).unwrap()).unwrap() {
            let by = match stream {
                ToldBy::Command(command) => command,
                ToldBy::Corrections => "corrections",
                ToldBy::Nothing => "nothing",
            };
            *told.entry(by).or_default() += 1;
        }
    }
    (packages.len(), told)
}

#[test]
fn every_official_package_is_as_pigz_writes_it() {
    let Some(real) = real() else { return };
    assert_eq!(told(&real.join("official/boot-media")), (230, BTreeMap::from([("pigz -9", 690)])));
}

#[test]
fn third_party_packages_are_as_pigz_or_gzip_writes_them() {
    let Some(real) = real() else { return };
    let third = real.join("third-party");
    assert_eq!(told(&third.join("connecteurs")), (18, BTreeMap::from([("pigz -9", 54)])));
    let expected = BTreeMap::from([("gzip -9", 16), ("pigz -9", 32)]);
    assert_eq!(told(&third.join("jamesdkelly88")), (16, expected));
}

#[test]
fn what_go_wrote_is_told_by_corrections() {
    let Some(real) = real() else { return };
    assert_eq!(told(&real.join("formats/package-melange")), (1, BTreeMap::from([("corrections", 3)])));
}
