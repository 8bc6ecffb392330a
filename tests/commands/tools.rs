//! The tools that the other tests trust, tried first: a watcher that cannot see, or an upstream that cannot misbehave,
//! would make every test green.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::env::{Env, trusted};
use super::fixture::{Built, OURS, Package, STRANGER, UPSTREAM, signed, unsigned_index};
use super::oracle;
use super::upstream::{Fault, Upstream};
use super::watch::Watch;

/// A public tree laid by hand: generation 1 with two packages.
fn laid_tree(env: &Env) -> [Built; 2] {
    let packages =
        [Package::new("hello", "1.0-r0").build(&UPSTREAM), Package::new("libgreet", "1.0-r0").build(&UPSTREAM)];
    let entries: Vec<_> = packages.iter().map(|package| package.entry.as_str()).collect();
    let index = signed(&unsigned_index(&entries, "one"), &[&OURS]);
    env.write("site/.generations/1/main/x86_64/APKINDEX.tar.gz", &index);
    for package in &packages {
        env.write(&format!("site/.generations/1/main/x86_64/{}", package.file), &package.bytes);
    }
    symlink(".generations/1", env.public()).unwrap();
    packages
}

/// What the watcher says of a tree after `harm`.
fn verdict(harm: impl FnOnce(&Env, &Watch, &[Built; 2])) -> Result<(), String> {
    let env = Env::new();
    let packages = laid_tree(&env);
    let watch = Watch::start(&env.public(), vec![trusted(&OURS)]);
    watch.has_looked();
    harm(&env, &watch, &packages);
    catch_unwind(AssertUnwindSafe(|| watch.stop())).map_err(|panic| *panic.downcast::<String>().unwrap())
}

#[track_caller]
fn sees(what: &str, harm: impl FnOnce(&Env, &Watch, &[Built; 2])) {
    let told = verdict(harm).expect_err("the watcher saw nothing");
    assert!(told.contains(what), "{told}");
}

const HELLO: &str = "site/.generations/1/main/x86_64/hello-1.0-r0.apk";
const INDEX: &str = "site/.generations/1/main/x86_64/APKINDEX.tar.gz";

#[test]
fn the_watcher_is_content_with_a_good_tree() {
    verdict(|_, _, _| {}).unwrap();
}

#[test]
fn the_watcher_sees_a_missing_package() {
    sees("hello-1.0-r0.apk", |env, _, _| std::fs::remove_file(env.path(HELLO)).unwrap());
}

#[test]
fn the_watcher_sees_a_changed_package() {
    for (part, name) in [(10, "signature"), (400, "control"), (0, "data")] {
        let told = verdict(|env, _, [hello, _]| {
            let mut bytes = hello.bytes.clone();
            let at = match name {
                "data" => bytes.len() - 30,
                "control" => hello.control_at + 60,
                _ => part,
            };
            bytes[at] ^= 1;
            env.write(HELLO, &bytes);
        });
        // A package's own signature is not what an index vouches for, but what does not inflate is broken.
        assert!(told.is_err(), "{name}");
    }
}

#[test]
fn the_watcher_sees_a_cut_package() {
    sees("promised", |env, _, [hello, _]| drop(env.write(HELLO, &hello.bytes[..hello.bytes.len() - 1])));
}

#[test]
fn the_watcher_sees_another_package_under_a_name() {
    sees("promised", |env, _, [_, libgreet]| drop(env.write(HELLO, &libgreet.bytes)));
}

#[test]
fn the_watcher_sees_an_index_by_a_stranger() {
    sees("UNTRUSTED", |env, _, [hello, _]| {
        drop(env.write(INDEX, &signed(&unsigned_index(&[&hello.entry], "two"), &[&STRANGER])));
    });
}

#[test]
fn the_watcher_sees_a_changed_index() {
    sees("BAD signature", |env, _, [hello, _]| {
        let (one, other) = (unsigned_index(&[&hello.entry], "two"), unsigned_index(&[], "three"));
        let signature = &signed(&one, &[&OURS]);
        env.write(INDEX, &[&signature[..signature.len() - one.len()], &other].concat());
    });
}

#[test]
fn the_watcher_sees_a_public_link_that_is_gone() {
    // Caught on the link itself, or on a file behind it, wherever the round was.
    sees("site/alpine", |env, _, _| std::fs::remove_file(env.public()).unwrap());
}

#[test]
fn the_watcher_sees_what_left_too_early() {
    sees("hello-1.0-r0.apk", |env, watch, [_, libgreet]| {
        // A new generation without hello; a client with the former index still asks for it.
        env.write(
            "site/.generations/2/main/x86_64/APKINDEX.tar.gz",
            &signed(&unsigned_index(&[&libgreet.entry], "two"), &[&OURS]),
        );
        env.write("site/.generations/2/main/x86_64/libgreet-1.0-r0.apk", &libgreet.bytes);
        symlink(".generations/2", env.path("site/next")).unwrap();
        std::fs::rename(env.path("site/next"), env.public()).unwrap();
        let _ = watch;
    });
}

#[test]
fn the_watcher_sees_poison_and_strays() {
    sees("must never be there", |env, watch, _| {
        watch.poison(b"tampered");
        env.write("site/.generations/2/main/x86_64/evil-1.0-r0.apk", b"tampered");
    });
    sees("no index names", |env, _, _| drop(env.write("site/.generations/1/main/x86_64/core.dump", b"?")));
}

#[test]
fn the_oracle_reads_what_others_wrote() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vectors");
    let name = "k1@example.org-00000002.rsa.pub";
    let pem = std::fs::read_to_string(data.join(name)).unwrap();
    let key = <rsa::PublicKey as rsa::pkcs8::DecodePublicKey>::from_public_key_pem(&pem).unwrap();
    let index = std::fs::read(data.join("APKINDEX.tar.gz")).unwrap();
    assert_eq!(
        oracle::signature_names(&index),
        [".SIGN.RSA.k1@example.org-00000002.rsa.pub", ".SIGN.RSA256.k2@example.org-00000002.rsa.pub"]
    );
    let listed = oracle::index(&index, &[(name.to_owned(), key)]).unwrap();
    assert_eq!(listed.len(), 1);
    oracle::package(&std::fs::read(data.join("vec-1.0-r0.apk")).unwrap(), &listed[0]).unwrap();
}

#[test]
fn what_the_fixtures_write_the_library_reads() {
    use bivouac::apk::v2::sections::Limits;
    use bivouac::verify::package::Promise;
    use bivouac::verify::{Keyring, PackageVerifier, PublicKey, index};
    let package =
        Package::new("hello", "1.0-r0").depends("so:libgreet.so.1").provides("cmd:hello=1.0").build(&UPSTREAM);
    let bytes = signed(&unsigned_index(&[&package.entry], "v3.23.0-1-g0123456789"), &[&UPSTREAM]);
    let mut keyring = Keyring::new();
    keyring.add(PublicKey::parse(UPSTREAM.name.parse().unwrap(), UPSTREAM.public_pem().as_bytes()).unwrap()).unwrap();
    let verified = index::verify(bytes, &keyring, &"x86_64".parse().unwrap(), &Limits::default()).unwrap();
    let mut verifier = PackageVerifier::new(Promise::Entry(verified.entries()[0].clone()), Limits::default());
    verifier.feed(&package.bytes).unwrap();
    verifier.finish().unwrap();
}

/// A raw GET over one connection; the head's lines and the body as far as they came before the connection ended.
fn get(upstream: &Upstream, path: &str, headers: &[&str]) -> (Vec<String>, Vec<u8>) {
    let mut stream = TcpStream::connect(upstream.url().trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
    let mut request = format!("GET {path} HTTP/1.1\r\nHost: upstream\r\n");
    for header in headers {
        request.push_str(&format!("{header}\r\n"));
    }
    stream.write_all(format!("{request}\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    // Ends by the timeout where the connection is kept.
    let _ = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    (head.lines().map(str::to_owned).collect(), answer[end..].to_vec())
}

#[test]
fn the_upstream_serves_and_misbehaves() {
    let upstream = Upstream::start();
    upstream.put("/a~b", b"0123456789".to_vec());
    let (head, body) = get(&upstream, "/a%7eb", &[]);
    assert_eq!((head[0].as_str(), &*body), ("HTTP/1.1 200 Scripted", &b"0123456789"[..]));
    let etag = head.iter().find_map(|line| line.strip_prefix("ETag: ")).unwrap().to_owned();
    assert_eq!(get(&upstream, "/a~b", &[&format!("If-None-Match: {etag}")]).0[0], "HTTP/1.1 304 Scripted");
    let (head, body) = get(&upstream, "/a~b", &["Range: bytes=7-"]);
    assert_eq!((head[0].as_str(), &*body), ("HTTP/1.1 206 Scripted", &b"789"[..]));
    assert!(head.contains(&"Content-Range: bytes 7-9/10".to_owned()));
    assert_eq!(get(&upstream, "/a~b", &["Range: bytes=10-"]).0[0], "HTTP/1.1 416 Scripted");
    assert_eq!(get(&upstream, "/a~b", &["Range: bytes=7-", "If-Range: \"old\""]).1, b"0123456789");
    assert_eq!(get(&upstream, "/nothing", &[]).0[0], "HTTP/1.1 404 Scripted");

    upstream.fail("/a~b", [Fault::Status(503), Fault::CutAfter(4), Fault::StallAfter(2), Fault::Silence]);
    assert_eq!(get(&upstream, "/a~b", &[]).0[0], "HTTP/1.1 503 Scripted");
    assert_eq!(get(&upstream, "/a~b", &[]).1, b"0123");
    assert_eq!(get(&upstream, "/a~b", &[]).1, b"01");
    assert_eq!(get(&upstream, "/a~b", &[]), (vec![], vec![]));
    assert_eq!(get(&upstream, "/a~b", &[]).1, b"0123456789");
    upstream.fail("/a~b", [Fault::Bytes(b"other".to_vec())]);
    assert_eq!(get(&upstream, "/a~b", &[]).1, b"other");

    upstream.after("/a~b", |files| files.put("/a~b", b"later".to_vec()));
    assert_eq!(get(&upstream, "/a~b", &[]).1, b"0123456789");
    let (head, body) = get(&upstream, "/a~b", &[]);
    assert_eq!(body, b"later");
    assert!(!head.contains(&format!("ETag: {etag}")), "other bytes have another ETag");
    assert_eq!(upstream.take_log().len(), 14);
    assert!(upstream.take_log().is_empty());
}

#[test]
fn the_upstream_goes_and_comes_back() {
    let mut upstream = Upstream::start();
    upstream.put("/a", b"a".to_vec());
    let address = upstream.url();
    upstream.go_away();
    assert!(TcpStream::connect(address.trim_start_matches("http://")).is_err());
    upstream.come_back();
    assert_eq!(upstream.url(), address);
    assert_eq!(get(&upstream, "/a", &[]).1, b"a");
}
