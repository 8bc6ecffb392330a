//! Old mirror folders, where a package is looked for before the wire: those who replace another tool own the bytes already.
//!
//! A seed is trusted with nothing. It supplies bytes to the same sink as the wire does, and wrong ones are just not used.
//! Indexes are never taken from one.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::{Error, PackageRequest, PackageSink, SinkError};
use crate::finding::{Finding, Severity};

/// Bytes read at once.
const CHUNK: usize = 256 << 10;

/// The folders, in the order they are searched.
#[derive(Clone, Debug, Default)]
pub struct Seed {
    folders: Vec<PathBuf>,
}

/// Whether a seed had the package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Supplied {
    /// The sink took it whole, from this file, and is content.
    From(PathBuf),
    /// No folder has it; the sink may hold a part as before, or none.
    Nothing,
}

/// What one file came to.
enum Outcome {
    Content,
    /// Not right; `started` is where the sink was when its first byte was fed.
    Wrong {
        started: u64,
    },
    Unreadable,
}

impl Seed {
    /// Takes the folders as they are; nothing is read yet. A folder that is not there is a finding and is left out: a seed
    /// saves time, and its absence must not stop a sync.
    pub fn open(folders: impl IntoIterator<Item = PathBuf>) -> (Self, Vec<Finding>) {
        let (folders, missing): (Vec<_>, Vec<_>) = folders.into_iter().partition(|folder| folder.is_dir());
        let finding = |folder: PathBuf| Finding {
            code: "seed-missing",
            severity: Severity::Warning,
            subject: folder.display().to_string(),
            message: "this seed folder is not there; its packages are fetched instead".to_owned(),
            hint: None,
        };
        (Seed { folders }, missing.into_iter().map(finding).collect())
    }

    /// Whether there is nowhere to look.
    pub fn is_empty(&self) -> bool {
        self.folders.is_empty()
    }

    /// The files that [`Seed::supply`] would look at, in its order: those that are there with this size.
    pub fn find(&self, request: &PackageRequest<'_>) -> Vec<PathBuf> {
        let all = self.folders.iter().flat_map(|folder| places(folder, request));
        all.filter(|path| open(path, request.size).is_some()).collect()
    }

    /// Looks for a package by file name and size, at `<folder>/<path>/<arch>/`, `<folder>/<arch>/` and `<folder>/`, and feeds
    /// what it finds until the sink is content. Reads files and so blocks.
    ///
    /// # Errors
    /// [`Error::Sink`] when the sink's own host fails; never for what the folders hold.
    pub fn supply(&self, request: &PackageRequest<'_>, sink: &mut dyn PackageSink) -> Result<Supplied, Error> {
        for folder in &self.folders {
            for path in places(folder, request) {
                let failed = |cause| Error::Sink { url: path.display().to_string(), cause };
                loop {
                    match feed(&path, request.size, sink).map_err(failed)? {
                        Outcome::Content => return Ok(Supplied::From(path)),
                        Outcome::Unreadable => break,
                        Outcome::Wrong { started } => {
                            host(sink.restart()).map_err(failed)?;
                            // The part that was there before may have been the wrong one: once more, from the start.
                            if started == 0 {
                                break;
                            }
                        }
                    }
                }
            }
        }
        Ok(Supplied::Nothing)
    }
}

fn places(folder: &Path, request: &PackageRequest<'_>) -> Vec<PathBuf> {
    let file = request.file.as_str();
    let in_arch = Path::new(request.arch.as_str()).join(file);
    let path = request.path.trim_matches('/');
    let mut places = vec![folder.join(path).join(&in_arch), folder.join(&in_arch), folder.join(file)];
    places.dedup();
    places
}

/// Feeds one file from where the sink is. The error is the sink's host's.
fn feed(path: &Path, size: u64, sink: &mut dyn PackageSink) -> io::Result<Outcome> {
    let Some(mut file) = open(path, size) else { return Ok(Outcome::Unreadable) };
    if sink.offset() > size {
        host(sink.restart())?;
    }
    let started = sink.offset();
    if started > 0 && file.seek(SeekFrom::Start(started)).is_err() {
        return Ok(Outcome::Unreadable);
    }
    let mut left = size - started;
    let mut buffer = vec![0; CHUNK.min(usize::try_from(left).unwrap_or(CHUNK))];
    while left > 0 {
        let most = buffer.len().min(usize::try_from(left).unwrap_or(buffer.len()));
        match file.read(&mut buffer[..most]) {
            // Shorter than it was, or a failing disk. What the sink took may be right all the same and stays.
            Ok(0) => return Ok(Outcome::Unreadable),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return Ok(Outcome::Unreadable),
            Ok(read) => {
                match sink.feed(&buffer[..read]) {
                    Ok(()) => left -= read as u64,
                    Err(SinkError::Wrong(_)) => return Ok(Outcome::Wrong { started }),
                    Err(SinkError::Host(cause)) => return Err(cause),
                };
            }
        }
    }
    match sink.finish() {
        Ok(()) => Ok(Outcome::Content),
        Err(SinkError::Wrong(_)) => Ok(Outcome::Wrong { started }),
        Err(SinkError::Host(cause)) => Err(cause),
    }
}

/// The file, if it is one of that size. Looked at before it is opened: opening a pipe would wait for its writer.
fn open(path: &Path, size: u64) -> Option<File> {
    let right = |metadata: std::fs::Metadata| metadata.is_file() && metadata.len() == size;
    right(std::fs::metadata(path).ok()?).then(|| File::open(path).ok()).flatten()
}

fn host(result: Result<(), SinkError>) -> io::Result<()> {
    result.map_err(|error| match error {
        SinkError::Host(cause) => cause,
        SinkError::Wrong(reason) => io::Error::other(reason),
    })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests lay out foreign folders, not ours")]
mod tests {
    use super::*;
    use crate::apk::{Arch, PackageFile};
    use crate::sources::tests::Collected;
    use std::fs;

    struct Wanted {
        arch: Arch,
        file: PackageFile,
    }

    impl Wanted {
        fn new() -> Self {
            let file = PackageFile::new(&"a".parse().unwrap(), &"1-r0".parse().unwrap()).unwrap();
            Wanted { arch: "x86_64".parse().unwrap(), file }
        }

        fn request(&self) -> PackageRequest<'_> {
            PackageRequest { path: "v3.23/main", arch: &self.arch, file: &self.file, size: 5 }
        }
    }

    fn lay_out(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        dir
    }

    fn seed(folders: &[&tempfile::TempDir]) -> Seed {
        let (seed, findings) = Seed::open(folders.iter().map(|dir| dir.path().to_owned()));
        assert_eq!(findings, []);
        seed
    }

    #[test]
    fn a_package_is_found_in_each_of_the_three_layouts() {
        let wanted = Wanted::new();
        for place in ["v3.23/main/x86_64/a-1-r0.apk", "x86_64/a-1-r0.apk", "a-1-r0.apk"] {
            let dir = lay_out(&[(place, "right")]);
            let mut sink = Collected::expecting("right");
            let supplied = seed(&[&dir]).supply(&wanted.request(), &mut sink).unwrap();
            assert_eq!(supplied, Supplied::From(dir.path().join(place)));
            assert!(sink.is_content());
        }
    }

    #[test]
    fn wrong_bytes_and_wrong_sizes_are_passed_over() {
        let wanted = Wanted::new();
        let wrong = lay_out(&[("v3.23/main/x86_64/a-1-r0.apk", "wrong"), ("x86_64/a-1-r0.apk", "longer")]);
        let right = lay_out(&[("a-1-r0.apk", "right")]);
        let mut sink = Collected::expecting("right");
        let supplied = seed(&[&wrong, &right]).supply(&wanted.request(), &mut sink).unwrap();
        assert_eq!(supplied, Supplied::From(right.path().join("a-1-r0.apk")));

        let mut sink = Collected::expecting("right");
        assert_eq!(seed(&[&wrong]).supply(&wanted.request(), &mut sink).unwrap(), Supplied::Nothing);
        assert_eq!(sink.offset(), 0, "nothing wrong is left for the wire to go on from");
    }

    #[test]
    fn a_part_that_is_there_is_gone_on_from_and_a_wrong_one_is_dropped() {
        let wanted = Wanted::new();
        let dir = lay_out(&[("a-1-r0.apk", "right")]);
        for (part, fed) in [("rig", 2), ("wro", 2 + 5), ("right", 0), ("much too long", 5)] {
            let mut sink = Collected::expecting("right").holding(part);
            assert!(matches!(seed(&[&dir]).supply(&wanted.request(), &mut sink).unwrap(), Supplied::From(_)), "{part}");
            assert!(sink.is_content());
            assert_eq!(sink.fed(), fed, "{part}");
        }
    }

    #[test]
    fn the_part_stays_when_no_folder_has_the_package() {
        let wanted = Wanted::new();
        let mut sink = Collected::expecting("right").holding("rig");
        assert_eq!(seed(&[&lay_out(&[])]).supply(&wanted.request(), &mut sink).unwrap(), Supplied::Nothing);
        assert_eq!(sink.offset(), 3);
    }

    #[test]
    fn a_pipe_under_a_packages_name_is_not_waited_for() {
        let wanted = Wanted::new();
        let dir = tempfile::tempdir().unwrap();
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mknodat(rustix::fs::CWD, dir.path().join("a-1-r0.apk"), rustix::fs::FileType::Fifo, mode, 0)
            .unwrap();
        let mut sink = Collected::expecting("right");
        assert_eq!(seed(&[&dir]).supply(&wanted.request(), &mut sink).unwrap(), Supplied::Nothing);
    }

    #[test]
    fn a_full_disk_ends_the_search() {
        let wanted = Wanted::new();
        let dir = lay_out(&[("a-1-r0.apk", "right")]);
        let mut sink = Collected::expecting("right").on_a_full_disk();
        let error = seed(&[&dir]).supply(&wanted.request(), &mut sink).unwrap_err();
        assert!(matches!(error, Error::Sink { .. }), "{error}");
    }

    #[test]
    fn a_folder_that_is_not_there_is_a_finding() {
        let (seed, findings) = Seed::open([PathBuf::from("/nonexistent/old-mirror")]);
        assert!(seed.is_empty());
        assert_eq!(findings[0].code, "seed-missing");
    }
}
