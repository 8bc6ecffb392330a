//! Our signature.

pub mod key_file;
