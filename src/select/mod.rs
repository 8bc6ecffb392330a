//! Which of a source's entries are wanted.
