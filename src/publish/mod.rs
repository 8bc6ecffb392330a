//! Whole trees, each switch one rename.
//!
//! ```text
//! /srv/mirror/alpine            → .generations/412       the link that web servers, containers and exports follow
//! /srv/mirror/.generations/412/v3.23/main/x86_64/        APKINDEX.tar.gz and packages, hard links into the pool
//! /srv/mirror/.generations/412/@qa  → ../413             a tree beside live: clients see it as <public>/@qa/…
//! /srv/mirror/.generations/.414.new/                     being made; removed by the next run if it was stopped
//! ```
//!
//! One folder holds one such link: two would share `.generations`. A tree is made beside the others under a hidden name,
//! flushed, renamed to its number, and only then does its place lead to it: whatever the moment of a power loss, every link
//! leads to a tree that was complete. Files of a tree never change afterwards;
//! one that the disk lost or garbled gets the very bytes back that it had, by a repair, in one rename.
//! A restore makes trees of earlier generations again, from their records and index files, in the same way and under their own
//! numbers; none of them is shown. What then goes live is a new generation with the indexes of one of them.
//! What goes into a tree as an index is a [`Publishable`]: signed by us, a source's own file as it was verified, or the file
//! of an earlier generation as it was recorded.
//!
//! # Trees beside live
//!
//! Clients reach `@qa` through the live link, so its own link lies in the live tree: the one thing in a tree that may change
//! after it was made. It leads to a sibling by a relative path, so the folder can be moved or exported whole. Why each switch
//! is one rename, and nobody sees a gap:
//!
//! - **Live.** The new tree gets, while nobody sees it, a link for every tree beside live, leading where the present one
//!   leads. Then the public link is renamed over. A reader's path is looked up in the former tree or in the new one; in both
//!   there is the same `@qa`, and each live path leads to a complete tree.
//! - **Beside.** The new tree is complete under its number; then the link in the live tree is renamed over. Live paths do not
//!   pass through that link, so readers of live notice nothing.
//! - **Both at once** cannot be: whoever publishes holds the store's lock. So no switch of `@qa` can fall between the moment
//!   when a new live tree took its links over and the moment when it goes live, and none is lost.
//! - A reader that opened a path before a switch goes on reading the tree that it opened; a client that has read an index of
//!   the former tree finds its packages in the new one, for [`crate::plan::publish`] lets them linger.
//!
//! What is seen at a place is told by the links alone, as `live` always was: there is no second record that a crash could
//! leave behind the truth. That publishing is held is part of the live generation's record, so the rename that makes a
//! rollback live begins the hold as well.

mod generation;
mod history;
mod mend;
mod restored;

pub use generation::{Error, Publishable, publish, show_beside};
pub use history::drop_trees;
pub use mend::Mending;
pub use restored::{RestoredTree, restore_tree};
