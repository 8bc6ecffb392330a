//! `.PKGINFO`, a package's description of itself, and the index entry that follows from it.

use crate::apk::checksum::Datahash;
use crate::apk::entry::{BadEntry, Entry};
use crate::apk::names::{Arch, BadName, PackageName, VersionText};
use crate::apk::{Identity, checksum};

/// Longest description that goes into an entry, in bytes: beyond about 1 KiB a client's database breaks on install.
const MAX_DESCRIPTION: usize = 1024;

/// A parsed `.PKGINFO`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PkgInfo {
    /// `pkgname`.
    pub name: PackageName,
    /// `pkgver`, with its revision.
    pub version: VersionText,
    /// `arch`; `noarch` packages fit every index.
    pub arch: Arch,
    /// `size`: bytes when installed. 0 is a meta package without content.
    pub installed_size: u64,
    /// `datahash`; absent in packages of another decade, which apk 3 refuses.
    pub datahash: Option<Datahash>,
    /// `pkgdesc`.
    pub description: String,
    /// `url`.
    pub url: String,
    /// `license`.
    pub license: String,
    /// `origin`.
    pub origin: Option<String>,
    /// `maintainer`.
    pub maintainer: Option<String>,
    /// `builddate`, seconds since 1970.
    pub build_time: u64,
    /// `commit`.
    pub commit: Option<String>,
    /// `provider_priority`.
    pub provider_priority: u64,
    /// All `depend` terms in order of appearance.
    pub depends: Vec<String>,
    /// All `provides` terms in order of appearance.
    pub provides: Vec<String>,
    /// All `install_if` terms in order of appearance.
    pub install_if: Vec<String>,
}

/// Why a `.PKGINFO` was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadPkgInfo {
    /// Not text.
    #[error(".PKGINFO is not UTF-8 text")]
    NotText,
    /// A key without which there is no package.
    #[error(".PKGINFO has no `{key}`")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A name outside its alphabet.
    #[error(".PKGINFO: `{key}` is refused")]
    Name {
        /// The key.
        key: &'static str,
        /// Why.
        #[source]
        source: BadName,
    },
    /// A number that is not decimal.
    #[error(".PKGINFO: `{key}` is not a decimal number: {text:?}")]
    Number {
        /// The key.
        key: &'static str,
        /// Its text.
        text: String,
    },
    /// `datahash` is not 64 hex digits.
    #[error(".PKGINFO: `datahash` is refused")]
    Datahash(#[source] checksum::BadHex),
    /// A control character in a value that goes into the index.
    #[error(".PKGINFO: `{key}` holds a control character")]
    ControlCharacter {
        /// The key.
        key: String,
    },
}

impl PkgInfo {
    /// Parses the file's content. Lines that are empty, start with `#`, or lack ` = ` are skipped, unknown keys ignored,
    /// as apk does.
    pub fn parse(content: &[u8]) -> Result<PkgInfo, BadPkgInfo> {
        let text = std::str::from_utf8(content).map_err(|_| BadPkgInfo::NotText)?;
        let mut scalars: [Option<&str>; 12] = [None; 12];
        const KEYS: [&str; 12] = [
            "pkgname",
            "pkgver",
            "arch",
            "size",
            "datahash",
            "pkgdesc",
            "url",
            "license",
            "origin",
            "maintainer",
            "builddate",
            "commit",
        ];
        let mut priority = None;
        let (mut depends, mut provides, mut install_if) = (Vec::new(), Vec::new(), Vec::new());
        for line in text.split('\n').filter(|line| !line.starts_with('#')) {
            let Some((key, value)) = line.split_once(" = ") else { continue };
            let list = match key {
                "depend" => &mut depends,
                "provides" => &mut provides,
                "install_if" => &mut install_if,
                _ => {
                    if key == "provider_priority" {
                        priority = Some(value);
                    } else if let Some(at) = KEYS.iter().position(|known| *known == key) {
                        if value.chars().any(char::is_control) {
                            return Err(BadPkgInfo::ControlCharacter { key: key.to_owned() });
                        }
                        scalars[at] = Some(value);
                    }
                    continue;
                }
            };
            if value.chars().any(char::is_control) {
                return Err(BadPkgInfo::ControlCharacter { key: key.to_owned() });
            }
            list.extend(value.split(' ').filter(|term| !term.is_empty()).map(str::to_owned));
        }
        let [name, version, arch, size, datahash, description, url, license, origin, maintainer, build_time, commit] =
            scalars;
        let named = |key| move |source| BadPkgInfo::Name { key, source };
        let owned = |value: Option<&str>| value.filter(|value| !value.is_empty()).map(str::to_owned);
        Ok(PkgInfo {
            name: name.ok_or(BadPkgInfo::Missing { key: "pkgname" })?.parse().map_err(named("pkgname"))?,
            version: version.ok_or(BadPkgInfo::Missing { key: "pkgver" })?.parse().map_err(named("pkgver"))?,
            arch: arch.ok_or(BadPkgInfo::Missing { key: "arch" })?.parse().map_err(named("arch"))?,
            installed_size: number("size", size.ok_or(BadPkgInfo::Missing { key: "size" })?)?,
            datahash: datahash.map(str::parse).transpose().map_err(BadPkgInfo::Datahash)?,
            description: description.unwrap_or_default().to_owned(),
            url: url.unwrap_or_default().to_owned(),
            license: license.unwrap_or_default().to_owned(),
            origin: owned(origin),
            maintainer: owned(maintainer),
            build_time: build_time.map_or(Ok(0), |text| number("builddate", text))?,
            commit: owned(commit),
            provider_priority: priority.map_or(Ok(0), |text| number("provider_priority", text))?,
            depends,
            provides,
            install_if,
        })
    }

    /// The index entry of this package, fields in the order that every apk writes them: `C P V A S I T U L o m t c k D p i`.
    /// `arch` is the folder's: a `noarch` package is listed under it, because clients build the path from `A:`.
    pub fn entry(&self, identity: &Identity, size: u64, arch: &Arch) -> Result<Entry, BadEntry> {
        let mut text = String::with_capacity(512);
        let mut field = |letter: char, value: &str| {
            text.push(letter);
            text.push(':');
            text.push_str(value);
            text.push('\n');
        };
        field('C', &identity.to_string());
        field('P', self.name.as_str());
        field('V', self.version.as_str());
        field('A', arch.as_str());
        field('S', &size.to_string());
        field('I', &self.installed_size.to_string());
        field('T', truncated(&self.description));
        field('U', &self.url);
        field('L', &self.license);
        let optional = [('o', &self.origin), ('m', &self.maintainer)];
        for (letter, value) in optional {
            if let Some(value) = value {
                field(letter, value);
            }
        }
        if self.build_time != 0 {
            field('t', &self.build_time.to_string());
        }
        if let Some(commit) = &self.commit {
            field('c', commit);
        }
        if self.provider_priority != 0 {
            field('k', &self.provider_priority.to_string());
        }
        for (letter, terms) in [('D', &self.depends), ('p', &self.provides), ('i', &self.install_if)] {
            if !terms.is_empty() {
                field(letter, &terms.join(" "));
            }
        }
        let entry = Entry::parse(&text)?;
        entry.check_installable()?;
        Ok(entry)
    }
}

fn truncated(description: &str) -> &str {
    let mut end = description.len().min(MAX_DESCRIPTION);
    while !description.is_char_boundary(end) {
        end -= 1;
    }
    &description[..end]
}

fn number(key: &'static str, text: &str) -> Result<u64, BadPkgInfo> {
    if text.bytes().all(|byte| byte.is_ascii_digit())
        && let Ok(value) = text.parse()
    {
        return Ok(value);
    }
    Err(BadPkgInfo::Number { key, text: text.chars().take(40).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Generated\npkgname = vec\npkgver = 1.0-r0\npkgdesc = a = b\nurl = https://example.org\n\
        builddate = 1700000000\nsize = 3\narch = noarch\norigin = vec\nlicense = MIT\ndepend = so:x.1  y>1\n\
        # automatically detected:\ndepend = z\nprovides = cmd:vec=1.0-r0\ntriggers = /a /b\nmystery\n\
        datahash = d195477f31a1a25673ce804291c38c653b5236e3c16fa7824dbbba8e95b4a990\n";

    #[test]
    fn lists_keep_their_order_and_the_first_separator_splits() {
        let info = PkgInfo::parse(TEXT.as_bytes()).unwrap();
        assert_eq!(info.description, "a = b");
        assert_eq!(info.depends, ["so:x.1", "y>1", "z"]);
        let identity = Identity::new([0; 20]);
        let entry = info.entry(&identity, 882, &"x86_64".parse().unwrap()).unwrap();
        assert_eq!(
            entry.text(),
            format!(
                "C:{identity}\nP:vec\nV:1.0-r0\nA:x86_64\nS:882\nI:3\nT:a = b\nU:https://example.org\nL:MIT\no:vec\n\
                 t:1700000000\nD:so:x.1 y>1 z\np:cmd:vec=1.0-r0"
            ),
        );
    }

    #[test]
    fn broken_ones_are_refused() {
        for (from, to, message) in [
            ("pkgname = vec\n", "", ".PKGINFO has no `pkgname`"),
            ("size = 3\n", "", ".PKGINFO has no `size`"),
            ("size = 3\n", "size = 3x\n", ".PKGINFO: `size` is not a decimal number: \"3x\""),
            ("pkgname = vec\n", "pkgname = ../vec\n", ".PKGINFO: `pkgname` is refused"),
            ("url = https", "url = \thttps", ".PKGINFO: `url` holds a control character"),
            ("datahash = d1", "datahash = ", ".PKGINFO: `datahash` is refused"),
        ] {
            let text = TEXT.replace(from, to);
            assert_eq!(PkgInfo::parse(text.as_bytes()).unwrap_err().to_string(), message);
        }
        assert_eq!(PkgInfo::parse(b"\xff").unwrap_err(), BadPkgInfo::NotText);
    }
}
