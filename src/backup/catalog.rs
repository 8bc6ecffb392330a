//! The backups of a target: each one archive, signed.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::Error;
use super::restore::Shelf;
use super::segment;
use super::target::{BACKUPS, README, Target, read_all};
use super::vault::MAX_VAULT;
use crate::apk::v2::signature::Algorithm;
use crate::apk::{KeyId, KeyName, ObjectId};
use crate::places::archive::{END, Stopped, Walk, header, padding};
use crate::sign::Seal;
use crate::snapshot::backup::{
    BackupId, BackupManifest, BadBackup, BadLines, KeptFile, PublicKeyText, Segment, Stored, StoredForm, parse_files,
    parse_objects,
};
use crate::verify::PublicKey;
use crate::verify::keyring::Verdict;

const MANIFEST: &str = "manifest.json";
const OBJECTS: &str = "objects.list";
const FILES: &str = "files.list";
const SUMS: &str = "SHA256SUMS";
const MODE: u32 = 0o644;

/// The longest archive of one backup that is read, bytes: some million objects.
pub const LARGEST_BACKUP: u64 = 256 << 20;

/// A backup's path in its target.
pub fn path(id: &BackupId) -> String {
    format!("{BACKUPS}/{id}.tar")
}

/// The ids of a target's backups, the earliest first; `foreign` are other names in that folder.
pub fn ids(target: &Target) -> Result<(Vec<BackupId>, Vec<String>), Error> {
    let (mut ids, mut foreign) = (Vec::new(), Vec::new());
    for name in target.place().list(BACKUPS)? {
        match name.strip_suffix(".tar").and_then(|id| id.parse().ok()) {
            Some(id) => ids.push(id),
            None => foreign.push(name),
        }
    }
    ids.sort();
    Ok((ids, foreign))
}

/// A backup of which nothing is believed yet.
#[derive(Debug)]
pub struct Unverified {
    place: String,
    manifest: BackupManifest,
    signers: Vec<KeyId>,
    objects: String,
    files: String,
    sums: String,
}

/// A backup that a trusted key signed, and that makes sense. Only [`Unverified::verify`] makes one.
#[derive(Clone, Debug)]
pub struct Backup {
    manifest: BackupManifest,
    signers: Vec<KeyId>,
    objects: Vec<Stored>,
    files: Vec<KeptFile>,
    sums: String,
}

impl Unverified {
    /// Reads the backup `id`, and finds out whose signatures are good. One that has none, or one that is not over it, is an
    /// error; whether to trust the signers is [`Unverified::verify`]'s question.
    pub fn open(target: &Target, id: &BackupId) -> Result<Self, Error> {
        let place = target.place().shown();
        let bytes = read_all(target.place(), &path(id), LARGEST_BACKUP)?;
        let mut members = members(&bytes, id, &place)?;
        let contents = |what: String| Error::Contents { id: id.clone(), place: place.clone(), what };
        let mut take = |name: &str| members.remove(name).ok_or_else(|| contents(format!("it has no {name}")));
        let (text, objects, files, sums) = (take(MANIFEST)?, take(OBJECTS)?, take(FILES)?, take(SUMS)?);
        let wrong = |cause| Error::Manifest { id: id.clone(), place: place.clone(), cause };
        let manifest = BackupManifest::parse(&text).map_err(wrong)?;
        let signers = signers(&manifest, &text, &mut members, id, &place)?;
        if let Some(name) = members.into_keys().next() {
            return Err(contents(format!("it holds {name:?}")));
        }
        if manifest.id != *id {
            return Err(Error::Misnamed { id: id.clone(), place, found: manifest.id });
        }
        if manifest.target != *target.id() {
            return Err(Error::Misplaced { id: id.clone(), place, found: manifest.target });
        }
        let texts =
            [(&objects, &manifest.objects, OBJECTS), (&files, &manifest.files, FILES), (&sums, &manifest.sums, SUMS)];
        for (bytes, digest, name) in texts {
            if ObjectId::new(Sha256::digest(bytes).into()) != *digest {
                return Err(wrong(BadBackup::OtherText(name)));
            }
        }
        // Text that is not UTF-8 is no line of ours either.
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap_or_else(|_| "?".into());
        Ok(Unverified { place, manifest, signers, objects: text(objects), files: text(files), sums: text(sums) })
    }

    /// What it says of itself, true or not.
    pub fn manifest(&self) -> &BackupManifest {
        &self.manifest
    }

    /// Who signed it: keys that it brings, whose signatures over it are good. Anybody can make such a key.
    pub fn signers(&self) -> &[KeyId] {
        &self.signers
    }

    /// The encrypted part, as far as the backup tells where it is: by it a reader may learn whom to trust. Nothing but its digest
    /// says yet that it is the one that was stored.
    pub fn sealed_part(&self, target: &Target) -> Result<Option<Vec<u8>>, Error> {
        let Some(sealed) = &self.manifest.sealed else { return Ok(None) };
        let (id, place) = (&self.manifest.id, &self.place);
        let wrong = |cause| Error::Manifest { id: id.clone(), place: place.clone(), cause };
        let lines = |cause| wrong(BadBackup::Lines { text: OBJECTS, cause });
        let objects = parse_objects(&self.objects).map_err(lines)?;
        self.manifest.check_objects(&objects).map_err(wrong)?;
        let backup = Backup {
            manifest: self.manifest.clone(),
            signers: Vec::new(),
            objects,
            files: Vec::new(),
            sums: String::new(),
        };
        let shelf = Shelf::new(target, &backup);
        let missing = || wrong(BadBackup::Contradiction("it lacks its encrypted part"));
        let stored = shelf.find(&sealed.object).ok_or_else(missing)?;
        // The list is not believed yet: a delta and its base have any length that whoever wrote it chose.
        if stored.form != StoredForm::Whole {
            return Err(wrong(BadBackup::Contradiction("its encrypted part is not stored whole")));
        }
        if stored.size > MAX_VAULT {
            return Err(wrong(BadBackup::Contradiction("its encrypted part is larger than any")));
        }
        shelf.load(stored).map(Some)
    }

    /// Believes it, if one of those who signed it is trusted.
    pub fn verify(self, is_trusted: impl Fn(&KeyId) -> bool) -> Result<Backup, Error> {
        let Unverified { place, manifest, signers, objects, files, sums } = self;
        let id = manifest.id.clone();
        if !signers.iter().any(is_trusted) {
            return Err(Error::UnknownSigner { id, place, signers });
        }
        let wrong = |cause| Error::Manifest { id: id.clone(), place: place.clone(), cause };
        let lines = |text| move |cause: BadLines| BadBackup::Lines { text, cause };
        let objects = parse_objects(&objects).map_err(lines(OBJECTS)).map_err(wrong)?;
        let files = parse_files(&files).map_err(lines(FILES)).map_err(wrong)?;
        manifest.check_objects(&objects).map_err(wrong)?;
        Ok(Backup { manifest, signers, objects, files, sums })
    }
}

impl Backup {
    /// The signed part.
    pub fn manifest(&self) -> &BackupManifest {
        &self.manifest
    }

    /// Its name.
    pub fn id(&self) -> &BackupId {
        &self.manifest.id
    }

    /// Who signed it.
    pub fn signers(&self) -> &[KeyId] {
        &self.signers
    }

    /// Where every object is.
    pub fn objects(&self) -> &[Stored] {
        &self.objects
    }

    /// Every file that is no package.
    pub fn files(&self) -> &[KeptFile] {
        &self.files
    }

    /// For `sha256sum -c`.
    pub fn sums(&self) -> &str {
        &self.sums
    }

    /// The segment that an object is in.
    pub fn segment(&self, stored: &Stored) -> &Segment {
        // Checked when the backup was believed.
        &self.manifest.segments[stored.segment as usize]
    }

    /// Segments that it names and that are not there whole.
    pub fn missing_segments(&self, target: &Target) -> Result<Vec<Error>, Error> {
        let mut missing = Vec::new();
        for Segment { name, size } in &self.manifest.segments {
            let found = target.place().length(&segment::path(name))?;
            if found != Some(*size) {
                let place = target.place().shown();
                missing.push(Error::Segment { segment: name.clone(), place, found, expected: *size });
            }
        }
        Ok(missing)
    }
}

fn members(bytes: &[u8], id: &BackupId, place: &str) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let damaged = |stopped| match stopped {
        Stopped::Bad(cause) => Error::Archive { id: id.clone(), place: place.to_owned(), cause },
        Stopped::Io(_) => unreachable!("memory can be read"),
    };
    let mut walk = Walk::new(bytes);
    let mut members = BTreeMap::new();
    while let Some(member) = walk.next().map_err(damaged)? {
        let content = walk.content(&member).map_err(damaged)?;
        if members.insert(member.name.clone(), content).is_some() {
            let what = format!("it holds {:?} twice", member.name);
            return Err(Error::Contents { id: id.clone(), place: place.to_owned(), what });
        }
    }
    Ok(members)
}

fn signature_name(key: &KeyName) -> String {
    format!("{MANIFEST}.{key}.sig")
}

/// Takes the signatures of the keys that the manifest brings; all must be good, and there must be one.
fn signers(
    manifest: &BackupManifest,
    text: &[u8],
    members: &mut BTreeMap<String, Vec<u8>>,
    id: &BackupId,
    place: &str,
) -> Result<Vec<KeyId>, Error> {
    let mut signers = Vec::new();
    for PublicKeyText { name, fingerprint, pem } in &manifest.keys {
        let Some(signature) = members.remove(&signature_name(name)) else { continue };
        let key = PublicKey::parse(name.clone(), pem.as_bytes()).ok();
        let key = key.filter(|key| key.fingerprint().to_string() == *fingerprint);
        let is_good = |key: &PublicKey| key.verifies(Algorithm::Sha256, text, &signature) == Verdict::Good;
        if !key.as_ref().is_some_and(is_good) {
            return Err(Error::BadSignature { id: id.clone(), place: place.to_owned(), signer: name.clone() });
        }
        signers.push(KeyId { name: name.clone(), fingerprint: fingerprint.clone() });
    }
    if signers.is_empty() {
        return Err(Error::Unsigned { id: id.clone(), place: place.to_owned() });
    }
    Ok(signers)
}

/// The three texts beside a manifest; it names their digests.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// Where every object is.
    pub objects: String,
    /// Every file that is no package.
    pub files: String,
    /// For `sha256sum -c`.
    pub sums: String,
}

/// Whether a backup's file may be there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    /// It is a new one.
    New,
    /// It takes the place of one that says the same.
    Again,
}

/// Signs a backup and gives it its place: from then on it is there. All that it names is on the medium. Returns its bytes.
pub fn write(
    target: &Target,
    mut manifest: BackupManifest,
    texts: &Texts,
    seal: &Seal,
    writing: Writing,
) -> Result<u64, Error> {
    // Nothing is signed that our own reader would refuse: with it the backup would be lost, and the run had said that all is well.
    let unsound = |cause| Error::Unsound { id: manifest.id.clone(), cause };
    let lines = |text| move |cause: BadLines| BadBackup::Lines { text, cause };
    let objects = parse_objects(&texts.objects).map_err(lines(OBJECTS)).map_err(unsound)?;
    parse_files(&texts.files).map_err(lines(FILES)).map_err(unsound)?;
    manifest.check_objects(&objects).map_err(unsound)?;
    let digest = |text: &str| ObjectId::new(Sha256::digest(text).into());
    manifest.objects = digest(&texts.objects);
    manifest.files = digest(&texts.files);
    manifest.sums = digest(&texts.sums);
    manifest.keys = seal
        .signers()
        .iter()
        .map(|signer| PublicKeyText {
            name: signer.key_name().clone(),
            fingerprint: signer.fingerprint(),
            pem: signer.public_pem(),
        })
        .collect();
    let text = manifest.print();
    let mut members = vec![(MANIFEST.to_owned(), text.clone())];
    for signer in seal.signers() {
        members.push((signature_name(signer.key_name()), signer.sign(Algorithm::Sha256, &text)?.bytes));
    }
    for (name, text) in [(OBJECTS, &texts.objects), (FILES, &texts.files), (SUMS, &texts.sums)] {
        members.push((name.to_owned(), text.clone().into_bytes()));
    }
    let modified = u64::try_from(manifest.time.as_second()).unwrap_or(0);
    let mut upload = target.place().begin(&path(&manifest.id))?;
    let mut bytes = END;
    for (name, content) in &members {
        let size = content.len() as u64;
        upload.write(&header(name, size, MODE, modified))?;
        upload.write(content)?;
        upload.write(&[0; 512][..padding(size) as usize])?;
        bytes += crate::places::archive::taken(size);
    }
    upload.write(&[0; END as usize])?;
    match writing {
        Writing::New => upload.put()?,
        Writing::Again => upload.replace()?,
    }
    Ok(bytes)
}

/// SHA-256 of the target's README.txt, which a manifest names.
pub fn readme(target: &Target) -> Result<ObjectId, Error> {
    let bytes = read_all(target.place(), README, 1 << 20)?;
    Ok(ObjectId::new(Sha256::digest(&bytes).into()))
}
