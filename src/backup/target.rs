//! A place that is meant for backups, and says so.

use std::sync::Arc;

use super::Error;
use crate::places::{Held, Place};
use crate::snapshot::backup::TargetId;

/// The marker's file name.
pub const MARKER: &str = "bivouac-backup";
/// The name of the page that tells a person what lies here.
pub const README: &str = "README.txt";
/// The folder of backups.
pub const BACKUPS: &str = "backups";
/// The folder of segments.
pub const SEGMENTS: &str = "segments";
/// The folder of programs.
pub const TOOLS: &str = "tool";

const FIRST_WORDS: &str = "bivouac backup ";
const FORM: &str = "1";

/// Longest marker that is read, bytes.
const LONGEST_MARKER: u64 = 200;

/// What a target's README.txt says.
pub const README_TEXT: &str = include_str!("README.txt");

/// A place with a marker.
#[derive(Clone, Debug)]
pub struct Target {
    place: Arc<dyn Place>,
    id: TargetId,
}

impl Target {
    /// Opens the target at `place`; without its marker that is an error: a disk that is not mounted has none.
    pub fn open(place: Arc<dyn Place>) -> Result<Self, Error> {
        let shown = || place.shown();
        if place.length(MARKER)?.is_none() {
            return Err(Error::NoMarker { place: shown() });
        }
        let bytes = read_all(&*place, MARKER, LONGEST_MARKER)?;
        let text = String::from_utf8_lossy(&bytes);
        let words = text.strip_suffix('\n').and_then(|line| line.strip_prefix(FIRST_WORDS)?.split_once(' '));
        match words {
            Some((FORM, id)) if let Ok(id) = id.parse() => Ok(Target { place, id }),
            Some((form, _)) if form != FORM && form.bytes().all(|byte| byte.is_ascii_digit()) => {
                Err(Error::NewerTarget { place: shown(), text: text.trim_end().to_owned() })
            }
            _ => Err(Error::BadMarker { place: shown(), text: text.trim_end().to_owned() }),
        }
    }

    /// Makes an empty folder that is there a target. `random` tells it from all others.
    pub fn create(place: Arc<dyn Place>, random: [u8; 16]) -> Result<Self, Error> {
        if place.length(MARKER)?.is_some() {
            return Err(Error::Target { place: place.shown() });
        }
        // A fresh file system's own folder, and the lock of one who tried before.
        let ours = |name: &String| matches!(name.as_str(), "lost+found" | "lock" | README);
        if let Some(found) = place.list("")?.into_iter().find(|name| !ours(name)) {
            return Err(Error::Foreign { place: place.shown(), found });
        }
        let id = TargetId::new(random);
        if place.length(README)?.is_none() {
            let mut readme = place.begin(README)?;
            readme.write(README_TEXT.as_bytes())?;
            readme.put()?;
        }
        let mut marker = place.begin(MARKER)?;
        marker.write(format!("{FIRST_WORDS}{FORM} {id}\n").as_bytes())?;
        marker.put()?;
        Ok(Target { place, id })
    }

    /// Where it is.
    pub fn place(&self) -> &dyn Place {
        &*self.place
    }

    /// Which target it is, wherever it is mounted.
    pub fn id(&self) -> &TargetId {
        &self.id
    }

    /// Takes it for writing, and removes what stopped runs left half written.
    pub fn lock(&self) -> Result<Box<dyn Held>, Error> {
        let held = self.place.lock()?;
        for folder in ["", BACKUPS, SEGMENTS, TOOLS] {
            self.place.sweep(folder)?;
        }
        Ok(held)
    }
}

/// The whole of a file, which has `most` bytes at most; what is longer is cut off there, one byte later.
pub(super) fn read_all(place: &dyn Place, file: &str, most: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut reader = place.read(file, 0, most + 1)?;
    let read = std::io::Read::read_to_end(&mut reader, &mut bytes);
    read.map_err(|cause| Error::Read { file: file.to_owned(), place: place.shown(), cause })?;
    Ok(bytes)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests leave states behind by hand")]
mod tests {
    use super::*;
    use crate::error::Trouble as _;
    use crate::places::Folder;

    fn place(folder: &tempfile::TempDir) -> Arc<dyn Place> {
        Arc::new(Folder::new(folder.path()))
    }

    #[test]
    fn a_target_is_made_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Target::open(place(&folder)).unwrap_err().code(), "no-target");
        std::fs::create_dir(folder.path().join("lost+found")).unwrap();
        let made = Target::create(place(&folder), [7; 16]).unwrap();
        assert_eq!(Target::open(place(&folder)).unwrap().id(), made.id());
        assert_eq!(Target::create(place(&folder), [8; 16]).unwrap_err().code(), "target-exists");
        assert!(std::fs::read_to_string(folder.path().join(README)).unwrap().contains("sha256sum -c"));
    }

    #[test]
    fn a_folder_of_others_is_no_target() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("holiday.jpg"), "").unwrap();
        let error = Target::create(place(&folder), [7; 16]).unwrap_err();
        assert!(error.to_string().contains("holiday.jpg"), "{error}");
    }

    #[test]
    fn a_marker_says_which_form_it_is_of() {
        let folder = tempfile::tempdir().unwrap();
        let id = "07".repeat(16);
        for (text, code) in [
            (format!("bivouac backup 2 {id}\n"), "target-newer"),
            (format!("bivouac backup 1 {id}"), "target-damaged"),
            (format!("bivouac backup 1 {}\n", &id[1..]), "target-damaged"),
            (format!("bivouac backup 1 {id}\n\n"), "target-damaged"),
            ("bivouac backup \n".into(), "target-damaged"),
            (String::new(), "target-damaged"),
            ("x".repeat(10_000), "target-damaged"),
        ] {
            std::fs::write(folder.path().join(MARKER), &text).unwrap();
            assert_eq!(Target::open(place(&folder)).unwrap_err().code(), code, "{text:.40}");
        }
    }
}
