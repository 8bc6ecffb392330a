//! apk's v2 formats: a file is gzip members one behind the other (signature, control, data; or signature, index), whose
//! inflated contents join to one tar stream. Every hash is over compressed bytes, so what we mirror is never recompressed.

pub mod index;
pub mod package;
pub mod pkginfo;
pub mod sections;
pub mod signature;
pub mod tarball;
