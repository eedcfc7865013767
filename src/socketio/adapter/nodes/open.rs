//! A question that waits for answers.

use super::{MOST, Nodes};
use crate::socketio::adapter::Answers;
use crate::socketio::adapter::words::Says;
use bytestring::ByteString;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The other nodes.
#[derive(Clone, Debug, Default)]
pub(in crate::socketio::adapter) struct Others {
    /// How many there are.
    pub(in crate::socketio::adapter) count: usize,
    /// Their names, if they are known.
    pub(in crate::socketio::adapter) names: BTreeSet<ByteString>,
}

#[derive(Debug)]
pub(super) struct Open {
    /// Whether nodes say how many answers of sockets there will be.
    counts_sockets: bool,
    gathered: Mutex<Gathered>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Gathered {
    /// Who was asked, once it is known.
    others: Option<Others>,
    says: Vec<Says>,
    /// Who has answered, of those who say their names.
    from: BTreeSet<ByteString>,
    /// How many nodes have answered.
    nodes: usize,
    /// How many sockets are to answer.
    sockets: u64,
    octets: usize,
}

impl Open {
    pub(super) fn new(counts_sockets: bool) -> Self {
        Self {
            counts_sockets,
            gathered: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Says who was asked.
    pub(super) fn expect(&self, others: Others) {
        self.gathered().others = Some(others);
    }

    /// Takes an answer.
    pub(super) fn answered(&self, from: Option<ByteString>, says: Says, octets: usize) {
        let mut gathered = self.gathered();
        let is_ack = matches!(says, Says::Ack(_));
        let is_about_sockets = matches!(says, Says::Ack(_) | Says::Count(_));
        if is_about_sockets != self.counts_sockets {
            return;
        }
        if gathered.octets + octets > MOST_OCTETS {
            return;
        }
        gathered.octets += octets;
        if !is_ack {
            if from.is_some_and(|from| !gathered.from.insert(from)) {
                return;
            }
            gathered.nodes += 1;
        }
        match says {
            Says::Count(count) => gathered.sockets = gathered.sockets.saturating_add(count),
            says => gathered.says.push(says),
        }
        drop(gathered);
        self.changed.notify_one();
    }

    /// Waits until everybody has answered.
    pub(super) async fn complete(&self) {
        while self.missing(&self.gathered()) > 0 {
            self.changed.notified().await;
        }
    }

    fn missing(&self, gathered: &Gathered) -> usize {
        let Some(others) = &gathered.others else {
            // Nobody knows, but it is not all.
            return 1;
        };
        let nodes = others.count.saturating_sub(gathered.nodes);
        if !self.counts_sockets {
            return nodes;
        }
        let sockets = usize::try_from(gathered.sockets).unwrap_or(usize::MAX);
        nodes.saturating_add(sockets.saturating_sub(gathered.says.len()))
    }

    /// What there is.
    pub(super) fn answers<T>(&self, pick: fn(Says) -> Vec<T>) -> Answers<T> {
        let mut gathered = self.gathered();
        let missing = self.missing(&gathered);
        let others = gathered.others.take().unwrap_or_default();
        let names = others.names.difference(&gathered.from);
        let missing_nodes = names.map(ToString::to_string).collect();
        let says = std::mem::take(&mut gathered.says);
        Answers {
            answers: says.into_iter().flat_map(pick).collect(),
            nodes: others.count,
            missing,
            missing_nodes,
        }
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question is open while this lives.
pub(super) struct Guard {
    nodes: Arc<Nodes>,
    id: ByteString,
}

impl Guard {
    /// Nothing when too many are open.
    pub(super) fn new(nodes: &Arc<Nodes>, open: Arc<Open>) -> Option<Self> {
        let mut all = nodes.open();
        if all.len() >= MOST {
            return None;
        }
        let number = nodes.asked.fetch_add(1, Ordering::Relaxed);
        let id = ByteString::from(format!("{}-{number:x}", nodes.own));
        all.insert(id.clone(), open);
        drop(all);
        Some(Self {
            nodes: nodes.clone(),
            id,
        })
    }

    pub(super) const fn id(&self) -> &ByteString {
        &self.id
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.nodes.open().remove(&self.id);
    }
}

/// What may be gathered of the answers to one question.
const MOST_OCTETS: usize = 64 << 20;
