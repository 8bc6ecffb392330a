//! Whatever supplies packages; all that comes from here is untrusted.
