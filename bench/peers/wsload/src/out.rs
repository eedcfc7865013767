//! What a connection has still to write.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;

use crate::die;
use crate::poll::{EventFlags, Poll};

/// Octets of a ring that is written over and over.
#[derive(Default)]
pub struct Out {
    owed: usize,
    /// Where in the ring the next octet is.
    offset: usize,
    /// Whether it is told when the socket takes more.
    is_armed: bool,
}

impl Out {
    /// So many octets more are to be written.
    pub const fn owe(&mut self, octets: usize) {
        self.owed += octets;
    }

    /// Writes what is owed, as far as the socket takes it.
    pub fn pump(&mut self, mut stream: &TcpStream, poll: &Poll, at: usize, ring: &[u8]) {
        while self.owed > 0 {
            let most = self.owed.min(ring.len() - self.offset);
            match stream.write(&ring[self.offset..self.offset + most]) {
                Ok(written) => {
                    self.owed -= written;
                    self.offset = (self.offset + written) % ring.len();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if !self.is_armed {
                        self.is_armed = true;
                        poll.watch(stream, at, EventFlags::IN | EventFlags::OUT);
                    }
                    return;
                }
                Err(error) => die(&format!("send: {error}")),
            }
        }
        if self.is_armed {
            self.is_armed = false;
            poll.watch(stream, at, EventFlags::IN);
        }
    }
}
