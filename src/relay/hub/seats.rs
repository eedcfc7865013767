//! The subscribers of a channel in one group, each at a place that stays its own.

use super::message::{Delivery, Entry, Member, Message};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Places that are taken and free.
pub(super) struct Seats<M: Message> {
    places: Vec<Option<Seat<M>>>,
    /// Lowest first, so that the high ones can be given up; numbers that are no places any more are passed over.
    free: BinaryHeap<Reverse<u32>>,
    taken: usize,
}

/// Messages of a channel in a row.
pub(super) struct Neighbours<'a, M: Message> {
    pub(super) entries: &'a [Entry<M>],
    /// The place of each, as the channel counts.
    pub(super) places: &'a [u64],
    /// The place before the first one; the last one for a run that is not counted.
    pub(super) before: u64,
}

struct Seat<M: Message> {
    member: Arc<dyn Member<M>>,
    key: u32,
    /// The last place that was delivered, or told to be missing, as its channel counts.
    last: u64,
}

impl<M: Message> Seats<M> {
    pub(super) const fn new() -> Self {
        Self {
            places: Vec::new(),
            free: BinaryHeap::new(),
            taken: 0,
        }
    }

    /// Takes a place for a member that gets what comes after `last`.
    pub(super) fn sit(&mut self, member: Arc<dyn Member<M>>, key: u32, last: u64) -> u32 {
        let seat = Some(Seat { member, key, last });
        self.taken += 1;
        while let Some(Reverse(place)) = self.free.pop() {
            if let Some(found) = self.places.get_mut(place as usize) {
                *found = seat;
                return place;
            }
        }
        self.places.push(seat);
        u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
    }

    /// Frees a place; gives who had it.
    pub(super) fn leave(&mut self, place: u32) -> Option<Arc<dyn Member<M>>> {
        let seat = self.places.get_mut(place as usize)?.take()?;
        self.taken -= 1;
        self.free.push(Reverse(place));
        while self.places.last().is_some_and(Option::is_none) {
            self.places.pop();
        }
        if self.places.is_empty() {
            self.free.clear();
        }
        Some(seat.member)
    }

    /// Who has places.
    pub(super) fn members(&self) -> impl Iterator<Item = u64> {
        self.places.iter().flatten().map(|seat| seat.member.id())
    }

    /// Whether no place is taken.
    pub(super) fn is_empty(&self) -> bool {
        self.taken == 0
    }

    /// Delivers to up to `most` places from the place `at` on; gives how many that were, and the next place, `None` after
    /// the last one.
    pub(super) fn deliver(
        &mut self,
        at: usize,
        most: usize,
        run: Neighbours<'_, M>,
        whole: &M::Run,
        has_exceptions: bool,
    ) -> (usize, Option<usize>) {
        let Neighbours {
            entries,
            places,
            before,
        } = run;
        let Some(&last) = places.last() else {
            return (0, None);
        };
        let counts = last > before;
        let end = at.saturating_add(most);
        for seat in self.places.iter_mut().take(end).skip(at).flatten() {
            // Of what is not counted, who came when there was more had what he was to have of it before.
            if (counts && seat.last >= last) || (!counts && seat.last > last) {
                continue;
            }
            // Who it is counts only where somebody is left out.
            let id = match has_exceptions {
                true => seat.member.id(),
                false => 0,
            };
            let is_new = !counts || seat.last <= before;
            let skipped = if is_new {
                0
            } else {
                // Who subscribed in the midst of the run.
                places.partition_point(|place| *place <= seat.last)
            };
            let is_whole =
                is_new && !(has_exceptions && entries.iter().any(|entry| entry.leaves_out(id)));
            let delivery = Delivery {
                // What is not counted may be delivered after one that was lost, which is told with the next one.
                missed: if is_new && counts {
                    before - seat.last
                } else {
                    0
                },
                before: (skipped.checked_sub(1))
                    .and_then(|had| places.get(had))
                    .map_or(before, |place| *place),
                member: id,
                entries: &entries[skipped..],
                whole: is_whole.then_some(whole),
            };
            if counts {
                seat.last = last;
            }
            seat.member.deliver(seat.key, &delivery);
        }
        let count = self.places.len();
        (
            end.min(count).saturating_sub(at),
            (end < count).then_some(end),
        )
    }

    /// Tells everybody who has not had them that all up to this place are lost.
    pub(super) fn lose(&mut self, last: u64) {
        for seat in self.places.iter_mut().flatten() {
            if seat.last < last {
                let delivery = Delivery {
                    missed: last - seat.last,
                    before: last,
                    member: seat.member.id(),
                    entries: &[],
                    whole: None,
                };
                seat.last = last;
                seat.member.deliver(seat.key, &delivery);
            }
        }
    }
}
