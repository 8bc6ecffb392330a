use std::io::Write as _;

use super::*;
use crate::apk::v2::tarball::append;

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn cut(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, content) in files {
        append(&mut tar, name, content, 0);
    }
    tar
}

fn ended(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = cut(files);
    tar.extend([0; 1024]);
    tar
}

const SIGN: &str = ".SIGN.RSA.k.rsa.pub";

fn package() -> Vec<u8> {
    let mut file = gzip(&cut(&[(SIGN, b"sig")]));
    file.extend(gzip(&cut(&[(".PKGINFO", b"pkgname = a\n"), (".post-install", b"#!/bin/sh\n")])));
    file.extend(gzip(&ended(&[("usr/hi", b"hi\n")])));
    file
}

fn read_in(file: &[u8], step: usize) -> Result<(Head, usize), BadSections> {
    let mut reader = HeadReader::new(Limits::default());
    let mut at = 0;
    for chunk in file.chunks(step) {
        let used = reader.feed(chunk)?;
        at += used;
        if used < chunk.len() {
            break;
        }
    }
    Ok((reader.finish()?, at))
}

#[test]
fn the_head_ends_at_the_same_byte_however_it_is_cut() {
    let file = package();
    let whole = read_in(&file, file.len()).unwrap();
    assert_eq!(whole.0.files, [".PKGINFO", ".post-install"]);
    assert_eq!(whole.0.signatures[0].bytes, b"sig");
    assert_eq!(whole.0.signature_length as usize + whole.0.control.len(), whole.1);
    for step in 1..80 {
        assert_eq!(read_in(&file, step).unwrap(), whole, "in steps of {step}");
    }
}

#[test]
fn several_signature_members_are_read_in_order() {
    let mut file = gzip(&cut(&[(SIGN, b"1")]));
    file.extend(gzip(&cut(&[(".SIGN.RSA256.l.rsa.pub", b"2"), (".SIGN.ECDSA.m.pub", b"3")])));
    file.extend(gzip(&cut(&[(".PKGINFO", b"")])));
    let (head, _) = read_in(&file, 7).unwrap();
    assert_eq!(head.signatures.iter().map(|signature| &signature.bytes[..]).collect::<Vec<_>>(), [b"1", b"2"]);
}

#[test]
fn broken_heads_are_refused() {
    let control = gzip(&cut(&[(".PKGINFO", b"")]));
    let cases: [(Vec<u8>, BadSections); 9] = [
        (b"ADB.pckg....".to_vec(), BadSections::ApkV3("package")),
        (b"ADBd\x01\x02\x03\x04\x05".to_vec(), BadSections::ApkV3("package")),
        (b"<html>not found</html>".to_vec(), BadSections::Gzip("control")),
        (gzip(&ended(&[(".PKGINFO", b"")])), BadSections::NotCut("control")),
        ([gzip(&ended(&[(SIGN, b"")])), control.clone()].concat(), BadSections::NotCut("signature")),
        (gzip(&cut(&[(".SIGN.nokey", b"")])), BadSections::SignatureName(".SIGN.nokey".into())),
        (gzip(&cut(&[(SIGN, b""), (".PKGINFO", b"")])), BadSections::MixedSignature(".PKGINFO".into())),
        (gzip(&cut(&[("usr/hi", b"")])), BadSections::MissingFile { section: "control", file: ".PKGINFO" }),
        (control[..control.len() - 1].to_vec(), BadSections::Truncated("first")),
    ];
    for (file, error) in cases {
        assert_eq!(read_in(&file, 5).unwrap_err(), error);
        assert_eq!(read_in(&file, file.len()).unwrap_err(), error);
    }
}

#[test]
fn bombs_stop_at_the_limit() {
    let bomb = gzip(&vec![0; 64 << 20]);
    let error = BadSections::TooLarge { section: "control", limit: 10 << 20 };
    assert_eq!(read_in(&bomb, 4096).unwrap_err(), error);
    assert_eq!(read_in(&bomb, bomb.len()).unwrap_err(), error);
    let big = gzip(&cut(&[(SIGN, &[7; 70 << 10])]));
    let error = BadSections::TooLarge { section: "signature", limit: 64 << 10 };
    assert_eq!(read_in(&big, 4096).unwrap_err(), error);
    let limits = Limits { index: 1 << 20, ..Limits::default() };
    let error = BadSections::TooLarge { section: "index", limit: 1 << 20 };
    assert_eq!(split_index(&bomb, &limits).unwrap_err(), error);
}

#[test]
fn an_index_is_one_member_with_nothing_behind() {
    let index = gzip(&ended(&[("DESCRIPTION", b"v3.16\n"), ("APKINDEX", b"C:x\n\n")]));
    let signed = [gzip(&cut(&[(SIGN, b"s")])), index.clone()].concat();
    let parts = split_index(&signed, &Limits::default()).unwrap();
    assert_eq!(parts.description.as_deref(), Some("v3.16"));
    assert_eq!(parts.text, "C:x\n\n");
    assert_eq!(&signed[parts.signed_from..], index);
    for extra in [vec![0; 512], b"x".to_vec(), gzip(b"")] {
        let longer = [signed.clone(), extra].concat();
        assert!(split_index(&longer, &Limits::default()).is_err());
    }
    assert_eq!(split_index(&signed[..signed.len() - 3], &Limits::default()), Err(BadSections::Truncated("index")));
    assert_eq!(split_index(b"ADB.indx", &Limits::default()), Err(BadSections::ApkV3("index")));
}

#[test]
fn signatures_are_bounded_however_many_members_hold_them() {
    // Repeated signatures compress to next to nothing, and anyone can repeat a genuine one.
    let member = gzip(&cut(&[(SIGN, &[7; 512][..]); 32]));
    let index = gzip(&ended(&[("APKINDEX", b"")]));
    let too_large = BadSections::TooLarge { section: "signature", limit: 64 << 10 };
    let with = |count: usize| [member.repeat(count), index.clone()].concat();
    assert_eq!(split_index(&with(2), &Limits::default()).unwrap().signatures.len(), 64);
    assert_eq!(split_index(&with(3), &Limits::default()).unwrap_err(), too_large);
    let package = |count: usize| [member.repeat(count), package()].concat();
    assert!(read_in(&package(1), 4096).is_ok());
    assert_eq!(read_in(&package(2), 4096).unwrap_err(), too_large);
}

#[test]
fn taking_signatures_off_inflates_no_more_of_the_index_than_a_signature_may_have() {
    // It says so by not noticing that the rest is damaged.
    let signature = gzip(&cut(&[(SIGN, b"sig")]));
    let mut bytes = [&signature[..], &gzip(&ended(&[("APKINDEX", &[b'x'; 1 << 20])]))].concat();
    let end = bytes.len();
    bytes.truncate(end - 100);
    let part = split_signatures(&bytes, &Limits::default()).unwrap();
    assert_eq!((part.signatures.len(), part.signed_from), (1, signature.len()));
    assert_eq!(read_index(&bytes[part.signed_from..], &Limits::default()), Err(BadSections::Truncated("index")));
    let small = Limits { signature: 8, ..Limits::default() };
    assert!(matches!(split_signatures(&bytes, &small), Err(BadSections::TooLarge { section: "signature", .. })));
}
