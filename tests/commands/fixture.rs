//! Keys, packages and indexes made on the spot, byte by byte after the format's description. The library is not asked: what
//! it reads here was written by another hand. Every part can be made wrong on purpose.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::{Compression, GzBuilder};
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use rsa::pkcs8::{EncodePublicKey as _, LineEnding};
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::{Pkcs1v15Sign, PrivateKey};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

/// The operating system's randomness, for keys.
struct SystemRandom;

impl TryRng for SystemRandom {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(getrandom::u32().expect("randomness"))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(getrandom::u64().expect("randomness"))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        getrandom::fill(bytes).expect("randomness");
        Ok(())
    }
}

impl TryCryptoRng for SystemRandom {}

/// A signing key as abuild-keygen makes it: `<name>` private, `<name>.pub` public.
pub(crate) struct Key {
    /// The public key's file name, as it stands in signatures.
    pub(crate) name: &'static str,
    private: PrivateKey,
}

impl Key {
    fn generate(name: &'static str) -> Key {
        Key { name, private: PrivateKey::new(&mut SystemRandom, 2048).expect("2048 bits are fine") }
    }

    pub(crate) fn private_pem(&self) -> String {
        self.private.to_pkcs1_pem(LineEnding::LF).expect("a fresh key prints").to_string()
    }

    pub(crate) fn public_pem(&self) -> String {
        self.private.as_public_key().to_public_key_pem(LineEnding::LF).expect("a fresh key prints")
    }

    pub(crate) fn public(&self) -> rsa::PublicKey {
        self.private.as_public_key().clone()
    }

    /// The signature entry's name and content over `bytes`.
    pub(crate) fn sign(&self, form: Form, bytes: &[u8]) -> (String, Vec<u8>) {
        let (algorithm, signature) = match form {
            Form::Rsa => ("RSA", self.private.sign(Pkcs1v15Sign::new::<Sha1>(), &Sha1::digest(bytes))),
            Form::Rsa256 => ("RSA256", self.private.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(bytes))),
        };
        (format!(".SIGN.{algorithm}.{}", self.name), signature.expect("signing works"))
    }
}

/// The two forms of signature in use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    Rsa,
    Rsa256,
}

/// Who signs upstream's indexes and packages.
pub(crate) static UPSTREAM: LazyLock<Key> =
    LazyLock::new(|| Key::generate("builder@upstream.example-00000001.rsa.pub"));
/// Who nobody trusts.
pub(crate) static STRANGER: LazyLock<Key> =
    LazyLock::new(|| Key::generate("stranger@elsewhere.example-00000002.rsa.pub"));
/// Who signs what we publish.
pub(crate) static OURS: LazyLock<Key> = LazyLock::new(|| Key::generate("ops@site.example-00000003.rsa.pub"));
/// Who is to sign what we publish.
pub(crate) static NEXT: LazyLock<Key> = LazyLock::new(|| Key::generate("ops@site.example-00000005.rsa.pub"));
/// Who signs what a site without a network publishes in its own name.
pub(crate) static AFAR: LazyLock<Key> = LazyLock::new(|| Key::generate("ops@afar.example-00000006.rsa.pub"));
/// Who builds the private packages.
pub(crate) static CORP: LazyLock<Key> = LazyLock::new(|| Key::generate("builder@corp.example-00000004.rsa.pub"));

/// What to build.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) arch: String,
    depends: Vec<String>,
    provides: Vec<String>,
    origin: Option<String>,
    files: Vec<(String, Vec<u8>)>,
    build_time: u64,
    lie: Lie,
}

/// How `.PKGINFO` may lie while everything around it is signed and consistent.
#[derive(Clone, Debug, PartialEq)]
enum Lie {
    None,
    Datahash,
    NoDatahash,
    Name(String),
}

/// A package's bytes, and what an index says of it.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    pub(crate) file: String,
    pub(crate) bytes: Vec<u8>,
    /// The index record, without the empty line that ends it.
    pub(crate) entry: String,
    /// Where the signature section ends and the control section begins.
    pub(crate) control_at: usize,
    /// Where the control section ends and the data section begins.
    pub(crate) data_at: usize,
}

impl Package {
    pub(crate) fn new(name: &str, version: &str) -> Package {
        let content = format!("{name} {version}\n").into_bytes();
        Package {
            name: name.to_owned(),
            version: version.to_owned(),
            arch: "x86_64".to_owned(),
            depends: Vec::new(),
            provides: Vec::new(),
            origin: None,
            files: vec![(format!("usr/share/{name}/version"), content)],
            build_time: 1_772_000_000,
            lie: Lie::None,
        }
    }

    pub(crate) fn arch(mut self, arch: &str) -> Package {
        self.arch = arch.to_owned();
        self
    }

    pub(crate) fn depends(mut self, dependency: &str) -> Package {
        self.depends.push(dependency.to_owned());
        self
    }

    pub(crate) fn provides(mut self, provided: &str) -> Package {
        self.provides.push(provided.to_owned());
        self
    }

    /// Built from this aport; else from one of its own name.
    pub(crate) fn of_origin(mut self, origin: &str) -> Package {
        self.origin = Some(origin.to_owned());
        self
    }

    pub(crate) fn with_file(mut self, path: &str, content: &[u8]) -> Package {
        self.files.push((path.to_owned(), content.to_vec()));
        self
    }

    /// So many bytes that do not compress, the same for the same package name.
    pub(crate) fn with_noise(self, bytes: usize) -> Package {
        let mut state =
            self.name.bytes().fold(0x9e37_79b9_7f4a_7c15_u64, |sum, byte| sum.rotate_left(9) ^ u64::from(byte));
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            // xorshift64: incompressible, and the same on every run
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        })
        .flatten()
        .take(bytes)
        .collect();
        let path = format!("usr/share/{}/noise", self.name);
        self.with_file(&path, &noise)
    }

    /// `.PKGINFO` promises other data.
    pub(crate) fn lying_about_data(mut self) -> Package {
        self.lie = Lie::Datahash;
        self
    }

    /// `.PKGINFO` promises nothing about the data.
    pub(crate) fn without_datahash(mut self) -> Package {
        self.lie = Lie::NoDatahash;
        self
    }

    /// `.PKGINFO` calls it something else; file and index keep the name.
    pub(crate) fn calling_itself(mut self, name: &str) -> Package {
        self.lie = Lie::Name(name.to_owned());
        self
    }

    pub(crate) fn build(&self, signer: &Key) -> Built {
        let data = gzip(&self.data());
        let mut tar = Vec::new();
        tar_file(&mut tar, ".PKGINFO", self.pkginfo(&data).as_bytes());
        let control = gzip(&tar);
        let signature = signature_section(&[signer.sign(Form::Rsa, &control)]);
        let bytes = [&signature[..], &control, &data].concat();
        let identified = if self.lie == Lie::NoDatahash { [&control[..], &data].concat() } else { control.clone() };
        Built {
            file: format!("{}-{}.apk", self.name, self.version),
            entry: self.entry(&BASE64.encode(Sha1::digest(&identified)), bytes.len()),
            control_at: signature.len(),
            data_at: signature.len() + control.len(),
            bytes,
        }
    }

    fn installed_size(&self) -> usize {
        self.files.iter().map(|(_, content)| content.len()).sum::<usize>().max(1)
    }

    fn pkginfo(&self, data: &[u8]) -> String {
        let name = if let Lie::Name(other) = &self.lie { other } else { &self.name };
        let mut text = format!(
            "# made by a test\npkgname = {name}\npkgver = {}\npkgdesc = {} of a test\nurl = https://upstream.example\n\
             builddate = {}\npackager = Test <test@upstream.example>\nsize = {}\narch = {}\norigin = {}\nlicense = MIT\n",
            self.version,
            self.name,
            self.build_time,
            self.installed_size(),
            self.arch,
            self.origin.as_ref().unwrap_or(&self.name)
        );
        for dependency in &self.depends {
            writeln!(text, "depend = {dependency}").unwrap();
        }
        for provided in &self.provides {
            writeln!(text, "provides = {provided}").unwrap();
        }
        match self.lie {
            Lie::NoDatahash => {}
            Lie::Datahash => writeln!(text, "datahash = {}", hex(&Sha256::digest(b"other data"))).unwrap(),
            Lie::None | Lie::Name(_) => writeln!(text, "datahash = {}", hex(&Sha256::digest(data))).unwrap(),
        }
        text
    }

    fn data(&self) -> Vec<u8> {
        let mut tar = Vec::new();
        let mut folders: Vec<String> = Vec::new();
        for (path, content) in &self.files {
            for (at, _) in path.match_indices('/') {
                if !folders.contains(&path[..at].to_owned()) {
                    folders.push(path[..at].to_owned());
                    tar_header(&mut tar, &format!("{}/", &path[..at]), b'5', 0o755, 0);
                }
            }
            let record = format!(" APK-TOOLS.checksum.SHA1={}\n", hex(&Sha1::digest(content)));
            // A pax record begins with its own length: two digits for these.
            let record = format!("{}{record}", record.len() + 2);
            tar_header(&mut tar, "./PaxHeaders/file", b'x', 0o644, record.len());
            tar_content(&mut tar, record.as_bytes());
            tar_file(&mut tar, path, content);
        }
        tar.extend([0; 1024]);
        tar
    }

    fn entry(&self, identity: &str, size: usize) -> String {
        // An index names the folder's arch, also for noarch packages.
        let arch = if self.arch == "noarch" { "x86_64" } else { &self.arch };
        let mut text = format!(
            "C:Q1{identity}\nP:{name}\nV:{}\nA:{arch}\nS:{size}\nI:{}\nT:{name} of a test\nU:https://upstream.example\n\
             L:MIT\no:{}\nt:{}\n",
            self.version,
            self.installed_size(),
            self.origin.as_ref().unwrap_or(&self.name),
            self.build_time,
            name = self.name
        );
        for (letter, list) in [('D', &self.depends), ('p', &self.provides)] {
            if !list.is_empty() {
                writeln!(text, "{letter}:{}", list.join(" ")).unwrap();
            }
        }
        text
    }
}

/// An index of these records, not signed.
pub(crate) fn unsigned_index(entries: &[&str], description: &str) -> Vec<u8> {
    let mut text = String::new();
    for entry in entries {
        text.push_str(entry);
        text.push('\n');
    }
    index_of_text(&text, description)
}

/// An index section around any text.
pub(crate) fn index_of_text(text: &str, description: &str) -> Vec<u8> {
    let mut tar = Vec::new();
    tar_file(&mut tar, "DESCRIPTION", description.as_bytes());
    tar_file(&mut tar, "APKINDEX", text.as_bytes());
    tar.extend([0; 1024]);
    gzip(&tar)
}

/// The same with signatures in front.
pub(crate) fn signed(section: &[u8], signers: &[&Key]) -> Vec<u8> {
    let signatures: Vec<_> = signers.iter().map(|key| key.sign(Form::Rsa256, section)).collect();
    [signature_section(&signatures), section.to_vec()].concat()
}

/// A signature section: a cut tar (no zero blocks at its end) of these entries.
pub(crate) fn signature_section(signatures: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, signature) in signatures {
        tar_file(&mut tar, name, signature);
    }
    gzip(&tar)
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().operating_system(3).write(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

fn tar_file(tar: &mut Vec<u8>, name: &str, content: &[u8]) {
    tar_header(tar, name, b'0', 0o644, content.len());
    tar_content(tar, content);
}

fn tar_content(tar: &mut Vec<u8>, content: &[u8]) {
    tar.extend(content);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

fn tar_header(tar: &mut Vec<u8>, name: &str, kind: u8, mode: u32, size: usize) {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(format!("{mode:07o}\0").as_bytes());
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    header[136..148].copy_from_slice(b"14700000000\0");
    header[148..156].copy_from_slice(b"        ");
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[265..269].copy_from_slice(b"root");
    header[297..301].copy_from_slice(b"root");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar.extend(header);
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
