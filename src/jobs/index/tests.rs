use super::*;
use crate::apk::v2::package::Recipe;
use crate::apk::v2::sections::split_index;
use crate::config::Digest;
use crate::jobs::sign;
use crate::verify::keyring::{PublicKey, Verdict};
use crate::verify::{Keyring, LooseVerifier, index as verify_index};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        durable::write(&self.path(name), bytes, 0o644).unwrap();
    }

    /// A package under the name that clients ask for.
    fn package(&self, name: &str, version: &str, arch: &str) {
        let bytes = package(name, version, arch);
        self.put(&format!("{name}-{version}.apk"), &bytes);
    }

    fn request(&self) -> IndexRequest {
        IndexRequest {
            folder: self.0.path().to_owned(),
            output: self.path("APKINDEX.tar.gz"),
            arch: None,
            description: String::new(),
            signing: None,
            detached: Detached::Leave,
            threads: NonZero::new(3).unwrap(),
        }
    }

    /// A key and its public half.
    fn key(&self) -> (SigningKey, PublicKey) {
        let name: KeyName = "t@example.org-00000001.rsa.pub".parse().unwrap();
        let bits = crate::sign::key_file::ModulusBits::Rsa2048;
        let key = crate::sign::PrivateKey::generate(bits, name.clone(), &mut getrandom::SysRng).unwrap();
        let file = key.store(&self.path("keys")).unwrap();
        (SigningKey::in_file(file, Digest::Sha256AndSha1), PublicKey::parse(name, key.public_pem().as_bytes()).unwrap())
    }
}

fn package(name: &str, version: &str, arch: &str) -> Vec<u8> {
    let recipe = Recipe::new(name.parse().unwrap(), version.parse().unwrap(), arch.parse().unwrap());
    recipe.file(&format!("usr/{name}"), 0o644, *b"content").write(1_700_000_000).unwrap().with_signatures(&[])
}

fn text(file: &Path) -> String {
    split_index(&std::fs::read(file).unwrap(), &Limits::default()).unwrap().text
}

fn refused(error: Error) -> Vec<(String, String)> {
    let Error::Packages { refused, .. } = error else { panic!("{error}") };
    refused.into_iter().map(|file| (file.name, file.reason.to_string())).collect()
}

#[test]
fn packages_are_listed_in_apks_order_under_the_arch_of_the_index() {
    let folder = Folder::new();
    folder.package("b", "1.10-r0", "x86_64");
    folder.package("b", "1.9-r0", "x86_64");
    folder.package("A", "1-r0", "noarch");
    folder.put(".hidden.apk", b"");
    folder.put("README", b"");
    let request = IndexRequest { description: "words".to_owned(), ..folder.request() };
    let report = index(&request).unwrap();
    assert_eq!((report.packages, report.arch.as_ref().map(Arch::as_str), report.signed_by), (3, Some("x86_64"), None));
    let text = text(&report.file);
    let fields = |letter: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.strip_prefix(letter)).map(str::to_owned).collect()
    };
    assert_eq!(fields("P:"), ["A", "b", "b"]);
    assert_eq!(fields("V:"), ["1-r0", "1.9-r0", "1.10-r0"]);
    assert_eq!(fields("A:"), ["x86_64", "x86_64", "x86_64"]);

    let first = std::fs::read(&report.file).unwrap();
    let request = IndexRequest { threads: NonZero::<usize>::MIN, ..request };
    assert_eq!(index(&request).unwrap().bytes, first.len());
    assert_eq!(std::fs::read(&report.file).unwrap(), first);
}

#[test]
fn every_package_in_the_way_is_named_and_nothing_is_written() {
    let folder = Folder::new();
    folder.package("good", "1-r0", "x86_64");
    folder.package("other", "1-r0", "aarch64");
    folder.put("renamed.apk", &package("good", "2-r0", "x86_64"));
    folder.put("rubbish.apk", b"rubbish");
    folder.put("cut.apk", &package("cut", "1-r0", "x86_64")[..100]);
    let request = IndexRequest { arch: Some("x86_64".parse().unwrap()), ..folder.request() };
    assert_eq!(
        refused(index(&request).unwrap_err()),
        [
            ("cut.apk", "it ends inside its first section"),
            ("other-1-r0.apk", "it is for aarch64, the index for x86_64"),
            ("renamed.apk", "it is good-2-r0.apk, and clients will ask for that file"),
            ("rubbish.apk", "its control section is not a gzip stream, or a damaged one"),
        ]
        .map(|(name, reason)| (name.to_owned(), reason.to_owned()))
    );
    assert!(!request.output.exists());
}

#[test]
fn the_arch_follows_from_packages_or_folder_or_must_be_named() {
    let folder = Folder::new();
    assert_eq!(index(&folder.request()).unwrap().arch, None);
    folder.package("a", "1-r0", "noarch");
    assert!(matches!(index(&folder.request()), Err(Error::Arch { arches, .. }) if arches.is_empty()));
    durable::create_folder(&folder.path("riscv64"), 0o755).unwrap();
    folder.put("riscv64/a-1-r0.apk", &package("a", "1-r0", "noarch"));
    let below = IndexRequest { folder: folder.path("riscv64"), ..folder.request() };
    assert_eq!(index(&below).unwrap().arch.unwrap().as_str(), "riscv64");
    folder.package("b", "1-r0", "x86_64");
    folder.package("c", "1-r0", "aarch64");
    let mixed = index(&folder.request()).unwrap_err().to_string();
    assert!(mixed.ends_with("are of aarch64 and x86_64; an index is of one arch"), "{mixed}");
}

#[test]
fn a_signed_index_verifies_and_so_does_the_file_beside_it() {
    let folder = Folder::new();
    folder.package("a", "1-r0", "x86_64");
    let (signing, public) = folder.key();
    let request = IndexRequest { detached: Detached::Write, ..folder.request() };
    assert!(matches!(index(&request), Err(Error::NoKey)));
    let report = index(&IndexRequest { signing: Some(signing), ..request }).unwrap();
    let bytes = std::fs::read(&report.file).unwrap();
    let raw = std::fs::read(report.detached.unwrap()).unwrap();
    assert_eq!(public.verifies(Algorithm::Sha256, &bytes, &raw), Verdict::Good);
    let mut keyring = Keyring::new();
    keyring.add(public).unwrap();
    let verified = verify_index::verify_loose(bytes, &keyring, &Limits::default()).unwrap();
    assert_eq!(verified.entries().len(), 1);
}

#[test]
fn signing_anew_replaces_signatures_and_nothing_else() {
    let folder = Folder::new();
    folder.package("a", "1-r0", "x86_64");
    let (signing, public) = folder.key();
    let unsigned = index(&folder.request()).unwrap();
    let before = text(&unsigned.file);
    let files = [folder.path("a-1-r0.apk"), unsigned.file.clone()];
    sign::sign(&files, &signing).unwrap();
    let once: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    sign::sign(&files, &signing).unwrap();
    let twice: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert_eq!(once, twice, "a second signature is not over the first");
    assert_eq!(text(&unsigned.file), before);
    assert!(once[0].ends_with(&package("a", "1-r0", "x86_64")));

    let mut keyring = Keyring::new();
    keyring.add(public).unwrap();
    let arch = "x86_64".parse().unwrap();
    let mut verifier = LooseVerifier::new(&keyring, &arch, Limits::default());
    verifier.feed(&once[0]).unwrap();
    assert_eq!(verifier.finish().unwrap().signers().len(), 1);
}

#[test]
fn a_package_whose_data_was_changed_is_not_signed() {
    let folder = Folder::new();
    let mut bytes = package("a", "1-r0", "x86_64");
    *bytes.last_mut().unwrap() ^= 1;
    folder.put("a-1-r0.apk", &bytes);
    let (signing, _) = folder.key();
    let refused = sign::sign(&[folder.path("a-1-r0.apk")], &signing).unwrap_err();
    assert_eq!((refused.class(), refused.code()), (Class::Refused, "wrong-datahash"));
    assert_eq!(std::fs::read(folder.path("a-1-r0.apk")).unwrap(), bytes);
}
