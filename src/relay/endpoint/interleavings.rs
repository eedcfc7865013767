//! Every order in which threads may come to the lock of a mailbox and to its socket, tried by loom: `tests/loom.sh` runs these.
//!
//! A connection's task that is never woken again is a deadlock here, which loom reports.

use super::mailbox::Mailbox;
use super::outlet::Terms;
use super::overflow::NO_SUBSCRIPTION;
use crate::sync::model;
use crate::ws::prepared::Prepared;
use crate::ws::socket::Delivered;
use loom::future::block_on;
use loom::sync::Mutex;
use loom::thread;
use std::future::poll_fn;
use std::iter::once;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// A connection: its mailbox, and a socket whose peer reads as slowly as a test says.
struct Line {
    mailbox: Mailbox,
    socket: Mutex<Socket>,
    terms: Terms,
    /// How many messages there will be.
    wanted: usize,
}

#[derive(Default)]
struct Socket {
    written: Vec<String>,
    room: usize,
    /// Whom to wake when there is room again.
    waits: Option<Waker>,
    /// Whom to wake when everything was written. Nobody else is told of what others write.
    ends: Option<Waker>,
}

impl Line {
    fn new(room: usize, wanted: usize) -> Arc<Self> {
        let socket = Socket {
            room,
            ..Socket::default()
        };
        Arc::new(Self {
            mailbox: Mailbox::default(),
            socket: Mutex::new(socket),
            terms: Terms::default(),
            wanted,
        })
    }

    fn write(&self, message: &Prepared, cx: Option<&Context<'_>>) -> Delivered {
        let mut socket = self.socket.lock().unwrap();
        if socket.room == 0 {
            if let Some(cx) = cx {
                socket.waits = Some(cx.waker().clone());
            }
            return Delivered::Full;
        }
        socket.room -= 1;
        let text = str::from_utf8(message.payload()).unwrap();
        socket.written.push(text.to_owned());
        let is_all = socket.written.len() == self.wanted;
        let ends = socket.ends.take_if(|_| is_all);
        drop(socket);
        ends.into_iter().for_each(Waker::wake);
        Delivered::Taken
    }

    /// What whoever delivers does with each message of a subscription, or with one that belongs to none.
    fn deliver(&self, key: u32, text: &str) {
        let message = Prepared::text(text);
        if self.mailbox.passes(key, || self.write(&message, None)) {
            return;
        }
        let put_off = if key == NO_SUBSCRIPTION {
            self.mailbox.put_off_one(&message, &self.terms)
        } else {
            let messages = once((&message, 1, true));
            self.mailbox.put_off(key, (0, 0), messages, &self.terms)
        };
        assert!(put_off.dropped == 0 && !put_off.is_over);
        put_off.waker.into_iter().for_each(Waker::wake);
    }

    /// The peer has read one message.
    fn read(&self) {
        let mut socket = self.socket.lock().unwrap();
        socket.room += 1;
        let waits = socket.waits.take();
        drop(socket);
        waits.into_iter().for_each(Waker::wake);
    }

    /// Runs the connection's task until everything was written. `before` is done first each time.
    fn run(&self, mut before: impl FnMut(&Context<'_>)) {
        block_on(poll_fn(|cx| {
            self.mailbox.listen(cx, false);
            before(cx);
            self.mailbox.flush(
                |_, message| self.write(message, Some(cx)),
                |_, _| Vec::new(),
            );
            let mut socket = self.socket.lock().unwrap();
            if socket.written.len() == self.wanted {
                return Poll::Ready(());
            }
            socket.ends = Some(cx.waker().clone());
            Poll::Pending
        }));
    }

    fn written(&self) -> Vec<String> {
        self.socket.lock().unwrap().written.clone()
    }
}

/// Does something with the line in a thread of its own.
fn beside(line: &Arc<Line>, code: impl FnOnce(&Line) + 'static) -> thread::JoinHandle<()> {
    let line = line.clone();
    thread::spawn(move || code(&line))
}

#[test]
fn what_waits_is_sent_in_its_turn_and_nobody_is_forgotten() {
    model(|| {
        let line = Line::new(1, 3);
        let group = beside(&line, |line| {
            for text in ["a", "b", "c"] {
                line.deliver(1, text);
            }
        });
        let peer = beside(&line, |line| {
            line.read();
            line.read();
        });
        line.run(|_| {});
        group.join().unwrap();
        peer.join().unwrap();
        assert_eq!(line.written(), ["a", "b", "c"]);
        assert_eq!(line.mailbox.gathered(), 0);
    });
}

#[test]
fn what_belongs_to_no_subscription_changes_no_order() {
    model(|| {
        let line = Line::new(2, 3);
        let group = beside(&line, |line| {
            for text in ["a", "b"] {
                line.deliver(1, text);
            }
        });
        let other = beside(&line, |line| {
            line.deliver(NO_SUBSCRIPTION, "x");
            line.read();
        });
        line.run(|_| {});
        group.join().unwrap();
        other.join().unwrap();
        let mut written = line.written();
        written.retain(|text| text != "x");
        assert_eq!(written, ["a", "b"]);
        assert_eq!(line.mailbox.gathered(), 0);
    });
}

#[test]
fn nothing_of_a_subscription_comes_before_it_is_confirmed() {
    model(|| {
        let line = Line::new(1, 3);
        line.mailbox.hold(1);
        let group = beside(&line, |line| {
            for text in ["a", "b"] {
                line.deliver(1, text);
            }
        });
        let peer = beside(&line, |line| {
            line.read();
            line.read();
        });
        let mut is_confirmed = false;
        line.run(|cx| {
            if !is_confirmed {
                let said = line.write(&Prepared::text("subscribed"), Some(cx));
                assert_eq!(said, Delivered::Taken);
                line.mailbox.release(1);
                is_confirmed = true;
            }
        });
        group.join().unwrap();
        peer.join().unwrap();
        assert_eq!(line.written(), ["subscribed", "a", "b"]);
    });
}
