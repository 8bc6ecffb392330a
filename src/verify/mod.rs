//! May these foreign bytes be trusted?
