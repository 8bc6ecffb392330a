//! Published trees.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::snapshots::{load, load_json, save_json};
use super::{Error, Ledger};
use crate::apk::names::{Arch, PackageFile, RepositoryName};
use crate::apk::{Identity, ObjectId};
use crate::disk::durable;
use crate::plan::publish::{Generation, Placed};

impl Ledger {
    /// All recorded generations' numbers, oldest first. A record may be there without its tree: a run that was stopped
    /// between the two leaves it, and its number is not used again.
    pub fn generation_numbers(&self) -> Result<Vec<u64>, Error> {
        let mut numbers: Vec<u64> = durable::list(&self.store.generations_folder())?
            .iter()
            .filter_map(|name| name.strip_suffix(".json")?.parse().ok())
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// A generation's record without its files: enough to tell what it showed.
    pub fn generation_summary(&self, number: u64) -> Result<Generation, Error> {
        load_json(&self.store.generation_file(number))
    }

    /// A generation's whole record.
    pub fn generation(&self, number: u64) -> Result<Generation, Error> {
        let mut generation = self.generation_summary(number)?;
        let states = generation.repositories.iter().map(|state| (&state.name, &state.arch));
        let files = load_files(&self.files_of(number), states)?;
        for (state, files) in generation.repositories.iter_mut().zip(files) {
            state.files = files;
        }
        Ok(generation)
    }

    /// Saves a generation's record.
    pub fn save_generation(&self, generation: &Generation) -> Result<(), Error> {
        durable::create_folder(&self.store.generations_folder(), 0o700)?;
        let places = generation.repositories.iter();
        save_files(
            &self.files_of(generation.number),
            places.map(|state| (&state.name, &state.arch, state.files.as_slice())),
        )?;
        // The record itself comes last: with it the generation is complete.
        save_json(&self.store.generation_file(generation.number), generation)
    }

    /// Removes generations' records, and what is left of records that a stopped run removed in half; on the medium when this
    /// returns.
    pub fn drop_generations(&self, numbers: &BTreeSet<u64>) -> Result<(), Error> {
        let folder = self.store.generations_folder();
        for number in numbers {
            durable::remove_file(&self.store.generation_file(*number))?;
        }
        // Without its record a list of files means nothing.
        let recorded: BTreeSet<u64> = self.generation_numbers()?.into_iter().collect();
        let lists = durable::list(&folder)?;
        for number in lists.iter().filter_map(|name| name.strip_suffix(".files")?.parse().ok()) {
            if !recorded.contains(&number) {
                durable::remove_file(&self.files_of(number))?;
            }
        }
        Ok(durable::flush_folder(&folder)?)
    }

    fn files_of(&self, number: u64) -> PathBuf {
        self.store.generation_file(number).with_extension("files")
    }
}

/// Writes the package files of some repositories, a line each, below a line for each repository and arch.
pub(super) fn save_files<'p>(
    path: &Path,
    places: impl Iterator<Item = (&'p RepositoryName, &'p Arch, &'p [Placed])>,
) -> Result<(), Error> {
    let mut text = String::new();
    for (name, arch, files) in places {
        print_folder(&mut text, name, arch);
        files.iter().for_each(|placed| print_line(&mut text, placed));
    }
    Ok(durable::write(path, text.as_bytes(), 0o600)?)
}

/// The files of each of `places`, in their order, as [`save_files`] left them.
pub(super) fn load_files<'p>(
    path: &Path,
    places: impl Iterator<Item = (&'p RepositoryName, &'p Arch)>,
) -> Result<Vec<Vec<Placed>>, Error> {
    let bytes = load(path)?;
    parse_files(path, &String::from_utf8_lossy(&bytes), places)
}

/// A generation's whole record from its two texts, which were read elsewhere than in a store.
///
/// # Errors
/// Where the list of files is not this generation's.
pub fn complete(mut generation: Generation, files: &str) -> Result<Generation, Error> {
    let states = generation.repositories.iter().map(|state| (&state.name, &state.arch));
    let files = parse_files(Path::new(&format!("{}.files", generation.number)), files, states)?;
    for (state, files) in generation.repositories.iter_mut().zip(files) {
        state.files = files;
    }
    Ok(generation)
}

fn parse_files<'p>(
    path: &Path,
    text: &str,
    places: impl Iterator<Item = (&'p RepositoryName, &'p Arch)>,
) -> Result<Vec<Vec<Placed>>, Error> {
    let damaged = |line: &str| Error::Unreadable {
        path: path.to_owned(),
        cause: format!("line {line:?} is no file of a repository").into(),
    };
    let mut folders: HashMap<PathBuf, usize> =
        places.enumerate().map(|(at, (name, arch))| (name.folder(arch), at)).collect();
    let mut files = vec![Vec::new(); folders.len()];
    let mut current: Option<usize> = None;
    for line in text.lines() {
        if let Some(folder) = line.strip_suffix(':') {
            current = Some(folders.remove(Path::new(folder)).ok_or_else(|| damaged(line))?);
            continue;
        }
        let placed = parse_line(line).ok_or_else(|| damaged(line))?;
        files[current.ok_or_else(|| damaged(line))?].push(placed);
    }
    // Each has its heading, also one without files: what was cut off by a power loss is not taken for empty.
    if !folders.is_empty() {
        let cause = "the list ends before all repositories of the generation".into();
        return Err(Error::Unreadable { path: path.to_owned(), cause });
    }
    Ok(files)
}

fn print_folder(text: &mut String, name: &RepositoryName, arch: &Arch) {
    writeln!(text, "{}:", name.folder(arch).display()).expect("writing to a string does not fail");
}

/// `<object> <identity> <size> <left or -> <name> <version>`.
fn print_line(text: &mut String, placed: &Placed) {
    let left = placed.left.map_or_else(|| "-".to_owned(), |left| left.to_string());
    let Placed { file, object, identity, size, .. } = placed;
    writeln!(text, "{object} {identity} {size} {left} {} {}", file.name(), file.version())
        .expect("writing to a string does not fail");
}

fn parse_line(line: &str) -> Option<Placed> {
    let mut words = line.split(' ');
    let object: ObjectId = words.next()?.parse().ok()?;
    let identity: Identity = words.next()?.parse().ok()?;
    let size = words.next()?.parse().ok()?;
    let left = match words.next()? {
        "-" => None,
        time => Some(time.parse::<Timestamp>().ok()?),
    };
    let file = PackageFile::new(&words.next()?.parse().ok()?, &words.next()?.parse().ok()?).ok()?;
    words.next().is_none().then_some(Placed { file, object, identity, size, left })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apk::ContentId;
    use crate::disk::layout::Store;
    use crate::plan::publish::{Mode, RepositoryState};

    #[test]
    fn a_generation_comes_back_as_it_was_saved() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(Store::open_or_create(&folder.path().join("store")).unwrap());
        let now: Timestamp = "2026-11-24T03:17:00Z".parse().unwrap();
        let placed = |name: &str, left| Placed {
            file: PackageFile::new(&name.parse().unwrap(), &"1-r0".parse().unwrap()).unwrap(),
            object: ObjectId::new([1; 32]),
            identity: Identity::new([2; 20]),
            size: 3,
            left,
        };
        let state = |name: &str, files: Vec<Placed>| RepositoryState {
            name: name.parse().unwrap(),
            arch: "x86_64".parse().unwrap(),
            mode: Mode::Ours,
            inputs: "i".into(),
            content: ContentId::new([4; 32]),
            index: ObjectId::new([5; 32]),
            description: "words".into(),
            signers: vec!["k".into()],
            keys: vec![crate::apk::KeyId { name: "k.rsa.pub".parse().unwrap(), fingerprint: "f".into() }],
            published: now,
            packages: 1,
            bytes: 3,
            shadowed: 0,
            shadowed_newer: 0,
            warnings: vec!["worth a line".into()],
            unmatched: vec!["nope".into()],
            files,
        };
        let generation = Generation {
            number: 412,
            time: now,
            snapshot: "s".into(),
            place: "qa".parse().unwrap(),
            cause: crate::plan::publish::Cause::Rollback(400),
            aliases: [("latest".parse().unwrap(), "v3.23".parse().unwrap())].into(),
            repositories: vec![
                state("v3.23/main", vec![placed("a", None), placed("b-doc", Some(now))]),
                state("v3.23/empty", vec![]),
                state("v3.23/site", vec![placed("c", None)]),
            ],
        };
        ledger.save_generation(&generation).unwrap();
        assert_eq!(ledger.generation(412).unwrap(), generation);
        assert_eq!(ledger.generation_numbers().unwrap(), [412]);
    }
}
