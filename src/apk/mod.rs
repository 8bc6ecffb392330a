//! Alpine's formats and rules, as apk reads them. Pure: bytes and text in, values out; parsing never panics.

pub mod checksum;
pub mod names;

pub use checksum::{ContentId, Datahash, Identity, ObjectId};
pub use names::{Arch, KeyName, PackageFile, PackageName, RepositoryName, SourceName, VersionText};
