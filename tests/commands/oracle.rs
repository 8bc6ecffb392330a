//! A second opinion on what was published: reads indexes and packages after the format's description, with none of the
//! library's code, so that no misreading of ours can vouch for itself.

use std::io::{BufRead, Cursor, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rsa::{Pkcs1v15Sign, PublicKey};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use super::fixture::hex;

/// A key that clients trust: file name and key.
pub(crate) type Trusted = (String, PublicKey);

/// One index record, as far as a client goes by it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) arch: String,
    pub(crate) identity: String,
    pub(crate) size: u64,
}

impl Listed {
    pub(crate) fn file(&self) -> String {
        format!("{}-{}.apk", self.name, self.version)
    }
}

struct Section {
    end: usize,
    files: Vec<(String, Vec<u8>)>,
}

/// Inflates the gzip member at `start` and lists its tar.
fn section(bytes: &[u8], start: usize) -> Result<Section, String> {
    let mut cursor = Cursor::new(bytes);
    cursor.set_position(start as u64);
    let mut decoder = flate2::bufread::GzDecoder::new(cursor);
    let mut tar = Vec::new();
    decoder.read_to_end(&mut tar).map_err(|error| format!("gzip member at {start}: {error}"))?;
    let end = decoder.into_inner().position() as usize;
    let mut files = Vec::new();
    let mut at = 0;
    while at + 512 <= tar.len() && tar[at] != 0 {
        let header = &tar[at..at + 512];
        let name = text_until_nul(&header[..100]);
        let size = usize::from_str_radix(text_until_nul(&header[124..136]).trim(), 8)
            .map_err(|error| format!("tar size: {error}"))?;
        let content = tar.get(at + 512..at + 512 + size).ok_or("tar content cut")?;
        if header[156] == b'0' {
            files.push((name, content.to_vec()));
        }
        at += 512 + size.next_multiple_of(512);
    }
    Ok(Section { end, files })
}

fn text_until_nul(field: &[u8]) -> String {
    let mut text = Vec::new();
    Cursor::new(field).read_until(0, &mut text).expect("memory");
    String::from_utf8_lossy(&text).trim_end_matches('\0').to_owned()
}

/// Signature entries by name, where the rest begins, and the first member of that rest.
type Parts = (Vec<(String, Vec<u8>)>, usize, Section);

fn sections(bytes: &[u8]) -> Result<Parts, String> {
    let mut signatures = Vec::new();
    let mut start = 0;
    loop {
        let next = section(bytes, start)?;
        if next.files.first().is_some_and(|(name, _)| name.starts_with(".SIGN.")) {
            start = next.end;
            signatures.extend(next.files);
        } else {
            return Ok((signatures, start, next));
        }
    }
}

/// As a client does: the first signature by a key it has decides.
fn first_usable_signature(signatures: &[(String, Vec<u8>)], signed: &[u8], trusted: &[Trusted]) -> Result<(), String> {
    for (name, signature) in signatures {
        let Some((algorithm, key)) = name.strip_prefix(".SIGN.").and_then(|rest| rest.split_once('.')) else {
            continue;
        };
        let Some((_, public)) = trusted.iter().find(|(trusted, _)| trusted == key) else { continue };
        let good = match algorithm {
            "RSA" => public.verify(Pkcs1v15Sign::new::<Sha1>(), &Sha1::digest(signed), signature),
            "RSA256" => public.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(signed), signature),
            _ => continue,
        };
        return good.map_err(|_| format!("BAD signature by {key}"));
    }
    let names: Vec<_> = signatures.iter().map(|(name, _)| name.as_str()).collect();
    Err(format!("UNTRUSTED signature: {names:?}"))
}

/// The records of an index that one of `trusted` signed.
pub(crate) fn index(bytes: &[u8], trusted: &[Trusted]) -> Result<Vec<Listed>, String> {
    Ok(parse(&index_text(bytes, trusted)?))
}

/// The APKINDEX text of an index that one of `trusted` signed.
pub(crate) fn index_text(bytes: &[u8], trusted: &[Trusted]) -> Result<String, String> {
    let (signatures, start, content) = sections(bytes)?;
    first_usable_signature(&signatures, &bytes[start..], trusted)?;
    if content.end != bytes.len() {
        return Err("bytes after the index section".to_owned());
    }
    let text = content.files.iter().find(|(name, _)| name == "APKINDEX").ok_or("no APKINDEX inside")?;
    String::from_utf8(text.1.clone()).map_err(|error| error.to_string())
}

/// An index's `DESCRIPTION`.
pub(crate) fn description(bytes: &[u8]) -> Option<String> {
    let (_, _, content) = sections(bytes).expect("an index");
    let (_, text) = content.files.iter().find(|(name, _)| name == "DESCRIPTION")?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// The names of an index's signature entries, in file order.
pub(crate) fn signature_names(bytes: &[u8]) -> Vec<String> {
    sections(bytes).expect("an index").0.into_iter().map(|(name, _)| name).collect()
}

fn parse(text: &str) -> Vec<Listed> {
    text.split("\n\n")
        .filter(|record| !record.trim().is_empty())
        .map(|record| {
            let field = |letter: &str| {
                record
                    .lines()
                    .find_map(|line| line.strip_prefix(letter)?.strip_prefix(':'))
                    .unwrap_or_default()
                    .to_owned()
            };
            Listed {
                name: field("P"),
                version: field("V"),
                arch: field("A"),
                identity: field("C"),
                size: field("S").parse().unwrap_or(u64::MAX),
            }
        })
        .collect()
}

/// Whether these bytes are what the record promises: size, identity, name, version, datahash.
pub(crate) fn package(bytes: &[u8], promised: &Listed) -> Result<(), String> {
    if bytes.len() as u64 != promised.size {
        return Err(format!("{} bytes, {} promised", bytes.len(), promised.size));
    }
    let (_, start, control) = sections(bytes)?;
    let identity = format!("Q1{}", BASE64.encode(Sha1::digest(&bytes[start..control.end])));
    if identity != promised.identity {
        return Err(format!("identity {identity}, {} promised", promised.identity));
    }
    let (_, pkginfo) = control.files.iter().find(|(name, _)| name == ".PKGINFO").ok_or("no .PKGINFO")?;
    let pkginfo = String::from_utf8_lossy(pkginfo);
    let field =
        |key: &str| pkginfo.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = ")).unwrap_or_default();
    if (field("pkgname"), field("pkgver")) != (&*promised.name, &*promised.version) {
        return Err(format!("calls itself {} {}", field("pkgname"), field("pkgver")));
    }
    let datahash = hex(&Sha256::digest(&bytes[control.end..]));
    if datahash != field("datahash") {
        return Err(format!("datahash {datahash}, {} promised", field("datahash")));
    }
    Ok(())
}
