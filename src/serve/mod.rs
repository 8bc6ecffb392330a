//! Read-only HTTP over the public tree.
