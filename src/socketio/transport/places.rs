//! How many sessions there may be that hold no connection.

use crate::wire::ip;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Places for sessions, all in all and by address.
pub(super) struct Places {
    most: usize,
    most_by_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A place that is taken until this is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    address: Option<IpAddr>,
}

impl Places {
    pub(super) fn new(most: usize, most_by_address: usize) -> Self {
        Self {
            most,
            most_by_address,
            taken: Mutex::default(),
        }
    }

    /// A place, if one is free. Whoever has no address shares those of all.
    pub(super) fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Place> {
        let address = address.map(ip::client);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.most {
            return None;
        }
        if let Some(address) = address {
            let count = taken.by_address.get(&address).copied().unwrap_or_default();
            if count >= self.most_by_address {
                return None;
            }
            taken.by_address.insert(address, count + 1);
        }
        taken.all += 1;
        drop(taken);
        Some(Place {
            places: self.clone(),
            address,
        })
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let taken = self.places.taken.lock();
        let mut taken = taken.unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        let Some(address) = self.address else {
            return;
        };
        let count = taken.by_address.get(&address).copied().unwrap_or_default();
        if count > 1 {
            taken.by_address.insert(address, count - 1);
        } else {
            taken.by_address.remove(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back() {
        let places = Arc::new(Places::new(3, 2));
        let address = |text: &str| ip::ip(text.as_bytes());
        let first = places.take(address("2001:db8::1")).unwrap();
        let _second = places.take(address("2001:db8::2")).unwrap();
        assert!(places.take(address("2001:db8::3")).is_none(), "one network");
        let _third = places.take(address("192.0.2.1")).unwrap();
        assert!(places.take(None).is_none(), "all are taken");
        drop(first);
        let again = places.take(address("2001:db8::3")).unwrap();
        drop(again);
        drop(places.take(None).unwrap());
        assert_eq!(places.taken.lock().unwrap().by_address.len(), 2);
    }
}
