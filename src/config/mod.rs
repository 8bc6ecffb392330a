//! The operator's configuration: as written, and resolved.
