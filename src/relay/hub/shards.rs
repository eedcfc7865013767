//! The locks of a hub: whoever does something with a topic does it under that of its shard.

use super::history::Retention;
use super::message::Message;
use super::record::{Record, forget_idle};
use super::{Hub, Shard, Topic};
use crate::sync::{Mutex, MutexGuard};
use std::hash::BuildHasher;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

impl<M: Message> Hub<M> {
    /// Runs `code` with the record of a topic, which is made if there is none. What is kept of it need not be known.
    pub(super) fn with_record<T>(
        &self,
        topic: &Topic,
        code: impl FnOnce(&mut Record<M>) -> T,
    ) -> T {
        let code = match self.change(topic, code) {
            Ok(done) => return done,
            Err(code) => code,
        };
        let epoch = self.next_epoch();
        let mut shard = self.shard(topic);
        // Somebody may have been faster.
        let record = shard
            .entry(topic.clone())
            .or_insert_with(|| Record::new(epoch));
        let done = code(record);
        forget_idle(&mut shard, topic);
        done
    }

    /// The same, when it has to be known what is kept of the topic: unless somebody has asked, the configuration is, without a lock
    /// of the hub.
    pub(super) fn with_messages<T>(
        &self,
        topic: &Topic,
        keep: Option<Retention>,
        code: impl FnOnce(&mut Record<M>) -> T,
    ) -> T {
        let code = match self.change_if(topic, Record::is_asked, code) {
            Ok(done) => return done,
            Err(code) => code,
        };
        let keep = keep.unwrap_or_else(|| (self.retention)(topic));
        self.with_record(topic, |record| {
            record.answer(keep);
            code(record)
        })
    }

    /// Runs `code` with the record of a topic if there is one, and gives it back if there is none; forgets the record when
    /// nothing holds it any more.
    pub(super) fn change<T, F>(&self, topic: &Topic, code: F) -> Result<T, F>
    where
        F: FnOnce(&mut Record<M>) -> T,
    {
        self.change_if(topic, |_| true, code)
    }

    /// The same for a record that is so.
    pub(super) fn change_if<T, F>(
        &self,
        topic: &Topic,
        is_so: impl FnOnce(&Record<M>) -> bool,
        code: F,
    ) -> Result<T, F>
    where
        F: FnOnce(&mut Record<M>) -> T,
    {
        let mut shard = self.shard(topic);
        let Some(record) = shard.get_mut(topic).filter(|record| is_so(record)) else {
            return Err(code);
        };
        let done = code(record);
        forget_idle(&mut shard, topic);
        Ok(done)
    }

    /// The name as the hub has it: those who subscribe to a topic share it.
    pub(super) fn kept(&self, topic: &Topic) -> Topic {
        let shard = self.shard(topic);
        let kept = shard.get_key_value(topic).map(|(kept, _)| kept);
        kept.unwrap_or(topic).clone()
    }

    pub(super) fn shard(&self, topic: &Topic) -> MutexGuard<'_, Shard<M>> {
        let place = self.hasher.hash_one(topic.as_str());
        let count = self.shards.len() as u64;
        let place = usize::try_from(place % count).unwrap_or_default();
        lock(&self.shards[place])
    }

    pub(super) fn next_epoch(&self) -> u64 {
        self.epochs.fetch_add(1, Ordering::Relaxed)
    }
}

/// A panic of somebody's closure leaves a shard as it was before or after the call.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
