//! Configurations that are equal are one: a route makes its own anew for every socket.

use crate::ws::socket::config::Config;
use std::cell::RefCell;
use std::sync::Arc;

impl Config {
    /// The same, shared with other sockets of this thread where it can be.
    pub(crate) fn shared(config: Arc<Self>) -> Arc<Self> {
        KNOWN.with_borrow_mut(|known| {
            if let Some(same) = known.iter().find(|known| ***known == *config) {
                return same.clone();
            }
            if known.len() == MOST {
                known.remove(0);
            }
            known.push(config.clone());
            config
        })
    }
}

thread_local! {
    static KNOWN: RefCell<Vec<Arc<Config>>> = const { RefCell::new(Vec::new()) };
}

/// More routes with different configurations than a server has; any others have one for each socket.
const MOST: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_configurations_are_one_and_few_are_kept() {
        let shared = |config: &Config| Config::shared(Arc::new(config.clone()));
        let default = Config::default();
        assert!(Arc::ptr_eq(&shared(&default), &shared(&default)));
        for queue in 0..2 * MOST {
            let other = Config {
                queue,
                ..Config::default()
            };
            assert_eq!(shared(&other).queue, queue);
            assert!(Arc::ptr_eq(&shared(&other), &shared(&other)));
        }
        assert_eq!(KNOWN.with_borrow(Vec::len), MOST);
    }
}
