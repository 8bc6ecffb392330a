//! SHA-1 is what Alpine signs with and identifies packages by: known attacks on it are found wherever foreign bytes are hashed
//! with it, `[policy] sha1` says how far it is trusted, and what was fetched first stays.

use bivouac::apk::v2::sections::{Head, Limits};
use bivouac::apk::v2::signature::{Algorithm, Signature};
use bivouac::apk::{Arch, Entry, Identity, Sha1Policy};
use bivouac::error::{Class, Trouble as _};
use bivouac::sign::PrivateKey;
use bivouac::verify::keyring::{Keyring, PublicKey, Untrusted};
use bivouac::verify::package::{PackageVerifier, Promise, examine_head};

use super::fixture::{Built, Form, Package, UPSTREAM, signature_section, unsigned_index};
use super::site::{FIRST, REPOSITORY, SOURCES, Site, hello, libgreet};

/// The beginnings of the two files of https://shattered.io, whose SHA-1 is one and the same.
const SHATTERED: [&[u8]; 2] =
    [include_bytes!("../data/sha1/shattered-1.prefix"), include_bytes!("../data/sha1/shattered-2.prefix")];

fn x86_64() -> Arch {
    "x86_64".parse().unwrap()
}

/// A signature over one of the two is good over the other; where attacks are looked for, it counts for neither.
#[test]
fn what_a_signature_over_sha1_covers_goes_through_the_hasher() {
    let name = "ops@site.example-00000003.rsa.pub".parse().unwrap();
    let key = PrivateKey::parse(&super::fixture::OURS.private_pem(), name).unwrap();
    let sign = |algorithm| -> Vec<Signature> { vec![key.sign(algorithm, SHATTERED[0]).unwrap()] };
    let mut keyring = Keyring::new();
    keyring.add(PublicKey::parse(key.key_name().clone(), key.public_pem().as_bytes()).unwrap()).unwrap();
    let (sha1, sha256) = (sign(Algorithm::Sha1), sign(Algorithm::Sha256));
    for message in SHATTERED {
        let trusting = keyring.clone().under(Sha1Policy::Accept);
        assert_eq!(trusting.verify(&x86_64(), message, &sha1).unwrap().len(), 1, "that is the attack");
        for policy in [Sha1Policy::Detect, Sha1Policy::Refuse] {
            let refused = keyring.clone().under(policy).verify(&x86_64(), message, &sha1).unwrap_err();
            assert_eq!(refused, Untrusted::Sha1Collision(key.key_name().clone()));
        }
    }
    // Nobody has to say so, and SHA-256 tells them apart.
    assert!(keyring.verify(&x86_64(), SHATTERED[1], &sha1).is_err());
    assert!(keyring.verify(&x86_64(), SHATTERED[0], &sha256).is_ok());
    let refused = keyring.verify(&x86_64(), SHATTERED[1], &sha256).unwrap_err();
    assert_eq!(refused, Untrusted::BadSignature(key.key_name().clone()));
}

/// What follows the reading of a head is the same for every package, whoever promised it.
#[test]
fn what_an_identity_is_over_goes_through_the_hasher() {
    let [one, two] = SHATTERED.map(|control| Identity::of(control, Sha1Policy::Accept));
    assert_eq!(one, two, "that is the attack");
    let pkginfo = format!("pkgname = a\npkgver = 1-r0\narch = x86_64\nsize = 1\ndatahash = {}\n", "ab".repeat(32));
    let head = |control: &[u8]| Head {
        signatures: Vec::new(),
        signature_length: 0,
        control: control.to_vec(),
        pkginfo: pkginfo.clone().into_bytes(),
        files: vec![".PKGINFO".into()],
    };
    for control in SHATTERED {
        let refused = examine_head(&head(control)).unwrap_err();
        assert_eq!((refused.code(), refused.class()), ("sha1-collision", Class::Refused));
        // With one bit turned it is bytes like any others.
        let mut harmless = control.to_vec();
        harmless[319] ^= 1;
        examine_head(&head(&harmless)).unwrap();
    }
}

/// One repository that takes from upstream's main alone, under `[policy] sha1`.
fn under(site: &Site, policy: &str) {
    let repository = "\n[[repositories]]\nname = \"v3.23/main\"\narches = [\"x86_64\"]\nfrom = [\"up:v3.23/main\"]\n";
    site.env.configure(&format!("{SOURCES}{repository}\n[policy]\nsha1 = \"{policy}\"\n"));
}

/// Upstream's main repository in a new state, signed over SHA-1 as Alpine signs.
fn main_over_sha1(site: &Site, count: u32, packages: &[&Built]) {
    site.main(count, packages);
    let entries: Vec<_> = packages.iter().map(|package| package.entry.as_str()).collect();
    let index = unsigned_index(&entries, &format!("v3.23.0-{count}-g0123456789"));
    site.main_index([signature_section(&[UPSTREAM.sign(Form::Rsa, &index)]), index].concat());
}

/// What is published changes because of `[policy] sha1`, and is what it was without it.
#[test]
fn an_index_signed_over_sha1_alone_is_refused_where_sha1_is() {
    let site = Site::before_the_first_sync();
    let live = || site.env.live("v3.23/main", "x86_64");
    under(&site, "refuse");
    // Signed over SHA-256; the packages' own signatures are asked for nowhere.
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(live(), ["hello-1.0-r0", "libgreet-1.0-r0"]);
    let next = hello("1.1-r0").build(&UPSTREAM);
    main_over_sha1(&site, 2, &[&next, &libgreet().build(&UPSTREAM)]);
    for _ in 0..2 {
        let run = site.env.bivouac(&["sync", "--json"]);
        run.exits_with(3).tells(&["refused index v3.23/main/x86_64", "SHA-1 alone", UPSTREAM.name, "hint:", "RSA256"]);
        assert_eq!(run.json()["repositories"][0]["error"]["code"], "sha1-refused");
        assert_eq!(live(), ["hello-1.0-r0", "libgreet-1.0-r0"]);
    }
    for policy in ["detect", "accept"] {
        under(&site, policy);
        site.env.bivouac(&["sync"]).exits_with(0);
        assert_eq!(live(), ["hello-1.1-r0", "libgreet-1.0-r0"]);
    }
    // What was accepted while SHA-1 counted is told of once it does not, and stays in force.
    under(&site, "refuse");
    site.env.bivouac(&["sync"]).exits_with(3).tells(&["refused index v3.23/main/x86_64", "SHA-1 alone"]);
    assert_eq!(live(), ["hello-1.1-r0", "libgreet-1.0-r0"]);
    site.main(3, &[&next]);
    site.env.bivouac(&["sync"]).exits_with(0);
    assert_eq!(live(), ["hello-1.1-r0"]);
    site.watch.stop();
}

/// Packages of a folder are vouched for by their own signatures, which abuild makes over SHA-1.
#[test]
fn a_package_signed_over_sha1_alone_is_refused_where_sha1_is() {
    let site = Site::standing();
    let refusing = format!("{SOURCES}{REPOSITORY}\n[policy]\nsha1 = \"refuse\"\n");
    site.env.configure(&refusing);
    // Known from the run before, and read again because the rule is another.
    site.env.bivouac(&["sync"]).exits_with(3).tells(&["corp-tool-1.0-r0.apk", "SHA-1 alone", "corp.example"]);
    assert_eq!(site.live(), FIRST);
    site.env.configure(&refusing.replace("refuse", "detect"));
    site.env.bivouac(&["sync"]).exits_with(0);
    site.watch.stop();
}

/// An identity covers the control section alone: in front of it, bytes may change and everything still fits. What was fetched
/// first stays, by its SHA-256.
#[test]
fn other_bytes_of_the_same_identity_and_size_never_replace_the_first() {
    let first = hello("1.0-r0").build(&UPSTREAM);
    let mut other = hello("1.0-r0").build(&UPSTREAM);
    // The packer's time in the gzip header of the signature section.
    other.bytes[4..8].copy_from_slice(b"time");
    for bytes in [&first.bytes, &other.bytes] {
        let entry = Entry::parse(first.entry.trim_end()).unwrap();
        let mut verifier = PackageVerifier::new(Promise::Entry(entry), Limits::default());
        verifier.feed(bytes).unwrap();
        verifier.finish().unwrap();
    }
    let site = Site::standing();
    let published = |what: &str| {
        let bytes = std::fs::read(site.env.public().join("v3.23/site/x86_64").join(&first.file)).unwrap();
        assert!(bytes == first.bytes, "{what}");
    };
    // Upstream has the other bytes now, in a new state of the index that lists them, and in a second repository.
    let tea = Package::new("tea", "1.0-r0").build(&UPSTREAM);
    site.main(2, &[&other, &libgreet().build(&UPSTREAM), &tea]);
    site.community(2, &[&super::site::extra("1.0-r0").build(&UPSTREAM), &other]);
    site.env.bivouac(&["sync"]).exits_with(0);
    assert!(site.live().contains(&"tea-1.0-r0".to_owned()));
    published("after a new state that lists it");
    site.main(3, &[&other, &libgreet().build(&UPSTREAM)]);
    site.env.bivouac(&["sync"]).exits_with(0);
    published("after another");
    site.env.bivouac(&["check"]).exits_with(0);
    site.watch.stop();
}
