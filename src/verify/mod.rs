//! May these foreign bytes be trusted?
//!
//! What this room vouches for are types that only it can make: [`index::VerifiedIndex`] (signed by a key of the source's
//! keyring for that arch) and [`package::VerifiedPackage`] (size, identity, name, version and datahash are what a verified
//! index promises, or signed by a trusted key itself). The merge takes nothing else, and neither does the pool.
//!
//! Everything arrives in memory or chunk by chunk; nothing is read here.

pub mod accepted;
pub mod freshness;
pub mod index;
pub mod keyring;
pub mod keys_package;
pub mod loose;
pub mod package;

pub use index::{RefusedIndex, VerifiedIndex};
pub use keyring::{Keyring, PublicKey};
pub use loose::{LoosePackage, LooseVerifier};
pub use package::{PackageVerifier, RefusedPackage, VerifiedPackage};
