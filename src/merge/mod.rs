//! Accepted indexes become one index.
