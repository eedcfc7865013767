//! Every order in which messages may be queued while the task that writes has its turn: `tests/loom.sh` runs this.
//!
//! A message that nobody writes is a deadlock here, which loom reports.

use super::*;
use crate::sync::{Mutex, model};
use loom::future::block_on;
use loom::thread;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

/// What is left of a socket without its protocol.
#[derive(Default)]
struct Socket {
    turn: Turn,
    core: Mutex<Core>,
}

#[derive(Default)]
struct Core {
    queued: usize,
    written: usize,
    task: Option<Waker>,
}

impl Socket {
    /// As a sender does.
    fn send(&self) {
        let mut core = self.core.lock().unwrap();
        core.queued += 1;
        match self.turn.news() {
            News::Seen | News::Reopens => {}
            News::Unseen => core.task.iter().for_each(Waker::wake_by_ref),
        }
    }

    /// The task, until so much was written. Its handler only receives, and nothing comes.
    fn drive(&self, wanted: usize) {
        block_on(poll_fn(|cx| {
            self.core.lock().unwrap().task = Some(cx.waker().clone());
            self.turn.begin();
            {
                let core = self.core.lock().unwrap();
                if core.queued == 0 {
                    self.turn.settle();
                }
            }
            if self.turn.end() {
                return Poll::Pending;
            }
            let mut core = self.core.lock().unwrap();
            core.written += std::mem::take(&mut core.queued);
            if core.written == wanted {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }));
        // It refers to this thread.
        self.core.lock().unwrap().task = None;
    }
}

#[test]
fn whatever_is_queued_is_written() {
    model(|| {
        let socket = Arc::new(Socket::default());
        let sends = |count: usize| {
            let socket = socket.clone();
            thread::spawn(move || (0..count).for_each(|_| socket.send()))
        };
        let senders = [sends(2), sends(1)];
        socket.drive(3);
        for sender in senders {
            sender.join().unwrap();
        }
        assert_eq!(socket.core.lock().unwrap().queued, 0);
    });
}
