//! Whole trees, switched by one rename.
//!
//! ```text
//! /srv/mirror/alpine            → .generations/412       the link that web servers, containers and exports follow
//! /srv/mirror/.generations/412/v3.23/main/x86_64/        APKINDEX.tar.gz and packages, hard links into the pool
//! /srv/mirror/.generations/.413.new/                     being made; removed by the next run if it was stopped
//! ```
//!
//! One folder holds one such link: two would share `.generations`. A tree is made beside the others under a hidden name, flushed, renamed to its number, and only then does the link move:
//! whatever the moment of a power loss, the link leads to a tree that was complete. Files of a tree never change afterwards.
//! What goes into a tree as an index is a [`Publishable`]: signed by us, or a source's own file as it was verified.

mod generation;

pub use generation::{Error, Publishable, publish};
