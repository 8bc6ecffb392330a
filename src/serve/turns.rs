//! Pages are made few at a time, few may wait for that, and what is made has a bound in memory: files are to be served
//! meanwhile, however many ask for pages, give up and ask again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;

/// Pages that are made at once.
const AT_ONCE: usize = 2;
/// Requests that may wait for their turn; whoever comes then is told to come again.
const MAY_WAIT: usize = 16;
/// Memory of the pages that are on their way to clients, in KiB.
const ON_THEIR_WAY: u32 = 32 << 10;

/// Whose turn it is, of those who want one kind of page.
#[derive(Debug)]
pub(super) struct Turns {
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
    memory: Arc<Semaphore>,
}

/// A share of the memory for pages; given back when the page is sent, or its client gone.
#[derive(Debug)]
pub(super) struct Room(#[expect(dead_code, reason = "held, never read")] OwnedSemaphorePermit);

/// There are too many already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Busy;

impl Turns {
    pub(super) fn new() -> Turns {
        Turns {
            free: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: AtomicUsize::new(0),
            memory: Arc::new(Semaphore::new(ON_THEIR_WAY as usize)),
        }
    }

    /// Lets `make` block on a thread of its own when its turn has come. The turn ends with `make`, not with whoever waits for
    /// it: a client that hangs up does not free what is still at work.
    pub(super) async fn take<T: Send + 'static>(
        &self,
        make: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Result<T, JoinError>, Busy> {
        let turn = self.turn().await?;
        let made = tokio::task::spawn_blocking(move || {
            let made = make();
            drop(turn);
            made
        });
        Ok(made.await)
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, Busy> {
        let _waiting = Waiting::among(&self.waiting, MAY_WAIT)?;
        Ok(Arc::clone(&self.free).acquire_owned().await.expect("this semaphore is never closed"))
    }

    /// Room for a page of so many bytes. One that is larger than all there is takes all.
    pub(super) fn room(&self, bytes: usize) -> Result<Room, Busy> {
        let share = u32::try_from(bytes / 1024 + 1).unwrap_or(ON_THEIR_WAY).min(ON_THEIR_WAY);
        Arc::clone(&self.memory).try_acquire_many_owned(share).map(Room).map_err(|_| Busy)
    }
}

/// One who waits, counted until it has its turn or leaves.
pub(super) struct Waiting<'t>(&'t AtomicUsize);

impl<'t> Waiting<'t> {
    /// One of at most so many.
    pub(super) fn among(waiting: &'t AtomicUsize, most: usize) -> Result<Self, Busy> {
        let one_more = |before: usize| (before < most).then_some(before + 1);
        match waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more) {
            Ok(_) => Ok(Waiting(waiting)),
            Err(_) => Err(Busy),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

    use super::*;

    /// Makers stand here until they are let go.
    #[derive(Default)]
    struct Gate {
        state: Mutex<(usize, usize, bool)>,
        changed: Condvar,
    }

    impl Gate {
        fn pass(&self) {
            let mut state = self.state.lock().unwrap();
            state.0 += 1;
            state.1 = state.1.max(state.0);
            self.changed.notify_all();
            let mut state = self.changed.wait_while(state, |state| !state.2).unwrap();
            state.0 -= 1;
        }

        fn wait_for(&self, inside: usize) {
            drop(self.changed.wait_while(self.state.lock().unwrap(), |state| state.0 < inside).unwrap());
        }

        fn open(&self) {
            self.state.lock().unwrap().2 = true;
            self.changed.notify_all();
        }
    }

    #[test]
    fn who_hangs_up_does_not_free_what_is_still_at_work() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (turns, gate) = (Arc::new(Turns::new()), Arc::new(Gate::default()));
        let ask = || {
            let (turns, gate) = (Arc::clone(&turns), Arc::clone(&gate));
            runtime.spawn(async move { turns.take(move || gate.pass()).await })
        };
        let clients: Vec<_> = (0..AT_ONCE).map(|_| ask()).collect();
        gate.wait_for(AT_ONCE);
        for client in clients {
            client.abort();
            assert!(runtime.block_on(client).unwrap_err().is_cancelled());
        }
        // So many may wait although those left; one more is sent away.
        let waiting: Vec<_> = (0..MAY_WAIT).map(|_| ask()).collect();
        while turns.waiting.load(Ordering::Relaxed) < MAY_WAIT {
            std::thread::yield_now();
        }
        assert!(matches!(runtime.block_on(ask()).unwrap(), Err(Busy)));
        gate.open();
        for client in waiting {
            runtime.block_on(client).unwrap().unwrap().unwrap();
        }
        assert_eq!(gate.state.lock().unwrap().1, AT_ONCE, "never more at once");
    }

    #[test]
    fn pages_on_their_way_have_a_bound() {
        let turns = Turns::new();
        let large = 10 << 20;
        let rooms: Vec<Room> = std::iter::from_fn(|| turns.room(large).ok()).collect();
        assert_eq!(rooms.len(), 3);
        assert_eq!(turns.room(large).err(), Some(Busy));
        drop(rooms);
        let all = turns.room(usize::MAX).unwrap();
        assert_eq!(turns.room(1).err(), Some(Busy));
        drop(all);
        assert!(turns.room(1).is_ok());
    }
}
