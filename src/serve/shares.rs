//! How many requests of HTTP/2 may be under way, each of which may have a file open and some of it in memory.
//!
//! One connection brings a hundred of them, so the bounds on connections bound them by too little. Nobody waits here: what waited
//! would be kept in memory.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::crowd::one_of;
use super::server::Limits;

/// All there are.
pub(super) struct Shares {
    most: usize,
    most_of_one: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    of_address: HashMap<IpAddr, usize>,
}

impl Shares {
    /// As many as connections, of all and of one address.
    pub(super) fn new(limits: Limits) -> Arc<Shares> {
        let (most, most_of_one) = (limits.connections.max(1), limits.of_one_address.max(1));
        Arc::new(Shares { most, most_of_one, taken: Mutex::default() })
    }

    /// For a request from `peer`; `None` where there is none left, or none for its address.
    pub(super) fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Share> {
        let address = one_of(peer);
        let mut taken = self.taken();
        let held = taken.of_address.get(&address).copied().unwrap_or_default();
        if taken.all >= self.most || held >= self.most_of_one {
            return None;
        }
        taken.all += 1;
        taken.of_address.insert(address, held + 1);
        Some(Share { address, shares: Arc::clone(self) })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of them; given back when this is dropped.
pub(super) struct Share {
    address: IpAddr,
    shares: Arc<Shares>,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.taken();
        taken.all -= 1;
        if let Some(held) = taken.of_address.get_mut(&self.address) {
            *held -= 1;
            if *held == 0 {
                taken.of_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_cannot_take_all_and_all_have_a_bound() {
        let shares = Shares::new(Limits { connections: 5, of_one_address: 2, ..Limits::default() });
        let take = |peer: &str| shares.take(peer.parse().unwrap());
        let taken: Vec<_> = (0..4).filter_map(|number| take(&format!("2001:db8::{number}"))).collect();
        assert_eq!(taken.len(), 2, "64 bits of an address count as one");
        let others: Vec<_> = (0..9).filter_map(|number| take(&format!("192.0.2.{number}"))).collect();
        assert_eq!(others.len(), 3);
        drop(others);
        assert!(take("2001:db8::9").is_none() && take("192.0.2.1").is_some());
        drop(taken);
        assert!(take("2001:db8::9").is_some());
        assert!(shares.taken().of_address.is_empty());
    }
}
