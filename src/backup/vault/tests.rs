use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use age::x25519;

use super::*;
use crate::disk::private_file::Exposed;
use crate::error::{Class, Trouble as _};
use crate::places::archive;

/// An identity, its recipient, and another one's.
const IDENTITY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
/// As cheap as scrypt can be.
const CHEAP: u8 = 1;

fn time() -> Timestamp {
    "2026-11-24T03:17:00Z".parse().unwrap()
}

fn file(path: &str, bytes: &[u8]) -> PrivateFile {
    PrivateFile {
        path: path.parse().unwrap(),
        from: Path::new("/etc/bivouac").join(path),
        mode: 0o640,
        bytes: Secret::new(bytes.to_vec()),
    }
}

fn vault() -> Vault {
    let key = |name: &str, digit: &str| KeyId { name: name.parse().unwrap(), fingerprint: digit.repeat(64) };
    Vault {
        signers: vec![key("ops@example.org-6743a0c1.rsa.pub", "a"), key("ops@example.org-5f2c1a00.rsa.pub", "0")],
        // An empty one, one that fills its block, and one that does not; binary, too.
        files: vec![file("files/pin", b""), file("keys/ops.rsa", &[0; 512]), file("keys/proxy", b"user:secret\n\xff")],
    }
}

fn recipients(names: &[&str]) -> SealTo {
    SealTo::Recipients(names.iter().map(|name| name.parse().unwrap()).collect())
}

fn phrase(text: &str) -> Passphrase {
    Passphrase::parse(text).unwrap()
}

/// What opens with these identities.
fn identities(text: &str) -> Opener {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "identity", text.as_bytes());
    Opener::Identity(Identities::load(&file, Exposed::Refuse).unwrap())
}

/// A file that nobody else may read.
fn written(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn another_identity() -> String {
    use age::secrecy::ExposeSecret as _;
    x25519::Identity::generate().to_string().expose_secret().to_owned()
}

/// Any plain text, sealed as a vault is.
fn sealed(plain: &[u8]) -> Vec<u8> {
    age::encrypt(&RECIPIENT.parse::<x25519::Recipient>().unwrap(), plain).unwrap()
}

/// A tar of these files, whatever they are called.
fn plain(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        header.set_cksum();
        tar.extend(header.as_bytes());
        tar.extend(*bytes);
        tar.resize(tar.len() + archive::padding(bytes.len() as u64) as usize, 0);
    }
    tar.resize(tar.len() + archive::END as usize, 0);
    tar
}

fn code(result: Result<Vault, VaultError>) -> &'static str {
    result.unwrap_err().code()
}

#[test]
fn what_is_sealed_opens_for_each_of_its_recipients() {
    let other = another_identity();
    let name = other.parse::<x25519::Identity>().unwrap().to_public().to_string();
    // One that is named twice is sealed to once.
    let bytes = vault().seal(&recipients(&[RECIPIENT, &name, RECIPIENT]), time()).unwrap();
    assert_eq!(memmem::find_iter(&bytes, "-> X25519 ").count(), 2);
    assert_eq!(what_opens(&bytes).unwrap(), Needs::Identity);
    for identity in [IDENTITY, &other] {
        assert_eq!(Vault::open(&bytes, &identities(identity)).unwrap(), vault());
    }
    let keygens =
        format!("# created: 2026-11-24T03:17:00Z\n# public key: {RECIPIENT}\n\n{}\r\n{IDENTITY}\n", another_identity());
    assert_eq!(Vault::open(&bytes, &identities(&keygens)).unwrap(), vault(), "one of several is enough");
    assert_ne!(bytes, vault().seal(&recipients(&[RECIPIENT]), time()).unwrap());
    assert_eq!(code(Vault::open(&bytes, &identities(&another_identity()))), "not-a-recipient");
    assert_eq!(code(Vault::open(&bytes, &Opener::Passphrase(phrase("x")))), "identity-missing");
}

#[test]
fn what_is_sealed_opens_with_its_passphrase() {
    let to = SealTo::Passphrase(phrase("correct horse battery staple"));
    let bytes = vault().seal_with_work(&to, time(), CHEAP).unwrap();
    assert_eq!(what_opens(&bytes).unwrap(), Needs::Passphrase);
    let open = |text| Vault::open(&bytes, &Opener::Passphrase(phrase(text)));
    assert_eq!(open("correct horse battery staple").unwrap(), vault());
    assert_eq!(code(open("correct horse battery stapl")), "passphrase-wrong");
    assert_eq!(code(Vault::open(&bytes, &identities(IDENTITY))), "passphrase-missing");
}

#[test]
fn a_guess_costs_what_the_page_says() {
    let bytes = vault().seal(&SealTo::Passphrase(phrase("x")), time()).unwrap();
    let header = String::from_utf8_lossy(&bytes[..100]).into_owned();
    assert!(header.lines().nth(1).unwrap().ends_with(" 18"), "{header}");
    assert_eq!(Vault::open(&bytes, &Opener::Passphrase(phrase("x"))).unwrap(), vault());
}

#[test]
fn memory_is_not_given_to_whoever_asks_for_it() {
    // Its header says so, and is not looked into further.
    let bytes = vault().seal_with_work(&SealTo::Passphrase(phrase("x")), time(), CHEAP).unwrap();
    let end = memmem::find(&bytes, b" 1\n").unwrap();
    let asking = |work: &str| [&bytes[..end], work.as_bytes(), &bytes[end + 2..]].concat();
    let error = Vault::open(&asking(" 21"), &Opener::Passphrase(phrase("x"))).unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Refused, "vault-too-costly"));
    assert_eq!(code(Vault::open(&asking(" 2"), &Opener::Passphrase(phrase("x")))), "passphrase-wrong");
}

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    let phrase = phrase("x");
    let by_recipient = vault().seal(&recipients(&[RECIPIENT]), time()).unwrap();
    let by_phrase = vault().seal_with_work(&SealTo::Passphrase(phrase.clone()), time(), CHEAP).unwrap();
    for (good, opener) in [(by_recipient, identities(IDENTITY)), (by_phrase, Opener::Passphrase(phrase))] {
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << (at % 8);
            assert!(Vault::open(&bytes, &opener).is_err(), "byte {at} of {}", good.len());
        }
        for end in (0..good.len()).step_by(13) {
            assert_eq!(code(Vault::open(&good[..end], &opener)), "vault-damaged", "cut after {end} bytes");
        }
        assert_eq!(code(Vault::open(&[&good[..], b"\0"].concat(), &opener)), "vault-damaged");
    }
}

#[test]
fn what_is_no_vault_is_told_apart() {
    let opener = identities(IDENTITY);
    let open = |bytes: &[u8]| Vault::open(bytes, &opener).unwrap_err();
    assert!(matches!(open(b""), VaultError::Damaged(Flaw::Cut)));
    assert!(matches!(open(b"-----BEGIN AGE ENCRYPTED FILE-----\n"), VaultError::Damaged(Flaw::Header)));
    assert!(matches!(open(b"age-encryption.org/v2\nsomething else"), VaultError::Newer));
    assert!(matches!(open(&vec![0; MAX_VAULT as usize + 1]), VaultError::Damaged(Flaw::TooLarge)));
    // Hours of work, if it was begun.
    let endless = [b"age-encryption.org/v1\n".to_vec(), b"-> a\n\n".repeat(1 << 20)].concat();
    assert!(matches!(open(&endless), VaultError::Damaged(Flaw::Header)));
    assert!(matches!(open(&endless[..MAX_HEADER]), VaultError::Damaged(Flaw::Header | Flaw::Cut)));
}

#[test]
fn what_a_stranger_sealed_cannot_lead_elsewhere() {
    let opener = identities(IDENTITY);
    let list = |files: &str| format!(r#"{{"backup":1,"signers":[],"files":[{files}]}}"#);
    let one = |path: &str, from: &str, mode: u32| format!(r#"{{"path":{path:?},"from":{from:?},"mode":{mode}}}"#);
    let open = |list: &str, files: &[(&str, &[u8])]| {
        let mut all = vec![("signers.json", list.as_bytes())];
        all.extend(files);
        Vault::open(&sealed(&plain(&all)), &opener)
    };
    let good = one("keys/a", "/keys/a", 0o600);
    assert_eq!(open(&list(&good), &[("keys/a", b"x")]).unwrap().files.len(), 1);
    let refused = |list: &str, files: &[(&str, &[u8])]| {
        assert_eq!(code(open(list, files)), "vault-damaged", "{list} {files:?}");
    };
    for path in ["../a", "/a", "keys/../../a", "keys/./a", "keys//a", "", ".", "a\nb", "signers.json", "signers.json/a"]
    {
        refused(&list(&one(path, "/keys/a", 0o600)), &[(path, b"x")]);
    }
    refused(&list(&one("keys/a", "keys/a", 0o600)), &[("keys/a", b"x")]);
    refused(&list(&one("keys/a", "/keys/a", 0o4755)), &[("keys/a", b"x")]);
    refused(&list(&format!("{good},{good}")), &[("keys/a", b"x"), ("keys/a", b"y")]);
    let below = one("keys/a/b", "/b", 0o600);
    refused(&list(&format!("{good},{below}")), &[("keys/a", b"x"), ("keys/a/b", b"y")]);
    refused(&list(&format!("{below},{good}")), &[("keys/a/b", b"y"), ("keys/a", b"x")]);
    // What the list says is what there is, in its order.
    refused(&list(""), &[("keys/a", b"x")]);
    refused(&list(&good), &[]);
    refused(&list(&good), &[("keys/b", b"x")]);
    refused(&list(&good), &[("keys/a", b"x"), ("keys/b", b"x")]);
    refused("{}", &[]);
    refused(r#"{"backup":1,"signers":[{"name":"a.rsa.pub","fingerprint":"abc"}],"files":[]}"#, &[]);
    refused(r#"{"backup":1,"signers":[{"name":"../a","fingerprint":"abc"}],"files":[]}"#, &[]);
    assert_eq!(code(open(r#"{"backup":2}"#, &[])), "vault-newer");
    for bytes in [b"no tar at all".to_vec(), vec![0; 1024], plain(&[("keys/a", b"x")]), plain(&[])] {
        assert_eq!(code(Vault::open(&sealed(&bytes), &opener)), "vault-damaged");
    }
    let mut link = tar::Header::new_ustar();
    link.set_path("signers.json").unwrap();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    link.set_cksum();
    assert_eq!(code(Vault::open(&sealed(&[link.as_bytes(), &plain(&[])[..]].concat()), &opener)), "vault-damaged");
}

#[test]
fn what_would_not_open_is_not_sealed() {
    let to = recipients(&[RECIPIENT]);
    let why = |vault: &Vault, to: &SealTo| match vault.seal(to, time()).unwrap_err() {
        VaultError::Unsealable(why) => why,
        other => panic!("{other:?}"),
    };
    let holding = |files: Vec<PrivateFile>| Vault { signers: Vec::new(), files };
    assert!(matches!(why(&vault(), &recipients(&[])), Unsealable::NoRecipient));
    let twice = holding(vec![file("keys/a", b"x"), file("keys/a", b"x")]);
    assert!(matches!(why(&twice, &to), Unsealable::Clash { .. }));
    let below = holding(vec![file("keys/a", b"x"), file("keys/a-b", b"x"), file("keys/a/b", b"x")]);
    assert!(matches!(why(&below, &to), Unsealable::Clash { .. }));
    assert!(matches!(why(&holding(vec![file("signers.json", b"")]), &to), Unsealable::Clash { .. }));
    let long = format!("keys/{}", "n".repeat(101));
    assert!(matches!(why(&holding(vec![file(&long, b"")]), &to), Unsealable::Long { .. }));
    let relative = PrivateFile { from: "keys/a".into(), ..file("keys/a", b"") };
    assert!(matches!(why(&holding(vec![relative]), &to), Unsealable::From { .. }));
    use std::os::unix::ffi::OsStrExt as _;
    let bytes = PrivateFile { from: std::ffi::OsStr::from_bytes(b"/\xff").into(), ..file("keys/a", b"") };
    assert!(matches!(why(&holding(vec![bytes]), &to), Unsealable::From { .. }));
    let large = holding(vec![file("keys/a", &vec![1; MAX_VAULT as usize - 4000])]);
    assert!(matches!(why(&large, &to), Unsealable::TooLarge { .. }));

    let many: Vec<String> =
        (0..=MAX_RECIPIENTS).map(|_| x25519::Identity::generate().to_public().to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(matches!(why(&vault(), &recipients(&many)), Unsealable::Recipients { count: 101 }));
    let most = [&many[2..], &[RECIPIENT]].concat();
    let bytes = vault().seal(&recipients(&most), time()).unwrap();
    assert_eq!(Vault::open(&bytes, &identities(IDENTITY)).unwrap(), vault());
}

#[test]
fn the_largest_vault_opens() {
    let large = Vault { signers: Vec::new(), files: vec![file("keys/a", &vec![1; MAX_VAULT as usize - 10_000])] };
    let bytes = large.seal(&recipients(&[RECIPIENT]), time()).unwrap();
    assert!(Vault::open(&bytes, &identities(IDENTITY)).unwrap() == large);
}

#[test]
fn the_same_content_is_the_same_archive_and_digest() {
    let mut turned = vault();
    turned.files.reverse();
    assert_eq!(*contents::print(&turned, time()).unwrap(), *contents::print(&vault(), time()).unwrap());
    let to = recipients(&[RECIPIENT]);
    assert_eq!(turned.digest(&to), vault().digest(&to));
    let other = x25519::Identity::generate().to_public().to_string();
    let (two, turned) = (recipients(&[RECIPIENT, &other]), recipients(&[&other, RECIPIENT, &other]));
    assert_eq!(vault().digest(&two), vault().digest(&turned));
    // It says nothing of a passphrase, not even that it is another one.
    let phrases = ["one", "two"].map(|text| vault().digest(&SealTo::Passphrase(phrase(text))));
    assert_eq!(phrases[0], phrases[1]);
    assert_eq!(phrases[0].to_string().len(), 64);

    let mut seen = vec![vault().digest(&to), vault().digest(&two), phrases[0]];
    let changes: [fn(&mut Vault); 9] = [
        |vault| drop(vault.signers.pop()),
        |vault| vault.signers.swap(0, 1),
        |vault| vault.signers[0].fingerprint.replace_range(..1, "b"),
        |vault| drop(vault.files.pop()),
        |vault| vault.files[0].path = "files/pim".parse().unwrap(),
        |vault| vault.files[0].from = "/pin".into(),
        |vault| vault.files[0].mode = 0o600,
        |vault| vault.files[1].bytes = Secret::new(vec![0; 513]),
        |vault| vault.files[2].bytes = Secret::new(b"user:secret\n\xfe".to_vec()),
    ];
    for change in changes {
        let mut vault = vault();
        change(&mut vault);
        seen.push(vault.digest(&to));
    }
    for (at, digest) in seen.iter().enumerate() {
        assert!(!seen[..at].contains(digest), "{at}");
    }
}

#[test]
fn a_recipient_is_checked_and_a_secret_is_not_repeated() {
    assert_eq!(RECIPIENT.parse::<Recipient>().unwrap().to_string(), RECIPIENT);
    for (text, expected) in [
        (IDENTITY, BadRecipient::Secret),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN", BadRecipient::Ssh),
        ("age1yubikey1q2w7u3vpya839jxxuq8g0sedh3d740d4xvn639sqhr95ejj8vu3hyfumptt", BadRecipient::OtherKind),
        ("age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pb", BadRecipient::Garbled),
        (&RECIPIENT[..40], BadRecipient::Garbled),
        ("age1", BadRecipient::Garbled),
        ("", BadRecipient::Garbled),
        (" ", BadRecipient::Garbled),
    ] {
        let error = text.parse::<Recipient>().unwrap_err();
        assert_eq!(error, expected, "{text:?}");
        assert!(!error.to_string().contains(&IDENTITY[16..]));
    }
}

#[test]
fn a_file_of_identities_is_read_as_age_reads_it_and_never_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let load = |text: &[u8]| Identities::load(&written(folder.path(), "identity", text), Exposed::Refuse);
    let secret = &IDENTITY[20..];
    for (text, expected) in [
        (String::new(), IdentityFlaw::None),
        ("# nothing\n\n".to_owned(), IdentityFlaw::None),
        (format!("#\n\n{}\n", IDENTITY.replace("J33", "J34")), IdentityFlaw::Line(3)),
        (format!("{IDENTITY}\n{secret}\n"), IdentityFlaw::Line(2)),
        (format!("{IDENTITY} {IDENTITY}\n"), IdentityFlaw::Line(1)),
        (format!("{RECIPIENT}\n"), IdentityFlaw::Public(1)),
        ("AGE-PLUGIN-YUBIKEY-1QQQ\n".to_owned(), IdentityFlaw::Plugin(1)),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n".to_owned(), IdentityFlaw::OtherKey),
        ("-----BEGIN AGE ENCRYPTED FILE-----\n".to_owned(), IdentityFlaw::Encrypted),
        ("age-encryption.org/v1\n".to_owned(), IdentityFlaw::Encrypted),
    ] {
        let error = load(text.as_bytes()).unwrap_err();
        assert_eq!((error.class(), error.code()), (Class::Usage, "identity-unusable"));
        assert!(matches!(&error, VaultError::IdentityUnusable { flaw, .. } if *flaw == expected), "{text:?}: {error}");
        assert!(!format!("{error} {error:?} {:?}", error.hint()).contains(secret));
    }
    assert_eq!(load(b"\xff\xfe").unwrap_err().code(), "identity-unusable");
    let gone = Identities::load(&folder.path().join("gone"), Exposed::Refuse).unwrap_err();
    assert_eq!((gone.class(), gone.code()), (Class::Usage, "identity-unreadable"));
    use std::os::unix::fs::PermissionsExt as _;
    let open = written(folder.path(), "open", IDENTITY.as_bytes());
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(Identities::load(&open, Exposed::Refuse).unwrap_err().code(), "identity-exposed");
    Identities::load(&open, Exposed::Accept).unwrap();
}

#[test]
fn a_file_of_a_passphrase_is_one_line_that_can_be_typed() {
    let folder = tempfile::tempdir().unwrap();
    let load = |bytes: &[u8]| Passphrase::load(&written(folder.path(), "phrase", bytes), Exposed::Refuse);
    use age::secrecy::ExposeSecret as _;
    for (bytes, expected) in [(&b"one two"[..], "one two"), (b"one two\n", "one two"), (b" \xc3\xa4 \n", " \u{e4} ")] {
        assert_eq!(load(bytes).unwrap().0.expose_secret(), expected);
    }
    for bytes in [&b""[..], b"\n", b"\n\n", b"one\ntwo\n", b"one\r\n", b"one\0", b"\xff", &[b'x'; 1025]] {
        let error = load(bytes).unwrap_err();
        assert_eq!((error.class(), error.code()), (Class::Usage, "passphrase-unusable"), "{bytes:?}");
    }
}

#[test]
fn nothing_of_a_secret_is_shown() {
    let secret = "user:secret";
    let opener = identities(IDENTITY);
    let to = SealTo::Passphrase(phrase(secret));
    let shown = format!("{:?} {opener:?} {to:?} {:?}", vault(), Opener::Passphrase(phrase(secret)));
    assert!(!shown.contains(secret) && !shown.contains(&IDENTITY[20..]), "{shown}");
    assert!(shown.contains("Secret(13 bytes)"), "{shown}");
}

/// Runs the `age` program in a folder; `None` where there is none.
fn age(folder: &Path, script: &str) -> Option<Output> {
    let there = Command::new("age").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there {
        println!("skipped: no age program");
        return None;
    }
    Some(shell(folder, script))
}

fn shell(folder: &Path, script: &str) -> Output {
    Command::new("sh").args(["-euc", script]).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

fn succeeded(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs age where it finds a terminal, at which `phrase` is typed as often as it asks.
fn age_at_a_terminal(folder: &Path, command: &str, phrase: &str) -> bool {
    let mut script = Command::new("script")
        .args(["--quiet", "--return", "--command", command, "/dev/null"])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut typed = script.stdin.take().unwrap();
    typed.write_all(format!("{phrase}\n{phrase}\n").as_bytes()).unwrap();
    script.wait().unwrap().success()
}

#[test]
fn the_age_program_opens_what_we_sealed_and_tar_lists_it() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = vault().seal(&recipients(&[RECIPIENT]), time()).unwrap();
    written(folder.path(), "keys.age", &bytes);
    written(folder.path(), "identity", IDENTITY.as_bytes());
    let Some(listed) = age(folder.path(), "age -d -i identity keys.age | tar -t") else { return };
    assert_eq!(succeeded(listed), "signers.json\nfiles/pin\nkeys/ops.rsa\nkeys/proxy\n");
    // The line of README.txt and of the module's page.
    let readme = include_str!("../README.txt");
    let line = readme.lines().find_map(|line| line.trim().strip_prefix("age -d -i IDENTITY ")).unwrap();
    let unpack =
        format!("mkdir by-hand; cd by-hand; age -d -i ../identity {}", line.replace("keys.age", "../keys.age"));
    succeeded(shell(folder.path(), &unpack));
    for file in vault().files {
        let path = folder.path().join("by-hand").join(file.path.path());
        assert_eq!(std::fs::read(&path).unwrap(), file.bytes.reveal());
        use std::os::unix::fs::MetadataExt as _;
        let found = path.metadata().unwrap();
        assert_eq!((found.mode() & 0o777, found.mtime()), (0o600, time().as_second()));
    }
}

#[test]
fn we_open_what_the_age_program_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let plain = contents::print(&vault(), time()).unwrap();
    written(folder.path(), "vault.tar", &plain);
    // Its own pair of keys, and its own words for a file of identities.
    let seal = "age-keygen -o identity 2>public; age -o keys.age -r \"$(age-keygen -y identity)\" vault.tar; cat keys.age >whole";
    let Some(output) = age(folder.path(), seal) else { return };
    succeeded(output);
    let bytes = std::fs::read(folder.path().join("whole")).unwrap();
    let own = Identities::load(&folder.path().join("identity"), Exposed::Refuse).unwrap();
    assert_eq!(Vault::open(&bytes, &Opener::Identity(own)).unwrap(), vault());
    assert_eq!(code(Vault::open(&bytes, &identities(IDENTITY))), "not-a-recipient");
}

#[test]
fn a_passphrase_is_the_same_to_us_and_to_the_age_program() {
    let folder = tempfile::tempdir().unwrap();
    let plain = contents::print(&vault(), time()).unwrap();
    written(folder.path(), "vault.tar", &plain);
    let to = SealTo::Passphrase(phrase("correct horse"));
    written(folder.path(), "ours.age", &vault().seal_with_work(&to, time(), CHEAP).unwrap());
    let Some(version) = age(folder.path(), "age --version") else { return };
    succeeded(version);
    assert!(age_at_a_terminal(folder.path(), "age -d -o by-hand.tar ours.age", "correct horse"));
    assert_eq!(std::fs::read(folder.path().join("by-hand.tar")).unwrap(), *plain);
    assert!(!age_at_a_terminal(folder.path(), "age -d -o wrong.tar ours.age", "correct hors"));
    assert!(age_at_a_terminal(folder.path(), "age -p -o theirs.age vault.tar", "correct horse"));
    let theirs = std::fs::read(folder.path().join("theirs.age")).unwrap();
    assert_eq!(Vault::open(&theirs, &Opener::Passphrase(phrase("correct horse"))).unwrap(), vault());
}

#[test]
fn what_was_private_is_its_owners_alone_whatever_it_was() {
    for (was, is) in [(0o600, 0o600), (0o400, 0o400), (0o777, 0o700), (0o440, 0o400), (0o044, 0o400), (0o4755, 0o700)] {
        assert_eq!(owners_mode(was), is, "{was:o}");
    }
}
