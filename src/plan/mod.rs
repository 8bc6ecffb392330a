//! What a job will do; this is what `--dry-run` prints.
