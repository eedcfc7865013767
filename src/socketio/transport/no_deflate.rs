//! Without permessage-deflate: nobody is offered it.

use crate::ws::deflate::Config;

pub(super) const fn terms(_: usize) -> Option<Config> {
    None
}

pub(super) const WINDOW: u8 = 0;
