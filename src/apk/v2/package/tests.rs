use super::*;
use crate::apk::Sha1Policy;
use crate::apk::v2::pkginfo::PkgInfo;
use crate::apk::v2::sections::{HeadReader, Limits};
use crate::apk::v2::tarball::End;

const TIME: u64 = 1_700_000_000;

fn recipe() -> Recipe {
    Recipe::new("vec".parse().unwrap(), "1.0-r0".parse().unwrap(), "x86_64".parse().unwrap())
}

fn inflate(member: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut decoder = flate2::bufread::GzDecoder::new(member);
    std::io::Read::read_to_end(&mut decoder, &mut out).unwrap();
    assert!(decoder.into_inner().is_empty(), "one member");
    out
}

#[test]
fn the_reader_finds_what_was_written() {
    let mut recipe = recipe().file("usr/bin/vec", 0o755, *b"#!/bin/sh\n");
    recipe.description = "a = b".to_owned();
    recipe.depends = vec!["so:libc.musl-x86_64.so.1".to_owned(), "other>=2".to_owned()];
    recipe.provides = vec!["cmd:vec=1.0-r0".to_owned()];
    recipe.install_if = vec!["a".to_owned(), "b=1".to_owned()];
    recipe.scripts.insert(Script::PostInstall, "#!/bin/sh\ntrue\n".to_owned());
    let package = recipe.write(TIME).unwrap();
    let bytes = package.with_signatures(&[]);

    let mut reader = HeadReader::new(Limits::default());
    let used = reader.feed(&bytes).unwrap();
    let head = reader.finish().unwrap();
    assert_eq!(head.signature_length, 0);
    assert_eq!(head.control, package.signed_bytes());
    assert_eq!(head.files, [".PKGINFO", ".post-install"]);
    let info = PkgInfo::parse(&head.pkginfo).unwrap();
    assert_eq!(info.description, "a = b");
    assert_eq!(info.depends, recipe.depends);
    assert_eq!(info.provides, recipe.provides);
    assert_eq!(info.install_if, recipe.install_if);
    assert_eq!(info.installed_size, 10);
    assert_eq!(info.build_time, TIME);
    let data = &bytes[used..];
    assert_eq!(info.datahash, Some(Datahash::new(Sha256::digest(data).into())));
    assert_eq!(package.identity(), Identity::of(&head.control, Sha1Policy::Accept).unwrap());
    assert_eq!(tarball::read(&inflate(&head.control)).unwrap().end, End::Cut);
    assert_eq!(tarball::read(&inflate(data)).unwrap().end, End::ZeroBlocks);
}

#[test]
fn the_data_section_reads_back_with_folders_first_and_checksums() {
    let long = format!("usr/share/{}/ä{}", "d".repeat(90), "f".repeat(60));
    let mut recipe = recipe().file("usr/bin/vec", 0o755, *b"hi\n").file(&long, 0o4711, *b"");
    recipe.items.insert("usr".to_owned(), Item::Folder { mode: 0o700 });
    recipe.items.insert("usr/bin/v".to_owned(), Item::Link { target: "vec".to_owned() });
    let target = "../".repeat(40) + "x";
    recipe.items.insert("usr/bin/w".to_owned(), Item::Link { target: target.clone() });
    let data = inflate(&recipe.write(TIME).unwrap().data);

    let mut seen = Vec::new();
    let mut archive = tar::Archive::new(&*data);
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let link = entry.link_name().unwrap().map(|link| link.to_string_lossy().into_owned());
        let header = (entry.header().entry_type().as_byte(), entry.header().mode().unwrap());
        assert_eq!(entry.header().mtime().unwrap(), TIME);
        let checksum = entry.pax_extensions().unwrap().and_then(|mut records| {
            records.find_map(|record| {
                let record = record.unwrap();
                (record.key().unwrap() == "APK-TOOLS.checksum.SHA1").then(|| record.value().unwrap().to_owned())
            })
        });
        seen.push((path, header, link, checksum));
    }
    let sum = |content: &[u8]| Some(hex(&digest_of_ours(content)));
    let folder = |path: &str, mode| (path.to_owned(), (b'5', mode), None, None);
    assert_eq!(
        seen,
        [
            folder("usr", 0o700),
            folder("usr/bin", 0o755),
            ("usr/bin/v".to_owned(), (b'2', 0o777), Some("vec".to_owned()), sum(b"vec")),
            ("usr/bin/vec".to_owned(), (b'0', 0o755), None, sum(b"hi\n")),
            ("usr/bin/w".to_owned(), (b'2', 0o777), Some(target.clone()), sum(target.as_bytes())),
            folder("usr/share", 0o755),
            folder(&format!("usr/share/{}", "d".repeat(90)), 0o755),
            (long, (b'0', 0o4711), None, sum(b"")),
        ]
    );
}

#[test]
fn the_same_recipe_gives_the_same_bytes() {
    let recipe = recipe().file("usr/hi", 0o644, *b"hi\n");
    assert_eq!(recipe.write(TIME), recipe.write(TIME));
    assert_ne!(recipe.write(TIME), recipe.write(TIME + 1));
}

#[test]
fn a_package_without_content_has_size_0_and_no_other_has() {
    let size = |recipe: &Recipe| {
        let package = recipe.write(TIME).unwrap();
        PkgInfo::parse(package.pkginfo().as_bytes()).unwrap().installed_size
    };
    assert_eq!(size(&recipe()), 0);
    assert_eq!(size(&recipe().file("etc/empty", 0o644, *b"")), 1);
    let mut script = recipe();
    script.scripts.insert(Script::PreInstall, String::new());
    assert_eq!(size(&script), 1);
}

#[test]
fn what_clients_would_misread_is_refused() {
    for path in ["", "/etc/x", "a//b", "a/", "./a", "../a", "a/../b", "a/.", ".hidden", "a\nb", &"x/".repeat(3000)] {
        let refused = recipe().file(path, 0o644, *b"").write(TIME);
        assert_eq!(refused, Err(BadRecipe::Path { path: path.to_owned() }), "{path:?}");
    }
    let below_a_file = recipe().file("a", 0o644, *b"").file("a/b", 0o644, *b"").write(TIME);
    assert_eq!(below_a_file, Err(BadRecipe::NotAFolder { path: "a/b".to_owned() }));

    let mut forged = recipe();
    forged.description = "x\ndepend = evil".to_owned();
    let key = "pkgdesc";
    assert_eq!(forged.write(TIME), Err(BadRecipe::ControlCharacter { key, text: forged.description.clone() }));
    let mut two = recipe();
    two.depends = vec!["a b".to_owned()];
    assert_eq!(two.write(TIME), Err(BadRecipe::Term { key: "depend", term: "a b".to_owned() }));
}
