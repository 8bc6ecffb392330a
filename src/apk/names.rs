//! Names from outside become checked types here, and nothing else turns text into a path below our folders.
//!
//! The alphabets are those of apk-tools' own writers (its index reader checks nothing, and `P:../../x` walks out of the
//! mirror in every client): a package name is `[A-Za-z0-9][A-Za-z0-9._+-]*`, a version `[0-9A-Za-z._~+-]+`, an arch
//! `[a-z0-9_]+`.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::str::FromStr;

/// The arches that Alpine has or had, the commonest first. A folder of one of these names says what its packages are for; others
/// are arches, too, but have to be named.
pub const ALPINE_ARCHES: [&str; 10] =
    ["x86_64", "aarch64", "x86", "armv7", "armhf", "ppc64le", "s390x", "riscv64", "loongarch64", "mips64"];

/// Longest name plus version that every client can fetch: 2.x keeps `NAME-VERSION.apk` in 256 bytes.
const MAX_FILE_NAME: usize = 255;

/// Why a name was refused at the door.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is not {expected}")]
pub struct BadName {
    /// The text as it came; printed escaped, so that control characters cannot reach a terminal.
    pub text: String,
    /// What would have been accepted.
    pub expected: &'static str,
}

fn refuse(text: &str, expected: &'static str) -> BadName {
    // A hostile name may be megabytes long; enough of it is kept to recognise it.
    BadName { text: text.chars().take(80).collect(), expected }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The checked text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) { Ok($name(text.into())) } else { Err(refuse(text, $expected)) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

name_type! {
    /// A package's name, `P:`.
    PackageName, "a package name ([A-Za-z0-9][A-Za-z0-9._+-]*, at most 200 bytes)", |text| {
        text.len() <= 200
            && text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte))
    }
}
name_type! {
    /// A version's text, `V:`. Whether it is valid under apk's grammar is another question: real indexes hold a few
    /// versions that apk 3 calls invalid and lists all the same.
    VersionText, "a version ([0-9A-Za-z._~+-]+, at most 120 bytes)", |text| {
        !text.is_empty()
            && text.len() <= 120
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._~+-".contains(&byte))
    }
}
name_type! {
    /// An architecture as apk names it: `x86_64`, `aarch64`, `noarch` (a package's only, never an index's).
    Arch, "an architecture ([a-z0-9_]+, at most 32 bytes)", |text| {
        !text.is_empty()
            && text.len() <= 32
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    }
}
name_type! {
    /// One or more checked segments joined by `/`: `v3.23/main`. A segment starts with a letter, a digit, `_`; so nothing
    /// hidden, no `..`, and no name that we or the public tree's own links use (those start with `.` or `@`). `{arch}` stands
    /// for the arch: `{arch}/main`.
    RepositoryName, "a repository name (segments of [A-Za-z0-9_][A-Za-z0-9._+-]* joined by /)", |text| {
        text.len() <= 200 && text.replace(ARCH, "arch").split('/').all(is_segment)
    }
}
name_type! {
    /// A source's name in the configuration: what stands before the `:` in `from`.
    SourceName, "a source name ([A-Za-z0-9_][A-Za-z0-9._+-]*)", |text| text.len() <= 100 && is_segment(text)
}
name_type! {
    /// What a site without a network is called: in its receipts, and in what its sender remembers of it.
    SiteName, "a site's name ([A-Za-z0-9_][A-Za-z0-9._+-]*, at most 100 bytes)", |text| text.len() <= 100 && is_segment(text)
}
name_type! {
    /// A public key's file name as clients have it in `/etc/apk/keys`: `ops@example.org-6743a0c1.rsa.pub`.
    KeyName, "a key's file name ([A-Za-z0-9_][A-Za-z0-9._@+-]*, at most 200 bytes)", |text| {
        !text.is_empty()
            && text.len() <= 200
            && text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._@+-".contains(&byte))
    }
}

name_type! {
    /// The name of a tree beside the live one: `qa` is reached as `<public>/@qa/…`. `live` is taken.
    TreeName, "the name of a tree beside live ([A-Za-z0-9_][A-Za-z0-9._+-]*, at most 60 bytes, not \"live\")", |text| {
        text.len() <= 60 && text != "live" && is_segment(text)
    }
}

/// Words that `bivouac backup` has for something else than a target's name.
const BACKUP_WORDS: [&str; 5] = ["check", "help", "init", "list", "prune"];

name_type! {
    /// What a backup target is called in the configuration. What may follow `bivouac backup` for another purpose (`check`,
    /// `help`, `init`, `list`, `prune`) is taken.
    BackupName, "a backup's name ([A-Za-z0-9_][A-Za-z0-9._+-]*, at most 60 bytes; not check, help, init, list or prune)", |text| {
        text.len() <= 60 && is_segment(text) && !BACKUP_WORDS.contains(&text)
    }
}

/// Where clients see a published tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// At the public link itself.
    #[default]
    Live,
    /// Below `@NAME` in it.
    Beside(TreeName),
}

impl FromStr for Place {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        if text == "live" { Ok(Place::Live) } else { text.parse().map(Place::Beside) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Live => f.pad("live"),
            Place::Beside(name) => f.pad(name.as_str()),
        }
    }
}

impl serde::Serialize for Place {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Place {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What stands for the arch in a repository's name.
const ARCH: &str = "{arch}";

fn is_segment(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte))
}

impl Arch {
    /// Whether packages of this arch fit every architecture.
    pub fn is_noarch(&self) -> bool {
        self.as_str() == "noarch"
    }
}

impl RepositoryName {
    /// The relative path of this repository's folder for `arch`: `v3.23/main/x86_64`, or for `{arch}/main`,
    /// `x86_64/main`. The only way from these names to a path.
    pub fn folder(&self, arch: &Arch) -> PathBuf {
        if self.is_by_arch() {
            PathBuf::from(self.line(arch))
        } else {
            PathBuf::from(format!("{}/{}", self.as_str(), arch.as_str()))
        }
    }

    /// What follows the tree's URL in `/etc/apk/repositories` on a client of `arch`. The client adds `/<arch>` by itself: so
    /// the folder of a name with `{arch}`, which is this path, holds a link of that name to itself.
    pub fn line(&self, arch: &Arch) -> String {
        self.as_str().replace(ARCH, arch.as_str())
    }

    /// Whether the name holds `{arch}`: the arch stands there instead of at the end.
    pub fn is_by_arch(&self) -> bool {
        self.as_str().contains(ARCH)
    }
}

/// The file name of a package's version, `NAME-VERSION.apk`, short enough for every client.
///
/// Equal are those that are one URL: `a-1` in version `2` and `a` in version `1-2` cannot both lie in one folder.
#[derive(Clone, Debug)]
pub struct PackageFile {
    text: Box<str>,
    /// Bytes of the name; the version follows behind a dash. Where one ends and the other begins cannot be told from the text.
    name: u8,
}

impl PackageFile {
    /// The file name under which clients ask for this version.
    pub fn new(name: &PackageName, version: &VersionText) -> Result<Self, BadName> {
        let text = format!("{name}-{version}.apk");
        if text.len() > MAX_FILE_NAME {
            return Err(refuse(&text, "a package file name of at most 255 bytes"));
        }
        let name =
            u8::try_from(name.as_str().len()).map_err(|_| refuse(&text, "a package name of at most 200 bytes"))?;
        Ok(PackageFile { text: text.into(), name })
    }

    /// The file name; one path segment.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The package's name.
    pub fn name(&self) -> &str {
        &self.text[..usize::from(self.name)]
    }

    /// Its version.
    pub fn version(&self) -> &str {
        let stem = self.text.strip_suffix(".apk").unwrap_or(&self.text);
        &stem[usize::from(self.name) + 1..]
    }
}

impl PartialEq for PackageFile {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PackageFile {}

impl PartialOrd for PackageFile {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PackageFile {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for PackageFile {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for PackageFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_package_names_are_refused() {
        for bad in ["", "../../x", "a/b", "a\0", "a\nb", ".hidden", "-x", "a b", "ä", "a\\b", &"x".repeat(201)] {
            assert!(bad.parse::<PackageName>().is_err(), "{bad:?}");
        }
        for good in ["busybox", "libstdc++", "gtk+3.0", "R", "so_x", "0ad", "py3-a.b"] {
            assert_eq!(good.parse::<PackageName>().unwrap().as_str(), good);
        }
    }

    #[test]
    fn a_refused_name_is_printed_escaped_and_short() {
        let text = "a\x1b[2J".to_owned() + &"x".repeat(1_000_000);
        let message = text.parse::<PackageName>().unwrap_err().to_string();
        assert!(!message.contains('\x1b'), "{message}");
        assert!(message.len() < 300);
    }

    #[test]
    fn a_file_name_knows_its_parts() {
        let file = PackageFile::new(&"gtk+3.0-lang".parse().unwrap(), &"3.24-r0".parse().unwrap()).unwrap();
        assert_eq!(
            (file.as_str(), file.name(), file.version()),
            ("gtk+3.0-lang-3.24-r0.apk", "gtk+3.0-lang", "3.24-r0")
        );
    }

    #[test]
    fn file_names_that_are_one_url_are_equal() {
        let file = |name: &str, version: &str| PackageFile::new(&name.parse().unwrap(), &version.parse().unwrap());
        let (one, other) = (file("a-1", "2").unwrap(), file("a", "1-2").unwrap());
        assert_eq!((one.clone(), one.cmp(&other)), (other, Ordering::Equal));
        assert_ne!(one, file("a-1", "3").unwrap());
    }

    #[test]
    fn a_place_is_live_or_a_trees_name() {
        for text in ["live", "qa", "2026.11"] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        assert_eq!("live".parse::<Place>().unwrap(), Place::Live);
        for bad in ["", "@qa", "..", "a/b", ".qa", "live"] {
            assert!(bad.parse::<TreeName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_backups_name_is_no_path_and_no_word_of_the_command() {
        for good in ["disk", "off-site.2", "Checks", "0"] {
            assert_eq!(good.parse::<BackupName>().unwrap().as_str(), good);
        }
        for bad in ["", "..", "a/b", ".a", "-a", "a b", "check", "help", "init", "list", "prune", &"x".repeat(61)] {
            assert!(bad.parse::<BackupName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn repository_names_have_no_way_out() {
        for bad in ["", "/", "a/", "/a", "a//b", "..", "a/../b", ".generations", "@qa", "a/.b", "a/@b"] {
            assert!(bad.parse::<RepositoryName>().is_err(), "{bad:?}");
        }
        let name: RepositoryName = "v3.23/main".parse().unwrap();
        let arch: Arch = "x86_64".parse().unwrap();
        assert_eq!(name.folder(&arch), PathBuf::from("v3.23/main/x86_64"));
        assert_eq!(name.line(&arch), "v3.23/main");
        for (name, folder) in [("{arch}/main", "x86_64/main"), ("v3.23/main-{arch}", "v3.23/main-x86_64")] {
            let name: RepositoryName = name.parse().unwrap();
            assert_eq!((name.folder(&arch), name.line(&arch)), (PathBuf::from(folder), folder.to_owned()));
        }
        for bad in ["{arc}/main", "{arch", "{}", "{arch}/../x", "{arch}/.x"] {
            assert!(bad.parse::<RepositoryName>().is_err(), "{bad:?}");
        }
    }
}
