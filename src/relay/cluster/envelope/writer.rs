//! Envelopes as octets.

use super::{Change, Envelope, Place, Sender};
use crate::relay::cluster::words::{Operation, Parcel, Target};
use crate::relay::hub::{Present, Topic};
use bytes::{BufMut, BytesMut};

pub(super) fn write(envelope: &Envelope, sender: Sender, to: &mut BytesMut) {
    to.put_u32(u32::try_from(sender.node).unwrap_or(u32::MAX));
    to.put_u64(sender.life);
    match envelope {
        Envelope::Message { place, parcel } => {
            put_place(*place, to);
            put_parcel(parcel, to);
        }
        Envelope::Mark { place } => put_place(*place, to),
        Envelope::GivenUp {
            id,
            count,
            age,
            runs,
        } => {
            to.put_u64(*id);
            to.put_u64(*count);
            to.put_u32(*age);
            put_count(runs.len(), to);
            for run in runs {
                to.put_u64(run.sequence);
                to.put_u64(run.first);
                to.put_u64(run.last);
            }
        }
        Envelope::Ask { id, topics } => {
            to.put_u64(*id);
            put_count(topics.len(), to);
            topics.iter().for_each(|topic| put_topic(topic, to));
        }
        Envelope::Asked { id, next, marked } => {
            to.put_u64(*id);
            to.put_u64(*next);
            put_count(marked.len(), to);
            marked.iter().for_each(|place| to.put_u16(*place));
        }
        Envelope::Beat {
            version,
            digest,
            next,
        } => {
            to.put_u64(*version);
            to.put_u64(*digest);
            to.put_u64(*next);
        }
        Envelope::Changes { version, changes } => {
            to.put_u64(*version);
            put_count(changes.len(), to);
            for (topic, change) in changes {
                put_topic(topic, to);
                match change {
                    Change::Gone(member) => {
                        to.put_u8(0);
                        to.put_u64(*member);
                    }
                    Change::Here(present) => {
                        to.put_u8(1);
                        put_present(present, to);
                    }
                }
            }
        }
        Envelope::Resync | Envelope::Leave => {}
        Envelope::State {
            version,
            part,
            is_last,
            present,
        } => {
            to.put_u64(*version);
            to.put_u32(*part);
            to.put_u8(u8::from(*is_last));
            put_count(present.len(), to);
            for (topic, present) in present {
                put_topic(topic, to);
                put_present(present, to);
            }
        }
        Envelope::Operation {
            id,
            asks,
            operation,
        } => {
            to.put_u64(*id);
            to.put_u8(u8::from(*asks));
            put_operation(operation, to);
        }
        Envelope::Answer { id, answer } => {
            to.put_u64(*id);
            to.put_u64(answer.count);
            put_octets(&answer.text, to);
        }
    }
}

fn put_operation(operation: &Operation, to: &mut BytesMut) {
    match operation {
        Operation::PushToUser { user, parcel } => {
            to.put_u8(1);
            put_octets(user.as_bytes(), to);
            put_parcel(parcel, to);
        }
        Operation::Disconnect { whom, code, reason } => {
            to.put_u8(2);
            put_target(whom, to);
            to.put_u16(*code);
            put_octets(reason.as_bytes(), to);
        }
        Operation::Subscribe { whom, topic } => {
            to.put_u8(3);
            put_target(whom, to);
            put_topic(topic, to);
        }
        Operation::Unsubscribe { whom, topic } => {
            to.put_u8(4);
            put_target(whom, to);
            put_topic(topic, to);
        }
        Operation::Subscribers { topic } => {
            to.put_u8(5);
            put_topic(topic, to);
        }
        Operation::Connections { whom, most } => {
            to.put_u8(6);
            match whom {
                None => to.put_u8(0),
                Some(whom) => put_target(whom, to),
            }
            to.put_u32(*most);
        }
    }
}

fn put_target(target: &Target, to: &mut BytesMut) {
    match target {
        Target::Connection(connection) => {
            to.put_u8(1);
            to.put_u64(*connection);
        }
        Target::User(user) => {
            to.put_u8(2);
            put_octets(user.as_bytes(), to);
        }
    }
}

fn put_place(place: Place, to: &mut BytesMut) {
    to.put_u64(place.sequence);
    to.put_u64(place.number);
    to.put_u32(place.age);
}

fn put_parcel(parcel: &Parcel, to: &mut BytesMut) {
    to.put_u8(u8::from(parcel.is_text));
    to.put_u64(parcel.except);
    put_octets(&parcel.payload, to);
}

fn put_present(present: &Present, to: &mut BytesMut) {
    to.put_u64(present.member);
    match &present.name {
        None => to.put_u8(0),
        Some(name) => {
            to.put_u8(1);
            put_octets(name.as_bytes(), to);
        }
    }
    put_octets(present.meta.as_bytes(), to);
}

/// A topic has at most 255 octets.
fn put_topic(topic: &Topic, to: &mut BytesMut) {
    to.put_u8(u8::try_from(topic.as_str().len()).unwrap_or(u8::MAX));
    to.put_slice(topic.as_str().as_bytes());
}

fn put_octets(octets: &[u8], to: &mut BytesMut) {
    put_count(octets.len(), to);
    to.put_slice(octets);
}

/// What is longer is not read, as its length does not come out.
fn put_count(count: usize, to: &mut BytesMut) {
    to.put_u32(u32::try_from(count).unwrap_or(u32::MAX));
}
