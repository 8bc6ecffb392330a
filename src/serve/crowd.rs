//! Who is here, and who leaves first when there is no more room.
//!
//! A server that lets everybody hold a connection for as long as its patience lasts is held by whoever opens enough of them.
//! So when all places are taken, a newcomer gets that of the connection that has been idle for longest: whoever asks for
//! something is served, and whoever only waits is the first to go. An address that has all the places one address may have
//! gives up one of its own. A connection with a request on the way, or a reply, is never closed for another one.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

use super::access::AccessLog;
use super::account::Account;
use super::traffic::{Cut, Traffic};

/// How long a connection may be idle, at the least, before it is closed for one from another address: time for a newcomer's
/// first request to arrive. Else connections that come in faster than that would close each other, and nobody be served.
const GRACE: Duration = Duration::from_millis(250);

/// How long to wait, at most, before it is looked anew for somebody who can leave.
const PAUSE: Duration = Duration::from_millis(20);

/// How often, at most, the log is told that there is no more room.
const TOLD_AGAIN: Duration = Duration::from_secs(60);

/// All connections.
pub(super) struct Crowd {
    most: usize,
    most_of_one: usize,
    traffic: Arc<Traffic>,
    present: Mutex<Present>,
    left: Notify,
}

#[derive(Default)]
struct Present {
    next: u64,
    places: HashMap<u64, Arc<Place>>,
    of_address: HashMap<IpAddr, usize>,
    told: Option<Instant>,
}

/// What is known of one connection.
pub(super) struct Place {
    /// Whose it is.
    pub(super) peer: IpAddr,
    /// Bytes that the system took from us on their way to the client.
    written: AtomicU64,
    /// Whether the client sent something that has not become a request yet.
    unheard: AtomicBool,
    asked: Mutex<Asked>,
    leave: Notify,
}

/// What the client waits for.
#[derive(Default)]
struct Asked {
    /// Requests whose replies are not at their end.
    replies: usize,
    /// Replies that were handed over, and of which not all may have been written.
    handed: Vec<Account>,
    /// Since when there are none.
    idle_since: Option<Instant>,
    /// Why it was asked to leave, until it has heard of it.
    leaving: Option<Cut>,
    /// Nothing more can be written.
    closed: bool,
}

impl Place {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Comes back when this connection is to be closed for the sake of another one, and is idle. To be asked by the task that
    /// serves the connection: no request can begin there meanwhile.
    pub(super) async fn asked_to_leave(&self) -> Cut {
        loop {
            self.leave.notified().await;
            let mut asked = self.asked();
            if let (Some(why), 0) = (asked.leaving.take(), asked.replies) {
                return why;
            }
        }
    }

    /// Comes back when no request has come, or has come to its end, for `patience`. One timer for a connection: hyper's own is
    /// set anew for each request, which costs as much as looking a file up.
    pub(super) async fn waited(&self, patience: Duration) {
        loop {
            let now = Instant::now();
            let until = {
                let asked = self.asked();
                let since = asked.idle_since.filter(|_| asked.replies == 0);
                since.unwrap_or(now) + patience
            };
            if until <= now {
                return;
            }
            sleep_until(until).await;
        }
    }

    /// The client sent bytes.
    pub(super) fn read(&self) {
        self.unheard.store(true, Relaxed);
    }

    /// Whether some of them belong to no request.
    pub(super) fn has_unheard(&self) -> bool {
        self.unheard.load(Relaxed)
    }

    /// A request was understood. Returns how many bytes were written before.
    pub(super) fn request_began(&self) -> u64 {
        self.unheard.store(false, Relaxed);
        self.asked().replies += 1;
        self.written.load(Relaxed)
    }

    /// Its reply is at its end.
    pub(super) fn reply_ended(&self) {
        let mut asked = self.asked();
        asked.replies -= 1;
        if asked.replies == 0 {
            asked.idle_since = Some(Instant::now());
        }
    }

    /// The system took bytes.
    pub(super) fn wrote(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Relaxed);
    }

    /// All of a reply that there will be was handed over to be written.
    pub(super) fn handed(&self, account: Account) {
        let mut asked = self.asked();
        if asked.closed {
            drop(asked);
            account.broke_off(self.written.load(Relaxed));
        } else {
            asked.handed.push(account);
        }
    }

    /// Everything that was handed over was written.
    pub(super) fn flushed(&self) {
        let settled = std::mem::take(&mut self.asked().handed);
        // Each says so here, for which the lock must be free.
        drop(settled);
    }

    /// Nothing more is written.
    pub(super) fn closed(&self) {
        let mut asked = self.asked();
        asked.closed = true;
        let unsettled = std::mem::take(&mut asked.handed);
        drop(asked);
        for account in unsettled {
            account.broke_off(self.written.load(Relaxed));
        }
    }
}

/// A place that is taken; free again when this is dropped.
pub(super) struct Seat {
    number: u64,
    pub(super) place: Arc<Place>,
    crowd: Arc<Crowd>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let address = one_of(self.place.peer);
        let mut present = self.crowd.present();
        present.places.remove(&self.number);
        if let Some(held) = present.of_address.get_mut(&address) {
            *held -= 1;
            if *held == 0 {
                present.of_address.remove(&address);
            }
        }
        drop(present);
        self.crowd.traffic.went();
        self.crowd.left.notify_one();
    }
}

enum Entry {
    Seat(Seat),
    /// No place, and there will be none.
    Refused,
    /// No place yet.
    Later,
}

impl Crowd {
    /// Room for `most` connections, and for `most_of_one` of one address.
    pub(super) fn new(most: usize, most_of_one: usize, traffic: Arc<Traffic>) -> Arc<Crowd> {
        let present = Mutex::default();
        Arc::new(Crowd { most: most.max(1), most_of_one: most_of_one.max(1), traffic, present, left: Notify::new() })
    }

    /// A place for a connection from `peer`, as soon as there is one. `None` where its address has all it may have, and all of
    /// those are busy.
    pub(super) async fn enter(self: &Arc<Self>, peer: IpAddr, log: &dyn AccessLog) -> Option<Seat> {
        loop {
            let left = self.left.notified();
            match self.try_enter(peer, log) {
                Entry::Seat(seat) => return Some(seat),
                Entry::Refused => return None,
                // Somebody leaves, or becomes idle, which nobody tells.
                Entry::Later => drop(timeout(PAUSE, left).await),
            }
        }
    }

    fn try_enter(self: &Arc<Self>, peer: IpAddr, log: &dyn AccessLog) -> Entry {
        let (address, now) = (one_of(peer), Instant::now());
        let mut present = self.present();
        let (all, held) = (present.places.len(), present.of_address.get(&address).copied().unwrap_or_default());
        if held >= self.most_of_one {
            present.tell(now, || log.crowded(held, Some(peer)));
            return match present.send_away(Cut::Address, now, |place| one_of(place.peer) == address) {
                Sent::Away => Entry::Later,
                Sent::Nobody => {
                    self.traffic.cut(Cut::Address);
                    Entry::Refused
                }
            };
        }
        if all >= self.most {
            present.tell(now, || log.crowded(all, None));
            present.send_away(Cut::Full, now - GRACE, |_| true);
            return Entry::Later;
        }
        let number = present.next;
        present.next += 1;
        let place = Arc::new(Place {
            peer,
            written: AtomicU64::new(0),
            unheard: AtomicBool::new(false),
            asked: Mutex::new(Asked { idle_since: Some(now), ..Asked::default() }),
            leave: Notify::new(),
        });
        present.places.insert(number, Arc::clone(&place));
        *present.of_address.entry(address).or_default() += 1;
        self.traffic.came();
        Entry::Seat(Seat { number, place, crowd: Arc::clone(self) })
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether somebody is leaving for a newcomer.
enum Sent {
    Away,
    Nobody,
}

impl Present {
    /// Asks the one to leave that has been idle for longest, of those that `may` and were idle by `by`. All are looked at:
    /// some thousands, in less time than a connection takes to be set up, and when there is no room alone.
    fn send_away(&self, why: Cut, by: Instant, may: impl Fn(&Place) -> bool) -> Sent {
        let mut longest: Option<(Instant, &Arc<Place>)> = None;
        for place in self.places.values().filter(|place| may(place)) {
            let asked = place.asked();
            if asked.leaving.is_some() {
                // One is enough; it needs a moment to hear of it.
                return Sent::Away;
            }
            let Some(since) = asked.idle_since.filter(|since| asked.replies == 0 && *since <= by) else { continue };
            if longest.is_none_or(|(longest, _)| since < longest) {
                longest = Some((since, place));
            }
        }
        let Some((_, place)) = longest else { return Sent::Nobody };
        place.asked().leaving = Some(why);
        place.leave.notify_one();
        Sent::Away
    }

    fn tell(&mut self, now: Instant, tell: impl FnOnce()) {
        if self.told.is_none_or(|told| now - told >= TOLD_AGAIN) {
            self.told = Some(now);
            tell();
        }
    }
}

/// Whose connections are counted together: an IPv4 address, or the 64 bits of an IPv6 address that one site is given.
pub(super) fn one_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::Unlogged;

    fn crowd(most: usize, most_of_one: usize) -> Arc<Crowd> {
        Crowd::new(most, most_of_one, Arc::default())
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Lets each of `seats` leave when it is asked to, as its connection's task would.
    async fn enter(crowd: &Arc<Crowd>, peer: &str, seats: &mut Vec<Seat>) -> Option<(Seat, Vec<Cut>)> {
        let mut left = Vec::new();
        let entered = crowd.enter(address(peer), &Unlogged);
        tokio::pin!(entered);
        loop {
            let leaving = seats.iter().map(|seat| Box::pin(seat.place.asked_to_leave()));
            if seats.is_empty() {
                return entered.await.map(|seat| (seat, left));
            }
            let (why, at, _) = tokio::select! {
                seat = &mut entered => return seat.map(|seat| (seat, left)),
                gone = futures_util::future::select_all(leaving) => gone,
            };
            left.push(why);
            drop(seats.remove(at));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_that_is_idle_for_longest_makes_room() {
        let crowd = crowd(3, 3);
        let mut seats = Vec::new();
        for peer in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
            let (seat, _) = enter(&crowd, peer, &mut Vec::new()).await.unwrap();
            seats.push(seat);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        // The first has asked for something, so the second goes.
        seats[0].place.request_began();
        let (_fourth, left) = enter(&crowd, "192.0.2.4", &mut seats).await.unwrap();
        assert_eq!(left, [Cut::Full]);
        assert_eq!(
            seats.iter().map(|seat| seat.place.peer).collect::<Vec<_>>(),
            [address("192.0.2.1"), address("192.0.2.3")]
        );
        // Its reply has ended last, so it would go last.
        seats[0].place.reply_ended();
        tokio::time::advance(Duration::from_secs(1)).await;
        let (_fifth, _) = enter(&crowd, "192.0.2.5", &mut seats).await.unwrap();
        assert_eq!(seats[0].place.peer, address("192.0.2.1"));
        assert_eq!((crowd.traffic.open(), crowd.traffic.accepted()), (3, 5));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_just_come_or_waits_for_a_reply_stays() {
        let crowd = crowd(1, 1);
        let (seat, _) = enter(&crowd, "192.0.2.1", &mut Vec::new()).await.unwrap();
        seat.place.request_began();
        let mut seats = vec![seat];
        let waits = tokio::time::timeout(Duration::from_secs(3600), enter(&crowd, "192.0.2.2", &mut seats)).await;
        assert!(waits.is_err());
        let began = Instant::now();
        seats[0].place.reply_ended();
        let (_second, left) = enter(&crowd, "192.0.2.2", &mut seats).await.unwrap();
        assert_eq!(left, [Cut::Full]);
        assert!(began.elapsed() >= GRACE);
    }

    #[tokio::test(start_paused = true)]
    async fn time_runs_while_nothing_is_asked_and_begins_anew_after_a_reply() {
        let crowd = crowd(1, 1);
        let (seat, _) = enter(&crowd, "192.0.2.1", &mut Vec::new()).await.unwrap();
        let (place, patience) = (&seat.place, Duration::from_secs(30));
        let began = Instant::now();
        let asks = async {
            tokio::time::sleep(Duration::from_secs(20)).await;
            place.request_began();
            tokio::time::sleep(Duration::from_secs(100)).await;
            place.reply_ended();
        };
        tokio::join!(place.waited(patience), asks);
        assert!((150..=151).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_gives_up_its_own() {
        let crowd = crowd(10, 2);
        let mut seats = Vec::new();
        for peer in ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"] {
            let (seat, _) = enter(&crowd, peer, &mut Vec::new()).await.unwrap();
            seats.push(seat);
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        let (third, left) = enter(&crowd, "2001:db8::3", &mut seats).await.unwrap();
        assert_eq!(left, [Cut::Address]);
        assert_eq!(seats[0].place.peer, address("2001:db8::2"));
        // All of them busy: refused at once.
        third.place.request_began();
        seats[0].place.request_began();
        assert!(enter(&crowd, "2001:db8::4", &mut seats).await.is_none());
        assert_eq!(one_of(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    }
}
