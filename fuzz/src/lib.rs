//! Mutations that get behind a container: bytes under a checksum are taken out, changed and packed again, so that the
//! search reaches the rules inside instead of failing at the wrapping.

pub mod members;
pub mod pem;
