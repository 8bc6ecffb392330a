//! Our own ground: every path we own, the one writer, the lock.
