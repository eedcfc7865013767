//! Envelopes out of octets, which anybody may have written.

use super::{Change, Envelope, NODES, NUMBERS, Place, Run, Sender};
use crate::relay::cluster::words::{Answer, Operation, Parcel, Target};
use crate::relay::hub::{Present, Topic};
use bytes::{Buf, Bytes};
use std::sync::Arc;

pub(super) struct Reader(Bytes);

impl Reader {
    pub(super) const fn new(octets: Bytes) -> Self {
        Self(octets)
    }

    pub(super) fn envelope(mut self, kind: u8) -> Option<(Sender, Envelope)> {
        let node = u64::from(self.u32()?);
        let life = self.u64()?;
        if node == 0 || node >= NODES {
            return None;
        }
        let envelope = match kind {
            1 => Envelope::Message {
                place: self.place()?,
                parcel: self.parcel()?,
            },
            2 => Envelope::Mark {
                place: self.place()?,
            },
            3 => Envelope::Ask {
                id: self.u64()?,
                topics: self.list(2, Self::topic).filter(|of| of.len() <= ASKED)?,
            },
            4 => Envelope::Asked {
                id: self.u64()?,
                next: self.u64()?,
                marked: self.list(2, Self::u16)?,
            },
            5 => Envelope::Beat {
                version: self.version()?,
                digest: self.u64()?,
                next: self.u64()?,
            },
            6 => Envelope::Changes {
                version: self.version()?,
                changes: self.list(11, |reader| Some((reader.topic()?, reader.change()?)))?,
            },
            7 => Envelope::Resync,
            8 => Envelope::State {
                version: self.version()?,
                part: self.u32()?,
                is_last: self.bool()?,
                present: self.list(15, |reader| Some((reader.topic()?, reader.present()?)))?,
            },
            9 => Envelope::Operation {
                id: self.u64()?,
                asks: self.bool()?,
                operation: self.operation()?,
            },
            10 => Envelope::Answer {
                id: self.u64()?,
                answer: Answer {
                    count: self.u64()?,
                    text: self.octets()?,
                },
            },
            11 => Envelope::Leave,
            12 => Envelope::GivenUp {
                id: self.u64()?,
                count: self.u64().filter(|count| *count < NUMBERS)?,
                age: self.u32()?,
                runs: self.list(24, Self::run)?,
            },
            _ => return None,
        };
        self.0
            .is_empty()
            .then_some((Sender { node, life }, envelope))
    }

    fn operation(&mut self) -> Option<Operation> {
        Some(match self.u8()? {
            1 => Operation::PushToUser {
                user: self.string()?,
                parcel: self.parcel()?,
            },
            2 => Operation::Disconnect {
                whom: self.target()??,
                code: self.u16()?,
                reason: self.string()?,
            },
            3 => Operation::Subscribe {
                whom: self.target()??,
                topic: self.topic()?,
            },
            4 => Operation::Unsubscribe {
                whom: self.target()??,
                topic: self.topic()?,
            },
            5 => Operation::Subscribers {
                topic: self.topic()?,
            },
            6 => Operation::Connections {
                whom: self.target()?,
                most: self.u32()?,
            },
            _ => return None,
        })
    }

    /// So far below the end that it can be counted on.
    fn version(&mut self) -> Option<u64> {
        self.u64().filter(|version| *version < 1 << 62)
    }

    /// Nobody is named by 0.
    fn target(&mut self) -> Option<Option<Target>> {
        Some(match self.u8()? {
            0 => None,
            1 => Some(Target::Connection(self.u64()?)),
            2 => Some(Target::User(self.string()?)),
            _ => return None,
        })
    }

    fn place(&mut self) -> Option<Place> {
        Some(Place {
            sequence: self.u64()?,
            number: self.u64().filter(|number| *number < NUMBERS)?,
            age: self.u32()?,
        })
    }

    fn run(&mut self) -> Option<Run> {
        let run = Run {
            sequence: self.u64()?,
            first: self.u64()?,
            last: self.u64().filter(|number| *number < NUMBERS)?,
        };
        (run.first <= run.last).then_some(run)
    }

    fn parcel(&mut self) -> Option<Parcel> {
        Some(Parcel {
            is_text: self.bool()?,
            except: self.u64()?,
            payload: self.octets()?,
        })
    }

    fn change(&mut self) -> Option<Change> {
        if self.bool()? {
            self.present().map(Change::Here)
        } else {
            self.u64().map(Change::Gone)
        }
    }

    fn present(&mut self) -> Option<Present> {
        let member = self.u64()?;
        let name = if self.bool()? {
            Some(self.text()?)
        } else {
            None
        };
        Some(Present {
            member,
            name,
            meta: self.text()?,
        })
    }

    fn topic(&mut self) -> Option<Topic> {
        let len = self.u8()?;
        let octets = self.take(usize::from(len))?;
        Topic::new(std::str::from_utf8(&octets).ok()?).ok()
    }

    fn text(&mut self) -> Option<Arc<str>> {
        let octets = self.octets()?;
        std::str::from_utf8(&octets).ok().map(Arc::from)
    }

    fn string(&mut self) -> Option<String> {
        let octets = self.octets()?;
        std::str::from_utf8(&octets).ok().map(str::to_owned)
    }

    fn octets(&mut self) -> Option<Bytes> {
        let len = self.u32()?;
        self.take(usize::try_from(len).ok()?)
    }

    /// As many as it says, if that many of `least` octets each can be there.
    fn list<T>(
        &mut self,
        least: usize,
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let count = usize::try_from(self.u32()?).ok()?;
        if count > self.0.len() / least {
            return None;
        }
        (0..count).map(|_| item(self)).collect()
    }

    fn take(&mut self, len: usize) -> Option<Bytes> {
        (len <= self.0.len()).then(|| self.0.split_to(len))
    }

    /// Nothing else than 0 and 1: one thing is written in one way.
    fn bool(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn u8(&mut self) -> Option<u8> {
        self.0.try_get_u8().ok()
    }

    fn u16(&mut self) -> Option<u16> {
        self.0.try_get_u16().ok()
    }

    fn u32(&mut self) -> Option<u32> {
        self.0.try_get_u32().ok()
    }

    fn u64(&mut self) -> Option<u64> {
        self.0.try_get_u64().ok()
    }
}

/// The topics that are asked for at once, at most.
const ASKED: usize = 1 << 10;
