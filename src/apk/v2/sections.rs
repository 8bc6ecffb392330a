//! A stream of gzip members → signature and control sections, with limits. Fed chunk by chunk; stops exactly behind the
//! control section, so that what follows (the data section) is hashed without being inflated.
//!
//! Member boundaries are only knowable by inflating: the bytes of a gzip header occur inside deflate data, too.

use flate2::{Decompress, FlushDecompress, Status};

use super::signature::{EntryName, Signature, parse_name};
use super::tarball::{self, BadTar, End};

/// Bounds on what is inflated before anything is trusted, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A file's signature members together, inflated: some 60 signatures, each of which costs a hash of what it is over.
    /// Clients skip larger signatures, too.
    pub signature: usize,
    /// A control section, inflated (10 MiB is what other implementers settled on).
    pub control: usize,
    /// An index, inflated.
    pub index: usize,
}

impl Limits {
    /// For index files of our own keeping: they were accepted or made under the limits of their day, and their bytes are
    /// compared with a digest before they are read again.
    pub fn of_our_own() -> Self {
        Limits { index: usize::MAX >> 1, ..Limits::default() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits { signature: 64 << 10, control: 10 << 20, index: 300 << 20 }
    }
}

/// Why a file's sections were refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadSections {
    /// An ADB container.
    #[error("it is an apk v3 {0}, not supported yet")]
    ApkV3(&'static str),
    /// Not gzip, or damaged.
    #[error("its {0} section is not a gzip stream, or a damaged one")]
    Gzip(&'static str),
    /// More than the limit comes out.
    #[error("its {section} section inflates to more than {limit} bytes")]
    TooLarge {
        /// Which.
        section: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// A tar rule broken.
    #[error("its {section} section is no archive that apk reads")]
    Tar {
        /// Which.
        section: &'static str,
        /// Why.
        #[source]
        source: BadTar,
    },
    /// Zero blocks where the stream must be cut.
    #[error("its {0} section ends with zero blocks, which every client rejects")]
    NotCut(&'static str),
    /// `.SIGN.` without algorithm and key.
    #[error("a signature entry names no algorithm: {0:?}")]
    SignatureName(String),
    /// Something else beside signatures.
    #[error("its signature section holds something else: {0:?}")]
    MixedSignature(String),
    /// The file ends too early.
    #[error("it ends inside its {0} section")]
    Truncated(&'static str),
    /// Bytes where none may be.
    #[error("something follows its {0} section")]
    Trailing(&'static str),
    /// A needed file is not in the section.
    #[error("its {section} section has no {file}")]
    MissingFile {
        /// Which.
        section: &'static str,
        /// The file.
        file: &'static str,
    },
}

/// Tells apk v3's containers by their first bytes; nothing of v2 begins with an `A`.
fn refuse_v3(first: &[u8], kind: &'static str) -> Result<(), BadSections> {
    let seen = first.len().min(3);
    if seen > 0 && first[..seen] == b"ADB"[..seen] { Err(BadSections::ApkV3(kind)) } else { Ok(()) }
}

/// Inflates one gzip member, pushed.
struct Member {
    inflate: Decompress,
    out: Vec<u8>,
}

impl Member {
    fn new() -> Self {
        Member { inflate: Decompress::new_gzip(15), out: Vec::new() }
    }

    /// Takes bytes up to the member's end; returns how many, and whether the end was reached.
    fn feed(&mut self, chunk: &[u8], section: &'static str, limit: usize) -> Result<(usize, bool), BadSections> {
        let mut used = 0;
        loop {
            if self.out.len() == self.out.capacity() {
                let more = self.out.capacity().clamp(8 << 10, 1 << 20);
                self.out.reserve(more);
            }
            let (before_in, before_out) = (self.inflate.total_in(), self.out.len());
            let status = self
                .inflate
                .decompress_vec(&chunk[used..], &mut self.out, FlushDecompress::None)
                .map_err(|_| BadSections::Gzip(section))?;
            let taken = (self.inflate.total_in() - before_in) as usize;
            used += taken;
            if self.out.len() > limit {
                return Err(BadSections::TooLarge { section, limit });
            }
            match status {
                Status::StreamEnd => return Ok((used, true)),
                _ if used == chunk.len() && self.out.len() < self.out.capacity() => return Ok((used, false)),
                _ if taken == 0 && self.out.len() == before_out && self.out.len() < self.out.capacity() => {
                    return Err(BadSections::Gzip(section));
                }
                _ => {}
            }
        }
    }
}

/// What a member turned out to be.
enum Kind {
    Signature(Vec<Signature>),
    Other,
}

/// Tells a signature member (whose first file is `.SIGN.*`) and reads it.
fn read_signatures(inflated: &[u8], limits: &Limits) -> Result<Kind, BadSections> {
    let section = "signature";
    let tar = match tarball::read(inflated) {
        Ok(tar) => tar,
        // Not ours to judge unless it is a signature member; the caller reads it again as what it expects.
        Err(source) if names_signature(inflated) => return Err(BadSections::Tar { section, source }),
        Err(_) => return Ok(Kind::Other),
    };
    if tar.files.first().is_none_or(|first| parse_name(&first.name) == EntryName::Other) {
        return Ok(Kind::Other);
    }
    if inflated.len() > limits.signature {
        return Err(BadSections::TooLarge { section, limit: limits.signature });
    }
    let mut signatures = Vec::new();
    for file in tar.files {
        match parse_name(&file.name) {
            EntryName::Known(algorithm, key) => {
                signatures.push(Signature { algorithm, key, bytes: file.content.to_vec() });
            }
            EntryName::Unknown => {}
            EntryName::Malformed => return Err(BadSections::SignatureName(file.name)),
            EntryName::Other => return Err(BadSections::MixedSignature(file.name)),
        }
    }
    if tar.end == End::ZeroBlocks {
        return Err(BadSections::NotCut(section));
    }
    Ok(Kind::Signature(signatures))
}

fn names_signature(inflated: &[u8]) -> bool {
    inflated.starts_with(b".SIGN.")
}

/// A package's first two sections.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// All signatures in a known form, in file order.
    pub signatures: Vec<Signature>,
    /// Length of the signature members in bytes; the control section starts there.
    pub signature_length: u64,
    /// The control section's compressed bytes: what identity and signatures are over.
    pub control: Vec<u8>,
    /// `.PKGINFO`.
    pub pkginfo: Vec<u8>,
    /// Names of the control section's files, `.PKGINFO` first.
    pub files: Vec<String>,
}

/// Reads signature and control sections from chunks.
pub struct HeadReader {
    limits: Limits,
    member: Member,
    /// Compressed bytes of the member in hand.
    raw: Vec<u8>,
    signatures: Vec<Signature>,
    signature_length: u64,
    /// Bytes that the signature members inflated to.
    signature_inflated: usize,
    head: Option<Head>,
}

impl HeadReader {
    /// A reader with these limits.
    pub fn new(limits: Limits) -> Self {
        HeadReader {
            limits,
            member: Member::new(),
            raw: Vec::new(),
            signatures: Vec::new(),
            signature_length: 0,
            signature_inflated: 0,
            head: None,
        }
    }

    /// Takes bytes up to the end of the control section and returns how many; fewer than `chunk` has means the head is
    /// complete, as [`HeadReader::head`] tells.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<usize, BadSections> {
        let mut used = 0;
        while used < chunk.len() && self.head.is_none() {
            if self.raw.is_empty() && self.signature_length == 0 {
                refuse_v3(&chunk[used..], "package")?;
            }
            let (taken, ended) = self.member.feed(&chunk[used..], "control", self.limits.control)?;
            self.raw.extend_from_slice(&chunk[used..used + taken]);
            if self.raw.len() > self.limits.control {
                return Err(BadSections::TooLarge { section: "control", limit: self.limits.control });
            }
            used += taken;
            if ended {
                self.end_of_member()?;
            }
        }
        Ok(used)
    }

    fn end_of_member(&mut self) -> Result<(), BadSections> {
        let raw = std::mem::take(&mut self.raw);
        let inflated = std::mem::replace(&mut self.member, Member::new()).out;
        match read_signatures(&inflated, &self.limits)? {
            Kind::Signature(signatures) => {
                self.signatures.extend(signatures);
                self.signature_length += raw.len() as u64;
                self.signature_inflated += inflated.len();
                if self.signature_inflated > self.limits.signature
                    || self.signature_length > self.limits.signature as u64
                {
                    return Err(BadSections::TooLarge { section: "signature", limit: self.limits.signature });
                }
            }
            Kind::Other => {
                let section = "control";
                let tar = tarball::read(&inflated).map_err(|source| BadSections::Tar { section, source })?;
                let pkginfo = tar.files.iter().find(|file| file.name == ".PKGINFO");
                let Some(pkginfo) = pkginfo else {
                    return Err(BadSections::MissingFile { section, file: ".PKGINFO" });
                };
                if tar.end == End::ZeroBlocks {
                    return Err(BadSections::NotCut(section));
                }
                self.head = Some(Head {
                    signatures: std::mem::take(&mut self.signatures),
                    signature_length: self.signature_length,
                    control: raw,
                    pkginfo: pkginfo.content.to_vec(),
                    files: tar.files.iter().map(|file| file.name.clone()).collect(),
                });
            }
        }
        Ok(())
    }

    /// The head, once complete.
    pub fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// The head, or where the stream stopped before it was complete.
    pub fn finish(self) -> Result<Head, BadSections> {
        let section = if self.signatures.is_empty() && self.signature_length == 0 { "first" } else { "control" };
        self.head.ok_or(BadSections::Truncated(section))
    }
}

/// An index file taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct IndexParts {
    /// All signatures in a known form, in file order.
    pub signatures: Vec<Signature>,
    /// Where the signed bytes begin: they go to the end of the file.
    pub signed_from: usize,
    /// The beginning of `DESCRIPTION`, if there is one, on one line: these words are printed and kept.
    pub description: Option<String>,
    /// The text of all `APKINDEX` files.
    pub text: String,
}

/// Takes an index file apart. The index must be one gzip member with nothing behind it, as apk 3 demands.
pub fn split_index(bytes: &[u8], limits: &Limits) -> Result<IndexParts, BadSections> {
    let SignaturePart { signatures, signed_from } = split_signatures(bytes, limits)?;
    let (description, text) = read_index(&bytes[signed_from..], limits)?;
    Ok(IndexParts { signatures, signed_from, description, text })
}

/// What stands in front of an index file's signed bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct SignaturePart {
    /// All signatures in a known form, in file order.
    pub signatures: Vec<Signature>,
    /// Where the signed bytes begin: they go to the end of the file.
    pub signed_from: usize,
}

/// Takes the signatures off an index file. Of what follows no more is inflated than a signature section may have, so that who
/// is not trusted costs little.
pub fn split_signatures(bytes: &[u8], limits: &Limits) -> Result<SignaturePart, BadSections> {
    refuse_v3(bytes, "index")?;
    let section = "index";
    let too_large = BadSections::TooLarge { section: "signature", limit: limits.signature };
    let mut part = SignaturePart { signatures: Vec::new(), signed_from: 0 };
    let mut inflated = 0;
    loop {
        if part.signed_from == bytes.len() {
            return Err(BadSections::Truncated(section));
        }
        let mut member = Member::new();
        let (used, ended) = match member.feed(&bytes[part.signed_from..], section, limits.signature) {
            Ok(fed) => fed,
            Err(BadSections::TooLarge { .. }) if names_signature(&member.out) => return Err(too_large),
            Err(BadSections::TooLarge { .. }) => return Ok(part),
            Err(error) => return Err(error),
        };
        if !ended {
            return Err(BadSections::Truncated(section));
        }
        let Kind::Signature(more) = read_signatures(&member.out, limits)? else { return Ok(part) };
        part.signatures.extend(more);
        part.signed_from += used;
        inflated += member.out.len();
        if inflated > limits.signature || part.signed_from > limits.signature {
            return Err(too_large);
        }
    }
}

/// Reads an index file's signed bytes, `DESCRIPTION` and text: one gzip member, with nothing behind it.
pub fn read_index(signed: &[u8], limits: &Limits) -> Result<(Option<String>, String), BadSections> {
    let section = "index";
    let mut member = Member::new();
    let (used, ended) = member.feed(signed, section, limits.index)?;
    if !ended {
        return Err(BadSections::Truncated(section));
    }
    if used != signed.len() {
        return Err(BadSections::Trailing(section));
    }
    read_index_member(&member.out)
}

/// As much of a `DESCRIPTION` is taken, in bytes: clients show 160.
const MAX_WORDS: usize = 1024;

fn read_index_member(inflated: &[u8]) -> Result<(Option<String>, String), BadSections> {
    let section = "index";
    let tar = tarball::read(inflated).map_err(|source| BadSections::Tar { section, source })?;
    let (mut description, mut text) = (None, None::<String>);
    for file in &tar.files {
        match file.name.as_str() {
            "DESCRIPTION" => {
                let start = &file.content[..file.content.len().min(MAX_WORDS)];
                let words = String::from_utf8_lossy(start).replace(char::is_control, " ");
                description = Some(words.trim().to_owned()).filter(|words| !words.is_empty());
            }
            // Two of them are both loaded by clients.
            "APKINDEX" => {
                let more = std::str::from_utf8(file.content)
                    .map_err(|_| BadSections::Tar { section, source: BadTar::Name })?;
                text.get_or_insert_default().push_str(more);
            }
            // An unsigned file whose signature entry is an ordinary one, behind the index, counts as unsigned; so do other
            // dot files, which make apk 3 take it for a package.
            _ => {}
        }
    }
    let text = text.ok_or(BadSections::MissingFile { section, file: "APKINDEX" })?;
    Ok((description, text))
}

#[cfg(test)]
mod tests;
