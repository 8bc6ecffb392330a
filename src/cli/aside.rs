//! A thread that takes what others have to say, so that whoever has something never waits for its reader: a server and a schedule
//! go on while a log's pipe is full.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

/// How much may wait. More is lost, and counted.
const WAITING: usize = 4096;

/// A way to the thread.
pub(super) struct Aside<T> {
    items: SyncSender<T>,
    lost: Arc<AtomicU64>,
}

impl<T: Send + 'static> Aside<T> {
    /// `take` is called with each item, in their order, on a thread of its own. Without that thread nothing is taken.
    pub(super) fn new(mut take: impl FnMut(T) + Send + 'static) -> Aside<T> {
        Self::gathering(Duration::ZERO, move |items| items.into_iter().for_each(&mut take))
    }

    /// The same with all at once that have come within `pause` of the first. To wake the thread costs whoever has something
    /// more than all else about it; so long it is not woken again.
    pub(super) fn gathering(pause: Duration, mut take: impl FnMut(Vec<T>) + Send + 'static) -> Aside<T> {
        let (items, waiting) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        let work = move || {
            while let Ok(item) = waiting.recv() {
                std::thread::sleep(pause);
                take(std::iter::once(item).chain(waiting.try_iter().take(WAITING - 1)).collect());
                let count = counted.swap(0, Ordering::Relaxed);
                if count > 0 {
                    super::progress::note(format_args!(
                        "warning: {count} lines of the log were lost: nobody took them"
                    ));
                }
            }
        };
        let _ = std::thread::Builder::new().name("aside".to_owned()).spawn(work);
        Aside { items, lost }
    }

    /// Hands an item over; never waits.
    pub(super) fn give(&self, item: T) {
        if self.items.try_send(item).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_reader_that_takes_nothing_is_not_waited_for() {
        let ((go, stuck), (taken, read)) = (channel::<()>(), channel());
        let aside = Aside::new(move |number: usize| {
            let _ = stuck.recv();
            let _ = taken.send(number);
        });
        for number in 0..3 * WAITING {
            aside.give(number);
        }
        let lost = aside.lost.load(Ordering::Relaxed);
        assert!(lost >= WAITING as u64, "{lost}");
        drop(go);
        assert_eq!((read.recv(), read.recv()), (Ok(0), Ok(1)));
    }
}
