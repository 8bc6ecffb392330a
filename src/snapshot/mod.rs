//! What was accepted, for good.
