//! A folder of packages without an index: `DIR/<arch>/*.apk`, or `DIR/*.apk`, or both.
//!
//! The scan only lists; what a file is, its own bytes say, and who reads them verifies them. Hidden files and files that are
//! not `*.apk` are not looked at.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Error;
use crate::apk::Arch;
use crate::finding::{Finding, Severity};

/// What tells whether a file is still the one that was read before, short of reading it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Stamp {
    /// Device of the file system.
    pub dev: u64,
    /// Inode.
    pub ino: u64,
    /// Bytes.
    pub size: u64,
    /// Last change of the content, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Last change of content or inode, nanoseconds since 1970. Unlike `mtime_ns` no program can set it.
    pub ctime_ns: i64,
}

impl Stamp {
    /// The stamp of the file that `metadata` belongs to.
    pub fn of(metadata: &Metadata) -> Self {
        // 63 bits of nanoseconds reach to 2262; beyond that stamps saturate, and equal ones then differ in `ino` or `size`
        // at least when the file was replaced.
        let ns = |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
        Stamp {
            dev: metadata.dev(),
            ino: metadata.ino(),
            size: metadata.size(),
            mtime_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// A file that may be a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where it lies, below the folder scanned.
    pub path: PathBuf,
    /// The arch folder it lies in; none for a file at the top.
    pub folder_arch: Option<Arch>,
    /// As it was when it was listed.
    pub stamp: Stamp,
}

/// What a folder holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectoryScan {
    /// All `*.apk`, by path.
    pub candidates: Vec<Candidate>,
    /// What looks like a package or a folder of packages and is not taken.
    pub findings: Vec<Finding>,
}

/// Lists the packages of `dir`. Links to files are followed.
///
/// A sub-folder is one of packages when its name is an arch by grammar (`[a-z0-9_]+`): which arches there are is the
/// operator's business. Sub-folders further down are not looked into.
///
/// # Errors
/// [`Error::Folder`] when the folder or an arch folder cannot be read to its end: a shorter list would look like packages
/// that were withdrawn.
pub fn scan(dir: &Path) -> Result<DirectoryScan, Error> {
    let mut found = DirectoryScan::default();
    scan_folder(dir, None, &mut found)?;
    found.candidates.sort_by(|a, b| a.path.cmp(&b.path));
    found.findings.sort_by(|a, b| a.subject.cmp(&b.subject));
    Ok(found)
}

fn scan_folder(folder: &Path, arch: Option<&Arch>, found: &mut DirectoryScan) -> Result<(), Error> {
    let failed = |path: &Path, cause: io::Error| Error::Folder { path: path.to_owned(), cause };
    for entry in fs::read_dir(folder).map_err(|cause| failed(folder, cause))? {
        let entry = entry.map_err(|cause| failed(folder, cause))?;
        let (path, name) = (entry.path(), entry.file_name());
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let is_package_name = path.extension() == Some(OsStr::new("apk"));
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                // Gone since it was listed, which is nothing to report, or a link that leads nowhere.
                if is_package_name && path.is_symlink() {
                    found.findings.push(finding("dangling-link", &path, "a link that leads to no file"));
                }
                continue;
            }
            Err(cause) if is_package_name || entry.file_type().is_ok_and(|kind| kind.is_dir()) => {
                return Err(failed(&path, cause));
            }
            Err(_) => continue,
        };
        if metadata.is_dir() {
            match (arch, name.to_str().and_then(|name| name.parse::<Arch>().ok())) {
                (None, Some(arch)) => scan_folder(&path, Some(&arch), found)?,
                (None, None) => {
                    found.findings.push(finding(
                        "foreign-folder",
                        &path,
                        "its name is no arch; what it holds is not taken",
                    ));
                }
                (Some(_), _) => {
                    found.findings.push(finding(
                        "foreign-folder",
                        &path,
                        "folders in an arch folder are not looked into",
                    ));
                }
            }
        } else if is_package_name && metadata.is_file() {
            found.candidates.push(Candidate { path, folder_arch: arch.cloned(), stamp: Stamp::of(&metadata) });
        } else if is_package_name {
            found.findings.push(finding("not-a-file", &path, "neither a file nor a link to one"));
        }
    }
    Ok(())
}

fn finding(code: &'static str, path: &Path, message: &str) -> Finding {
    Finding {
        code,
        severity: Severity::Warning,
        // Names on disk may hold anything; what is shown may not steer a terminal.
        subject: path.to_string_lossy().chars().map(|c| if c.is_control() { '?' } else { c }).collect(),
        message: message.to_owned(),
        hint: None,
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests lay out foreign folders, not ours")]
mod tests {
    use super::*;
    use crate::error::{Class, Trouble};
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    fn lay_out(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, file).unwrap();
        }
        dir
    }

    fn names(dir: &Path, scan: &DirectoryScan) -> Vec<(String, Option<String>)> {
        let relative = |path: &Path| path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
        let arch = |one: &Candidate| one.folder_arch.as_ref().map(|arch| arch.as_str().to_owned());
        scan.candidates.iter().map(|one| (relative(&one.path), arch(one))).collect()
    }

    #[test]
    fn packages_at_the_top_and_in_arch_folders_are_listed_in_order() {
        let dir = lay_out(&[
            "z-1-r0.apk",
            "aarch64/b-1-r0.apk",
            "x86_64/a-1-r0.apk",
            "noarch/c-1-r0.apk",
            "x86_64/APKINDEX.tar.gz",
            "x86_64/.a-1-r0.apk",
            ".hidden/a-1-r0.apk",
            "README",
        ]);
        let scan = scan(dir.path()).unwrap();
        let expected = [
            ("aarch64/b-1-r0.apk", Some("aarch64")),
            ("noarch/c-1-r0.apk", Some("noarch")),
            ("x86_64/a-1-r0.apk", Some("x86_64")),
            ("z-1-r0.apk", None),
        ];
        assert_eq!(names(dir.path(), &scan), expected.map(|(path, arch)| (path.to_owned(), arch.map(str::to_owned))));
        assert_eq!(scan.candidates[3].stamp.size, "z-1-r0.apk".len() as u64);
        assert_eq!(scan.findings, []);
    }

    #[test]
    fn what_only_looks_like_packages_is_a_finding() {
        let dir = lay_out(&["Old-Packages/a-1-r0.apk", "x86_64/more/a-1-r0.apk", "x86_64/good-1-r0.apk"]);
        symlink("nowhere", dir.path().join("dangling-1-r0.apk")).unwrap();
        let _socket = UnixListener::bind(dir.path().join("socket-1-r0.apk")).unwrap();
        fs::create_dir(dir.path().join("Folder-1-r0.apk")).unwrap();
        let scan = scan(dir.path()).unwrap();
        assert_eq!(names(dir.path(), &scan), [("x86_64/good-1-r0.apk".to_owned(), Some("x86_64".to_owned()))]);
        let codes: Vec<_> = scan.findings.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["foreign-folder", "foreign-folder", "dangling-link", "not-a-file", "foreign-folder"]);
    }

    #[test]
    fn links_to_files_are_followed() {
        let dir = lay_out(&["store/real", "x86_64/b-1-r0.apk"]);
        symlink("../store/real", dir.path().join("x86_64/a-1-r0.apk")).unwrap();
        let scan = scan(dir.path()).unwrap();
        assert_eq!(scan.candidates.len(), 2);
        assert_eq!(scan.candidates[0].stamp.size, "store/real".len() as u64);
        assert_eq!(scan.candidates[0].path, dir.path().join("x86_64/a-1-r0.apk"), "shown where the operator put it");
    }

    #[test]
    fn a_stamp_changes_with_the_content_even_under_the_same_size_and_mtime() {
        let dir = lay_out(&["a-1-r0.apk"]);
        let path = dir.path().join("a-1-r0.apk");
        let before = fs::metadata(&path).unwrap();
        fs::write(dir.path().join("new"), "A-1-r0.apk").unwrap();
        fs::rename(dir.path().join("new"), &path).unwrap();
        fs::File::options().append(true).open(&path).unwrap().set_modified(before.modified().unwrap()).unwrap();
        let after = Stamp::of(&fs::metadata(&path).unwrap());
        let before = Stamp::of(&before);
        assert_eq!((before.size, before.mtime_ns), (after.size, after.mtime_ns));
        assert_ne!(before, after);
    }

    #[test]
    fn a_folder_that_is_not_there_is_a_medium_that_is_away() {
        let dir = tempfile::tempdir().unwrap();
        let error = scan(&dir.path().join("absent")).unwrap_err();
        assert_eq!((error.class(), error.code()), (Class::Upstream, "folder-unreadable"));
        let file = lay_out(&["packages"]);
        assert_eq!(scan(&file.path().join("packages")).unwrap_err().class(), Class::Host);
    }
}
