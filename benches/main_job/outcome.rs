//! A bench has one reader and one way to fail: it says what went wrong and stops.

/// A value, or why there is none.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
