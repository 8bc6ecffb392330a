//! Whole trees, switched by one rename.
