//! Random octets in stock for each thread: one system call for 256 masking keys.

use std::cell::RefCell;
use std::io;

/// Octets that nobody can predict, and that are given once.
///
/// # Errors
///
/// The system has none to give.
pub(super) fn take<const LEN: usize>() -> io::Result<[u8; LEN]> {
    STOCK.with_borrow_mut(|stock| {
        loop {
            if let Some(taken) = (stock.octets.get(stock.at..)).and_then(|rest| rest.first_chunk())
            {
                stock.at += LEN;
                return Ok(*taken);
            }
            getrandom::fill(&mut stock.octets).map_err(io::Error::other)?;
            stock.at = 0;
        }
    })
}

/// A masking key.
///
/// # Panics
///
/// When the system stops giving random octets, which it did when the socket was opened: a key that can be
/// guessed must not be used (RFC 6455 §10.3).
pub(super) fn key() -> [u8; 4] {
    take().expect("random octets for a masking key")
}

struct Stock {
    octets: [u8; STOCKED],
    at: usize,
}

thread_local! {
    static STOCK: RefCell<Stock> = const { RefCell::new(Stock { octets: [0; STOCKED], at: STOCKED }) };
}

const STOCKED: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_octets_are_given_twice() {
        let mut nonces: Vec<[u8; 16]> = (0..500).map(|_| take().expect("random octets")).collect();
        nonces.sort_unstable();
        nonces.dedup();
        assert_eq!(nonces.len(), 500);
        // Sixteen times the stock, and the chance that 2,048 keys share one of 2^32 values 5 times is nil.
        let mut keys: Vec<[u8; 4]> = (0..2048).map(|_| key()).collect();
        keys.sort_unstable();
        keys.dedup();
        assert!(keys.len() > 2043, "{} different keys", keys.len());
    }
}
