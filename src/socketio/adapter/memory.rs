//! The adapter of a server that is alone.

use super::{Adapter, Answers, Asked, Event, Local, RemoteSocket, Target};
use crate::socketio::packet::Args;
use bytestring::ByteString;
use std::sync::Weak;
use std::time::Duration;

/// The adapter of a server that is alone: there are no others to be asked.
///
/// ```
/// use wireline::socketio::adapter::{Adapter, MemoryAdapter};
///
/// # async fn alone() {
/// let rooms = MemoryAdapter.rooms("/").await;
/// assert!(rooms.answers.is_empty() && rooms.is_complete());
/// # }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(alone());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryAdapter;

impl Adapter for MemoryAdapter {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn start(&self, _: Weak<dyn Local>) {}

    fn take(&self, _: &str) {}

    fn give_up(&self, _: &str) {}

    fn broadcast(&self, _: &Target, _: &Event) {}

    fn broadcast_with_acks(&self, _: &Target, _: &Event, _: Duration) -> Asked<Args> {
        nobody()
    }

    fn join(&self, _: &Target, _: &[ByteString]) {}

    fn leave(&self, _: &Target, _: &[ByteString]) {}

    fn disconnect(&self, _: &Target, _: bool) {}

    fn sockets(&self, _: &Target) -> Asked<RemoteSocket> {
        nobody()
    }

    fn rooms(&self, _: &str) -> Asked<ByteString> {
        nobody()
    }

    fn emit(&self, _: &str, _: &Event) {}

    fn emit_with_ack(&self, _: &str, _: &Event) -> Asked<Args> {
        nobody()
    }
}

fn nobody<T: Send + 'static>() -> Asked<T> {
    Box::pin(std::future::ready(Answers::default()))
}
