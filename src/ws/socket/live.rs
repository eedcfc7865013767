//! The protocol of a socket with its buffers, which it borrows from its thread for as long as there is something in
//! them.

use crate::resource::pool;
use crate::wire::out::Out;
use crate::ws::connection::Connection;
use crate::ws::error::SendError;
use crate::ws::message::Message;
use bytes::BytesMut;
use std::cell::RefCell;

/// The protocol and its buffers.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) connection: Connection,
    pub(super) read: BytesMut,
    pub(super) out: Option<Box<Out>>,
}

impl Live {
    pub(super) fn parts(&mut self) -> (&mut Connection, &mut Out) {
        let out = self.out.get_or_insert_with(take_out);
        (&mut self.connection, out)
    }

    pub(super) fn all(&mut self) -> (&mut Connection, &mut BytesMut, &mut Out) {
        let out = self.out.get_or_insert_with(take_out);
        (&mut self.connection, &mut self.read, out)
    }

    pub(super) fn send(&mut self, message: Message) -> Result<(), SendError> {
        let (connection, out) = self.parts();
        connection.send(message, out)
    }

    pub(super) fn waiting(&self) -> usize {
        self.out.as_ref().map_or(0, |out| out.len())
    }

    /// Gives the empty read buffer back.
    pub(super) fn rest(&mut self) {
        if self.read.capacity() > 0 {
            pool::give(std::mem::take(&mut self.read));
        }
    }
}

fn take_out() -> Box<Out> {
    OUTS.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Gives an empty output queue back to the thread.
pub(super) fn give_out(place: &mut Option<Box<Out>>) {
    if let Some(mut out) = place.take() {
        out.reset();
        OUTS.with_borrow_mut(|kept| {
            if kept.len() < KEPT {
                kept.push(out);
            }
        });
    }
}

thread_local! {
    #[expect(clippy::vec_box, reason = "the box goes round")]
    static OUTS: RefCell<Vec<Box<Out>>> = const { RefCell::new(Vec::new()) };
}

/// How many output queues a thread keeps.
const KEPT: usize = 32;
