//! Our signature.
