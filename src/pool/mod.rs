//! Packages by content; nothing in it ever changes.
