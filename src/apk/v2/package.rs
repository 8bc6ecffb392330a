//! Writes an installable package: values in, bytes out. The same recipe gives the same bytes.
//!
//! Three gzip members, whose tar streams join to one: the signatures and the control section are cut, without zero blocks
//! at their end (every client rejects such a member with them), the data section is one member and ends with them. Each file
//! carries `APK-TOOLS.checksum.SHA1` in its pax header, without which apk 3 refuses to install; folders precede what they
//! hold, without which apk 2 does.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::index::gzip;
use super::signature::{self, Signature};
use super::tarball;
use crate::apk::checksum::{Datahash, Identity, hex};
use crate::apk::names::{Arch, PackageName, VersionText};
use crate::apk::sha1::digest_of_ours;

/// Longest path inside a package, in bytes: clients keep `PATH_MAX` less ten.
const MAX_PATH: usize = 4096 - 10;

/// Largest file, in bytes: apk 2 reads a tar size as 32 bits.
const MAX_FILE: u64 = u32::MAX as u64;

/// What a package is made of.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// `pkgname`.
    pub name: PackageName,
    /// `pkgver`, with its revision.
    pub version: VersionText,
    /// `arch`, or `noarch`.
    pub arch: Arch,
    /// `pkgdesc`, one line.
    pub description: String,
    /// `url`.
    pub url: String,
    /// `license`.
    pub license: String,
    /// `origin`: the aport it was built from.
    pub origin: Option<String>,
    /// `maintainer`.
    pub maintainer: Option<String>,
    /// `commit`.
    pub commit: Option<String>,
    /// `provider_priority`; 0 leaves it out.
    pub provider_priority: u64,
    /// `depend` terms, a line each, in this order.
    pub depends: Vec<String>,
    /// `provides` terms, a line each, in this order.
    pub provides: Vec<String>,
    /// `install_if` terms, on one line.
    pub install_if: Vec<String>,
    /// `replaces` terms, a line each.
    pub replaces: Vec<String>,
    /// Scripts that clients run.
    pub scripts: BTreeMap<Script, String>,
    /// The payload, by path below the root and without a leading slash. Folders above a path need not be named.
    pub items: BTreeMap<String, Item>,
}

/// When a script runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Script {
    /// Before the first installation.
    PreInstall,
    /// After it.
    PostInstall,
    /// Before another version takes its place.
    PreUpgrade,
    /// After that.
    PostUpgrade,
    /// Before removal.
    PreDeinstall,
    /// After it.
    PostDeinstall,
}

impl Script {
    fn file(self) -> &'static str {
        match self {
            Script::PreInstall => ".pre-install",
            Script::PostInstall => ".post-install",
            Script::PreUpgrade => ".pre-upgrade",
            Script::PostUpgrade => ".post-upgrade",
            Script::PreDeinstall => ".pre-deinstall",
            Script::PostDeinstall => ".post-deinstall",
        }
    }
}

/// One thing in the payload, owned by root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A folder with this mode.
    Folder {
        /// Permission bits.
        mode: u32,
    },
    /// A regular file.
    File {
        /// Permission bits.
        mode: u32,
        /// Its bytes.
        content: Vec<u8>,
    },
    /// A symbolic link to `target`.
    Link {
        /// What it points at, kept as it is.
        target: String,
    },
}

/// Why a recipe was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadRecipe {
    /// A line break or another control character would start a new key of `.PKGINFO`.
    #[error("`{key}` holds a control character: {text:?}")]
    ControlCharacter {
        /// The key of `.PKGINFO`.
        key: &'static str,
        /// Its value.
        text: String,
    },
    /// A space separates terms.
    #[error("`{key}` holds a term that is empty or has a space in it: {term:?}")]
    Term {
        /// The key of `.PKGINFO`.
        key: &'static str,
        /// The term.
        term: String,
    },
    /// Clients skip it, or call it malicious.
    #[error("a package cannot hold the path {path:?}")]
    Path {
        /// The path.
        path: String,
    },
    /// A path below something that is no folder.
    #[error("{path:?} lies below something that is no folder")]
    NotAFolder {
        /// The path.
        path: String,
    },
    /// apk 2 would cut its size at 32 bits.
    #[error("{path:?} has {size} bytes; apk 2 reads files of less than 4 GiB")]
    TooLarge {
        /// The path.
        path: String,
        /// Its size in bytes.
        size: u64,
    },
}

/// A package without its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsigned {
    control: Vec<u8>,
    data: Vec<u8>,
    pkginfo: String,
}

impl Unsigned {
    /// What a signature is over: the control section's compressed bytes, which vouch for the data by its datahash.
    pub fn signed_bytes(&self) -> &[u8] {
        &self.control
    }

    /// `C:` of its index entry.
    pub fn identity(&self) -> Identity {
        Identity::new(digest_of_ours(&self.control))
    }

    /// The text of `.PKGINFO`.
    pub fn pkginfo(&self) -> &str {
        &self.pkginfo
    }

    /// The file's bytes. All `signatures` go into one section; the first whose key a client has decides there. Without any
    /// the package is unsigned, which is enough below a signed index.
    pub fn with_signatures(&self, signatures: &[Signature]) -> Vec<u8> {
        let mut bytes = if signatures.is_empty() { Vec::new() } else { signature::member(signatures) };
        bytes.reserve_exact(self.control.len() + self.data.len());
        bytes.extend_from_slice(&self.control);
        bytes.extend_from_slice(&self.data);
        bytes
    }
}

impl Recipe {
    /// A package of nothing but its name.
    pub fn new(name: PackageName, version: VersionText, arch: Arch) -> Recipe {
        Recipe {
            name,
            version,
            arch,
            description: String::new(),
            url: String::new(),
            license: String::new(),
            origin: None,
            maintainer: None,
            commit: None,
            provider_priority: 0,
            depends: Vec::new(),
            provides: Vec::new(),
            install_if: Vec::new(),
            replaces: Vec::new(),
            scripts: BTreeMap::new(),
            items: BTreeMap::new(),
        }
    }

    /// Adds a file to the payload, by its path below the root; a former one of that path is replaced.
    pub fn file(mut self, path: &str, mode: u32, content: impl Into<Vec<u8>>) -> Recipe {
        self.items.insert(path.to_owned(), Item::File { mode, content: content.into() });
        self
    }

    /// Writes it. `modified` is the build time and every file's, in seconds since 1970, at most 8,589,934,591.
    pub fn write(&self, modified: u64) -> Result<Unsigned, BadRecipe> {
        self.write_by(modified, gzip)
    }

    /// The same, with `gzip` to make one gzip member of some bytes: what it makes must be one member, and is not looked at.
    pub fn write_by(&self, modified: u64, gzip: impl Fn(&[u8]) -> Vec<u8>) -> Result<Unsigned, BadRecipe> {
        let data = gzip(&self.data(modified)?);
        let pkginfo = self.print_pkginfo(Datahash::new(Sha256::digest(&data).into()), modified)?;
        let mut control = Vec::new();
        tarball::append(&mut control, ".PKGINFO", pkginfo.as_bytes(), modified);
        for (script, text) in &self.scripts {
            append(&mut control, &Header::new(script.file(), b'0', 0o755), text.as_bytes(), modified);
        }
        Ok(Unsigned { control: gzip(&control), data, pkginfo })
    }

    fn data(&self, modified: u64) -> Result<Vec<u8>, BadRecipe> {
        let mut tar = Vec::new();
        // A path sorts before all that lies below it.
        for (path, item) in self.with_folders()? {
            match item {
                Item::Folder { mode } => append(&mut tar, &Header::new(&path, b'5', *mode), b"", modified),
                Item::File { mode, content } => {
                    let mut header = Header::new(&path, b'0', *mode);
                    header.checksum = Some(hex(&digest_of_ours(content)));
                    append(&mut tar, &header, content, modified);
                }
                Item::Link { target } => {
                    let mut header = Header::new(&path, b'2', 0o777);
                    header.checksum = Some(hex(&digest_of_ours(target.as_bytes())));
                    header.target = target;
                    append(&mut tar, &header, b"", modified);
                }
            }
        }
        tar.extend([0; 1024]);
        Ok(tar)
    }

    /// All items and the folders above them, checked.
    fn with_folders(&self) -> Result<BTreeMap<String, &Item>, BadRecipe> {
        const FOLDER: &Item = &Item::Folder { mode: 0o755 };
        let mut all = BTreeMap::new();
        for (path, item) in &self.items {
            check_path(path)?;
            match item {
                Item::File { content, .. } if content.len() as u64 > MAX_FILE => {
                    return Err(BadRecipe::TooLarge { path: path.clone(), size: content.len() as u64 });
                }
                Item::Link { target } if target.is_empty() || target.chars().any(char::is_control) => {
                    return Err(BadRecipe::Path { path: target.clone() });
                }
                _ => {}
            }
            for (slash, _) in path.match_indices('/') {
                let folder = &path[..slash];
                let above = self.items.get(folder).unwrap_or(FOLDER);
                if !matches!(above, Item::Folder { .. }) {
                    return Err(BadRecipe::NotAFolder { path: path.clone() });
                }
                all.insert(folder.to_owned(), above);
            }
            all.insert(path.clone(), item);
        }
        Ok(all)
    }

    /// Bytes when installed. 0 would mean a package without content, which clients never download.
    fn installed_size(&self) -> u64 {
        let content: u64 = self
            .items
            .values()
            .map(|item| match item {
                Item::File { content, .. } => content.len() as u64,
                Item::Folder { .. } | Item::Link { .. } => 0,
            })
            .sum();
        if self.items.is_empty() && self.scripts.is_empty() { 0 } else { content.max(1) }
    }

    fn print_pkginfo(&self, datahash: Datahash, modified: u64) -> Result<String, BadRecipe> {
        let mut text = String::new();
        let mut line = |key: &'static str, value: &str| {
            if value.chars().any(char::is_control) {
                return Err(BadRecipe::ControlCharacter { key, text: value.to_owned() });
            }
            text.push_str(key);
            text.push_str(" = ");
            text.push_str(value);
            text.push('\n');
            Ok(())
        };
        line("pkgname", self.name.as_str())?;
        line("pkgver", self.version.as_str())?;
        for (key, value) in [("pkgdesc", &self.description), ("url", &self.url), ("license", &self.license)] {
            if !value.is_empty() {
                line(key, value)?;
            }
        }
        line("arch", self.arch.as_str())?;
        line("size", &self.installed_size().to_string())?;
        line("builddate", &modified.to_string())?;
        for (key, value) in [("origin", &self.origin), ("maintainer", &self.maintainer), ("commit", &self.commit)] {
            if let Some(value) = value {
                line(key, value)?;
            }
        }
        if self.provider_priority != 0 {
            line("provider_priority", &self.provider_priority.to_string())?;
        }
        let lists = [("depend", &self.depends), ("provides", &self.provides), ("replaces", &self.replaces)];
        for (key, terms) in lists {
            for term in terms {
                check_term(key, term)?;
                line(key, term)?;
            }
        }
        if !self.install_if.is_empty() {
            for term in &self.install_if {
                check_term("install_if", term)?;
            }
            line("install_if", &self.install_if.join(" "))?;
        }
        line("datahash", &datahash.hex())?;
        Ok(text)
    }
}

fn check_term(key: &'static str, term: &str) -> Result<(), BadRecipe> {
    let bad = term.is_empty() || term.contains(char::is_whitespace);
    if bad { Err(BadRecipe::Term { key, term: term.to_owned() }) } else { Ok(()) }
}

/// Clients skip names that start with a dot at the top (those are the control section's) and call absolute names, `./`,
/// `../` and control characters malicious.
fn check_path(path: &str) -> Result<(), BadRecipe> {
    let good = path.len() < MAX_PATH
        && !path.starts_with('.')
        && !path.chars().any(char::is_control)
        && path.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
    if good { Ok(()) } else { Err(BadRecipe::Path { path: path.to_owned() }) }
}

/// What a tar header says beside size and time.
struct Header<'a> {
    path: &'a str,
    kind: u8,
    mode: u32,
    target: &'a str,
    /// Lower-case hex of the SHA-1 over the content, or over a link's target.
    checksum: Option<String>,
}

impl<'a> Header<'a> {
    fn new(path: &'a str, kind: u8, mode: u32) -> Self {
        Header { path, kind, mode, target: "", checksum: None }
    }
}

fn append(out: &mut Vec<u8>, header: &Header<'_>, content: &[u8], modified: u64) {
    let mut records = String::new();
    if header.path.len() > 100 {
        records.push_str(&tarball::pax_record("path", header.path));
    }
    if header.target.len() > 100 {
        records.push_str(&tarball::pax_record("linkpath", header.target));
    }
    if let Some(checksum) = &header.checksum {
        records.push_str(&tarball::pax_record("APK-TOOLS.checksum.SHA1", checksum));
    }
    if !records.is_empty() {
        let mut pax = tarball::header("pax", records.len() as u64, modified);
        pax[156] = b'x';
        tarball::seal(&mut pax);
        out.extend_from_slice(&pax);
        tarball::push_padded(out, records.as_bytes());
    }
    let mut plain = tarball::header(fitting(header.path), content.len() as u64, modified);
    plain[100..108].copy_from_slice(format!("{:07o}\0", header.mode & 0o7777).as_bytes());
    plain[156] = header.kind;
    let target = fitting(header.target).as_bytes();
    plain[157..157 + target.len()].copy_from_slice(target);
    tarball::seal(&mut plain);
    out.extend_from_slice(&plain);
    tarball::push_padded(out, content);
}

/// As much of a name as a header's field of 100 bytes holds; the pax record has the whole.
fn fitting(name: &str) -> &str {
    let mut end = name.len().min(100);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

#[cfg(test)]
mod tests;
