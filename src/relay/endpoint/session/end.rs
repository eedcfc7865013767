//! The end of a connection.

use super::{Incoming, Session};
use crate::relay::endpoint::session::work::Current;
use std::future::poll_fn;
use std::task::Poll;
use tokio::runtime::Handle;

impl Session {
    /// The client has gone. It is not subscribed and not present any more from here on; then what it had sent is done, then
    /// the handlers of its topics are told, in order.
    pub(super) async fn finish_all(mut self) {
        self.give_all_back();
        self.drop_joins();
        poll_fn(|cx| {
            self.advance(cx);
            let is_done = !self.is_busy();
            if is_done {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        while let Some(leaving) = self.next_leaving() {
            self.begin(leaving);
            poll_fn(|cx| {
                self.advance(cx);
                if self.is_busy() {
                    Poll::Pending
                } else {
                    Poll::Ready(())
                }
            })
            .await;
        }
    }

    fn give_all_back(&mut self) {
        if std::mem::replace(&mut self.has_ended, true) {
            return;
        }
        // Whoever still decides about it decides for nobody.
        let current = self.work.as_mut().and_then(|work| work.current.as_mut());
        if let Some(joining) = current.and_then(Current::joining)
            && let Some(subscription) = joining.subscription.take()
        {
            self.link.outlet.exit(subscription);
        }
        let mut subs = std::mem::take(&mut self.subs);
        for sub in &mut *subs {
            self.give_back(sub);
        }
        self.subs = subs;
        self.relay().untrack_everywhere(&self.link);
        self.relay().inner.directory.remove(&self.link);
        self.link.outlet.end();
    }

    /// Nobody subscribes any more who has gone, and nobody waits for answers.
    fn drop_joins(&mut self) {
        if let Some(work) = &mut self.work {
            work.calls = super::Calls::default();
            work.waits = super::Waits::default();
            work.current.take_if(|current| current.is_attaching());
            work.incoming.retain(|incoming| match incoming {
                Incoming::Text(text) => !is_subscribe(text),
                Incoming::Attached(_) | Incoming::Command(_) => false,
                Incoming::Left(_) => true,
            });
        }
    }

    fn next_leaving(&mut self) -> Option<Current> {
        while let Some(mut sub) = self.subs.remove(0) {
            // One that was let in after the client had gone is still held.
            self.give_back(&mut sub);
            if let Some(leaving) = self.leaving(sub.topic().clone()) {
                return Some(leaving);
            }
        }
        None
    }
}

fn is_subscribe(text: &str) -> bool {
    use crate::relay::protocol::{Request, read};
    read(text).is_ok_and(|asked| matches!(asked.request, Request::Subscribe { .. }))
}

/// A connection whose task is dropped in the midst of something: what it holds is given back all the same, and the handlers are
/// told by a task of their own, if there is a runtime for it.
impl Drop for Session {
    fn drop(&mut self) {
        self.give_all_back();
        let mut leaving = Vec::new();
        if let Some(work) = &mut self.work {
            leaving.extend(work.current.take().filter(Current::is_leaving));
            let left = work.incoming.take_all().into_iter();
            let left = left.filter_map(|incoming| match incoming {
                Incoming::Left(topic) => self.leaving(topic),
                _ => None,
            });
            leaving.extend(left.collect::<Vec<_>>());
        }
        while let Some(current) = self.next_leaving() {
            leaving.push(current);
        }
        if leaving.is_empty() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                for current in leaving {
                    current.run().await;
                }
            });
        }
    }
}
