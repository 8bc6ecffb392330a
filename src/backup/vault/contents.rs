//! What is in a vault, as a tar.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::{Flaw, Unsealable, VaultError};
use super::{PrivateFile, Secret, Vault};
use crate::apk::KeyId;
use crate::places::archive::{self, BadArchive, Stopped, Walk};
use crate::snapshot::backup::KeptPath;

/// The first file's name.
pub(super) const LIST: &str = "signers.json";
/// The form of the list; a reader refuses others.
const FORM: u32 = 1;
/// What tar gives every file when it is unpacked by hand, whatever it had.
const MODE: u32 = 0o600;

/// `signers.json`.
#[derive(Serialize, Deserialize)]
struct List {
    backup: u32,
    signers: Vec<KeyId>,
    /// In the order of the tar.
    files: Vec<Listed>,
}

#[derive(Serialize, Deserialize)]
struct Listed {
    path: KeptPath,
    from: PathBuf,
    mode: u32,
}

/// By path.
pub(super) fn sorted(files: &[PrivateFile]) -> Vec<&PrivateFile> {
    let mut sorted: Vec<_> = files.iter().collect();
    sorted.sort_unstable_by_key(|file| &file.path);
    sorted
}

/// As it is encrypted: the same for the same content and time.
pub(super) fn print(vault: &Vault, time: Timestamp) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
    let files = sorted(&vault.files);
    let list = List {
        backup: FORM,
        signers: vault.signers.clone(),
        files: files.iter().map(|file| listed(file)).collect::<Result<_, _>>()?,
    };
    if let Some(path) = clash(list.files.iter().map(|file| &file.path)) {
        return Err(Unsealable::Clash { path: path.clone() });
    }
    let mut list = serde_json::to_vec(&list).expect("paths were found to be text, and there is nothing else");
    list.push(b'\n');
    let time = u64::try_from(time.as_second()).unwrap_or(0);
    let members: Vec<_> = std::iter::once((LIST, &list[..]))
        .chain(files.iter().map(|file| (file.path.as_str(), file.bytes.reveal())))
        .collect();
    let size: u64 = members.iter().map(|(_, bytes)| archive::taken(bytes.len() as u64)).sum();
    // It never grows: copies that nobody wipes would stay behind.
    let mut tar = Zeroizing::new(Vec::with_capacity((size + archive::END) as usize));
    for (name, bytes) in members {
        let size = bytes.len() as u64;
        tar.extend_from_slice(&archive::header(name, size, MODE, time));
        tar.extend_from_slice(bytes);
        let padded = tar.len() + archive::padding(size) as usize;
        tar.resize(padded, 0);
    }
    let end = tar.len() + archive::END as usize;
    tar.resize(end, 0);
    Ok(tar)
}

fn listed(file: &PrivateFile) -> Result<Listed, Unsealable> {
    if file.from.to_str().is_none() || !file.from.is_absolute() {
        return Err(Unsealable::From { from: file.from.clone() });
    }
    if tar::Header::new_ustar().set_path(file.path.path()).is_err() {
        return Err(Unsealable::Long { path: file.path.clone() });
    }
    Ok(Listed { path: file.path.clone(), from: file.from.clone(), mode: file.mode & 0o777 })
}

/// A path that is there twice, or where a folder of another one must be.
fn clash<'a>(paths: impl Iterator<Item = &'a KeptPath>) -> Option<&'a KeptPath> {
    let mut files = BTreeSet::from([std::path::Path::new(LIST)]);
    let paths: Vec<_> = paths.collect();
    let twice = paths.iter().find(|path| !files.insert(path.path())).copied();
    twice.or_else(|| {
        let below = |path: &&&KeptPath| path.path().ancestors().skip(1).any(|folder| files.contains(folder));
        paths.iter().find(below).copied()
    })
}

/// Reads what was decrypted. Whoever knew a recipient may have written it.
pub(super) fn parse(plain: &[u8]) -> Result<Vault, VaultError> {
    let mut walk = Walk::new(plain);
    let (name, list) = member(&mut walk)?.ok_or(Flaw::List("it is empty"))?;
    if name != LIST {
        return Err(Flaw::List("its first file is not the list").into());
    }
    let List { signers, files, .. } = parse_list(list.reveal())?;
    let mut found = Vec::with_capacity(files.len());
    for Listed { path, from, mode } in files {
        let (name, bytes) = member(&mut walk)?.ok_or(Flaw::List("a file that it lists is missing"))?;
        if name != path.as_str() {
            return Err(Flaw::List("its files are not those that it lists").into());
        }
        found.push(PrivateFile { path, from, mode, bytes });
    }
    if member(&mut walk)?.is_some() {
        return Err(Flaw::List("it holds a file that it does not list").into());
    }
    Ok(Vault { signers, files: found })
}

fn parse_list(bytes: &[u8]) -> Result<List, VaultError> {
    #[derive(Deserialize)]
    struct Stub {
        backup: u32,
    }
    let stub: Stub = serde_json::from_slice(bytes).map_err(|_| Flaw::List("its list cannot be read"))?;
    if stub.backup != FORM {
        return Err(VaultError::Newer);
    }
    let list: List = serde_json::from_slice(bytes).map_err(|_| Flaw::List("its list cannot be read"))?;
    if clash(list.files.iter().map(|file| &file.path)).is_some() {
        return Err(Flaw::List("two files in it have one place").into());
    }
    if list.files.iter().any(|file| !file.from.is_absolute() || file.mode & !0o777 != 0) {
        return Err(Flaw::List("a file in it has no absolute path, or more than permission bits").into());
    }
    let is_fingerprint = |text: &str| text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !list.signers.iter().all(|key| is_fingerprint(&key.fingerprint)) {
        return Err(Flaw::List("a signer in it has no fingerprint").into());
    }
    Ok(list)
}

/// The next file and its bytes.
fn member(walk: &mut Walk<&[u8]>) -> Result<Option<(String, Secret)>, Flaw> {
    let tar = |stopped| match stopped {
        Stopped::Bad(bad) => Flaw::Tar(bad),
        Stopped::Io(_) => unreachable!("memory is always read"),
    };
    let Some(member) = walk.next().map_err(tar)? else { return Ok(None) };
    // As large as it says to be, if that is possible at all.
    let size = member.size.min(super::MAX_VAULT) as usize;
    let mut bytes = Zeroizing::new(Vec::with_capacity(size));
    walk.read_to_end(&mut bytes).map_err(|error| tar(error.into()))?;
    if bytes.len() as u64 != member.size {
        return Err(Flaw::Tar(BadArchive::Cut { at: walk.at() }));
    }
    Ok(Some((member.name, Secret(bytes))))
}
