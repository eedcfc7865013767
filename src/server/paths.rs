//! The socket files of a server.

use crate::server::bind::{Listener, Listening};
use crate::server::handle::Handle;
use std::path::PathBuf;

/// Socket files that we made, removed at the end, unless another process listens there by then.
#[derive(Debug)]
pub(super) struct Paths {
    made: Vec<PathBuf>,
    handle: Handle,
}

impl Paths {
    pub(super) fn new(handle: &Handle) -> Self {
        Self {
            made: Vec::new(),
            handle: handle.clone(),
        }
    }

    pub(super) fn remember(&mut self, listener: &Listener) {
        if let Listening::Unix(_, Some(path)) = &listener.socket {
            self.made.push(path.clone());
        }
    }
}

impl Drop for Paths {
    fn drop(&mut self) {
        if self.handle.has_given_way() {
            return;
        }
        for path in &self.made {
            let _ = std::fs::remove_file(path);
        }
    }
}
