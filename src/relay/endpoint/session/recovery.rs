//! What came before a subscription, on its way out: one page after the other, so that whoever reads slowly does not hold a whole
//! history.

use crate::relay::endpoint::outlet::Outlet;
use crate::relay::hub::{Entry, Recovered, Resume, Topic};
use crate::relay::protocol::Reply;
use crate::ws::prepared::Prepared;
use std::vec;

pub(super) struct Recovery {
    key: u32,
    /// The page that is being sent.
    pub(super) entries: vec::IntoIter<Entry<Prepared>>,
    rest: Option<Rest>,
    /// What has no offset, behind all pages.
    early: Vec<Entry<Prepared>>,
}

/// What is still to be read: of this life of the topic, behind one offset, up to another.
struct Rest {
    topic: Topic,
    epoch: u64,
    after: u64,
    until: u64,
}

impl Recovery {
    /// Of a subscription that comes after nothing.
    pub(super) fn nothing(key: u32) -> Self {
        Self {
            key,
            entries: Vec::new().into_iter(),
            rest: None,
            early: Vec::new(),
        }
    }

    /// Of one that begins with a page, and what has no offset.
    pub(super) fn new(
        key: u32,
        conn_id: u64,
        topic: &Topic,
        recovered: Recovered<Prepared>,
        early: Vec<Entry<Prepared>>,
    ) -> Self {
        let rest = (recovered.later > 0).then(|| Rest {
            topic: topic.clone(),
            epoch: recovered.epoch,
            after: recovered.offset.saturating_sub(recovered.later),
            until: recovered.offset,
        });
        Self {
            key,
            entries: own_as_skipped(conn_id, topic, recovered.entries).into_iter(),
            rest,
            early: own_as_skipped(conn_id, topic, early),
        }
    }

    pub(super) const fn key(&self) -> u32 {
        self.key
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len() + self.early.len()
    }

    /// Goes on with what is next; `false` when that was all.
    pub(super) fn turn(&mut self, outlet: &Outlet) -> bool {
        let Some(mut rest) = self.rest.take() else {
            self.entries = std::mem::take(&mut self.early).into_iter();
            return self.entries.len() > 0;
        };
        let (hub, now) = (outlet.relay().hub(), outlet.relay().now());
        let resume = Resume::Since {
            epoch: rest.epoch,
            offset: rest.after,
        };
        let page = hub.history_page(&rest.topic, resume, PAGE, now);
        let is_same = page.epoch == rest.epoch;
        let mut is_last = page.later == 0;
        let mut entries = Vec::with_capacity(page.entries.len() + 1);
        // What has been given up since the subscription began is told where it was.
        let tell = |entries: &mut Vec<_>, rest: &Rest, offset: u64| {
            if rest.after < offset {
                outlet.relay().counters().lagged();
                entries.push(gap(rest, offset));
            }
        };
        for entry in page.entries {
            if !is_same || entry.offset > rest.until {
                is_last = true;
                break;
            }
            tell(&mut entries, &rest, entry.offset.saturating_sub(entry.span));
            rest.after = entry.offset;
            entries.push(entry);
        }
        if is_last {
            tell(&mut entries, &rest, rest.until);
            rest.after = rest.until;
        }
        self.entries = own_as_skipped(outlet.id(), &rest.topic, entries).into_iter();
        self.rest = (rest.after < rest.until).then_some(rest);
        true
    }
}

/// What is missing up to an offset.
fn gap(rest: &Rest, offset: u64) -> Entry<Prepared> {
    let missed = offset - rest.after;
    let lagged = Reply::Lagged {
        topic: &rest.topic,
        missed,
        counts: true,
        offsets: Some((rest.epoch, rest.after + 1, offset)),
    };
    Entry {
        offset,
        span: missed,
        at: 0,
        except: 0,
        message: Prepared::text(&lagged.text(None)),
    }
}

/// What this connection was left out of stays so when it subscribes again.
fn own_as_skipped(
    conn_id: u64,
    topic: &Topic,
    mut entries: Vec<Entry<Prepared>>,
) -> Vec<Entry<Prepared>> {
    entries.retain(|entry| entry.except != conn_id || entry.span > 0);
    for entry in &mut entries {
        if entry.except == conn_id {
            let count = entry.span;
            let skipped = Reply::Skipped { topic, count };
            entry.message = Prepared::text(&skipped.text(None));
        }
    }
    entries
}

/// The messages of a page.
pub(super) const PAGE: usize = 256;
