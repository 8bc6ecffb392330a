//! Alpine's formats and rules, as apk reads them. Pure: bytes and text in, values out; parsing never panics.

pub mod checksum;
pub mod dependency;
pub mod entry;
pub mod key_id;
pub mod names;
pub mod sha1;
pub mod v2;
pub mod version;

pub use self::sha1::Sha1Policy;
pub use checksum::{ContentId, Datahash, Identity, LineId, ObjectId, SignedId};
pub use dependency::{Constraint, Dependency, Offer, Provide, Sense};
pub use entry::Entry;
pub use key_id::KeyId;
pub use names::{
    Arch, BackupName, KeyName, PackageFile, PackageName, Place, RepositoryName, SiteName, SourceName, TreeName,
    VersionText,
};
pub use version::{BadVersion, Rules, Version};
