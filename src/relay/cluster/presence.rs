//! Who is present: each node has the word for its own connections, and the others keep a copy of what it says.
//!
//! A node counts its changes. One that follows the last is applied; when one is missing, or the checksum of a copy is another, the
//! whole is asked for. So whatever was lost, a copy that has heard of the last change is the same as what it is a copy of.

use super::envelope::{Change, Envelope};
use crate::relay::hub::{Present, Topic};
use std::collections::{BTreeMap, VecDeque};

type Members = BTreeMap<(Topic, u64), Present>;

/// Who is present on this node.
#[derive(Debug, Default)]
pub(super) struct Own {
    version: u64,
    digest: u64,
    members: Members,
    /// What the others have not been told, up to the version.
    untold: VecDeque<(Topic, Change)>,
    octets: usize,
    /// What is being told to those who asked.
    state: Option<State>,
    /// Somebody has asked.
    pub(super) is_wanted: bool,
    /// When the whole was told for the last time.
    pub(super) told_at: Option<u64>,
}

#[derive(Debug)]
struct State {
    version: u64,
    part: u32,
    left: VecDeque<(Topic, Present)>,
}

impl Own {
    pub(super) fn change(&mut self, topic: &Topic, change: Change, is_up: bool) {
        let before = match &change {
            Change::Here(present) => {
                let place = (topic.clone(), present.member);
                if self.members.get(&place) == Some(present) {
                    return;
                }
                self.digest = self.digest.wrapping_add(digest(topic, present));
                self.members.insert(place, present.clone())
            }
            Change::Gone(member) => {
                let before = self.members.remove(&(topic.clone(), *member));
                if before.is_none() {
                    return;
                }
                before
            }
        };
        if let Some(before) = before {
            self.digest = self.digest.wrapping_sub(digest(topic, &before));
        }
        self.version += 1;
        if is_up && self.octets < UNTOLD {
            self.octets += weight(topic, &change);
            self.untold.push_back((topic.clone(), change));
        } else {
            // The next beat shows that something is missing.
            self.forget_untold();
        }
    }

    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    pub(super) const fn digest(&self) -> u64 {
        self.digest
    }

    /// What the others are to be told next, if anything has changed.
    pub(super) fn changes(&mut self) -> Option<Envelope> {
        if self.untold.is_empty() {
            return None;
        }
        let version = self.version + 1 - self.untold.len() as u64;
        let (mut changes, mut octets) = (Vec::new(), 0);
        while octets < PART {
            let Some((topic, change)) = self.untold.pop_front() else {
                break;
            };
            octets += weight(&topic, &change);
            changes.push((topic, change));
        }
        self.octets = self.octets.saturating_sub(octets);
        Some(Envelope::Changes { version, changes })
    }

    /// Begins to tell the whole, unless that is being done.
    pub(super) fn begin(&mut self, now: u64) {
        if self.state.is_some() || !std::mem::take(&mut self.is_wanted) {
            return;
        }
        self.told_at = Some(now);
        let members = self.members.iter();
        self.state = Some(State {
            version: self.version,
            part: 0,
            left: members
                .map(|((topic, _), present)| (topic.clone(), present.clone()))
                .collect(),
        });
    }

    pub(super) const fn is_telling(&self) -> bool {
        self.state.is_some()
    }

    /// The next part of the whole.
    pub(super) fn part(&mut self) -> Option<Envelope> {
        let state = self.state.as_mut()?;
        let (mut present, mut octets) = (Vec::new(), 0);
        while octets < PART {
            let Some((topic, one)) = state.left.pop_front() else {
                break;
            };
            octets += weight_of(&topic, &one);
            present.push((topic, one));
        }
        let part = state.part;
        state.part += 1;
        let (version, is_last) = (state.version, state.left.is_empty());
        if is_last {
            self.state = None;
        }
        Some(Envelope::State {
            version,
            part,
            is_last,
            present,
        })
    }

    /// There is no connection: nothing is told.
    pub(super) fn down(&mut self) {
        self.state = None;
        self.is_wanted = false;
        self.forget_untold();
    }

    fn forget_untold(&mut self) {
        self.untold = VecDeque::new();
        self.octets = 0;
    }
}

/// A copy of who is present on another node.
#[derive(Debug, Default)]
pub(super) struct Theirs {
    version: u64,
    digest: u64,
    members: Members,
    /// When the whole was asked for.
    asked_at: Option<u64>,
    loading: Option<Loading>,
    /// Changes that follow what is being loaded.
    later: BTreeMap<u64, (Topic, Change)>,
    /// What the copy and those changes count, and what is being loaded.
    octets: usize,
    loading_octets: usize,
    /// Whether there was no room for all of it.
    is_cut: bool,
}

#[derive(Debug)]
struct Loading {
    version: u64,
    next: u32,
    members: Members,
}

/// What has become of a copy.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// What has changed in it.
    pub(super) changes: Vec<(Topic, Change)>,
    /// Whether the whole has to be asked for.
    pub(super) wants_all: bool,
}

impl Theirs {
    /// The node says how it stands.
    pub(super) fn beat(&mut self, version: u64, digest: u64, now: u64) -> Outcome {
        let mut outcome = Outcome::default();
        if version > self.version || (version == self.version && digest != self.digest) {
            outcome.wants_all = self.ask(now);
        }
        outcome
    }

    pub(super) fn changes(
        &mut self,
        first: u64,
        changes: Vec<(Topic, Change)>,
        (now, most): (u64, usize),
    ) -> Outcome {
        let mut outcome = Outcome::default();
        for (version, (topic, change)) in (first..).zip(changes) {
            if version <= self.version || self.later.len() >= LATER {
                continue;
            }
            let weight = held(&topic, &change);
            if self.octets + weight > most {
                self.is_cut = true;
                break;
            }
            self.octets += weight;
            if let Some((topic, change)) = self.later.insert(version, (topic, change)) {
                self.octets -= held(&topic, &change);
            }
        }
        self.catch_up(&mut outcome);
        if !self.later.is_empty() {
            outcome.wants_all = self.ask(now);
        }
        outcome
    }

    pub(super) fn state(
        &mut self,
        version: u64,
        part: u32,
        is_last: bool,
        present: Vec<(Topic, Present)>,
        (now, most): (u64, usize),
    ) -> Outcome {
        let mut outcome = Outcome::default();
        // What nobody here has asked for is of use only if it is news.
        if version < self.version || (version == self.version && self.asked_at.is_none()) {
            return outcome;
        }
        if part == 0 {
            self.loading_octets = 0;
            self.loading = Some(Loading {
                version,
                next: 0,
                members: Members::new(),
            });
        }
        let Some(loading) = &mut self.loading else {
            return outcome;
        };
        if loading.version != version
            || loading.next != part
            || loading.members.len() + present.len() > MOST
        {
            // The next beat shows that it has to be asked for again.
            self.drop_loading();
            return outcome;
        }
        let octets = present.iter();
        let octets = octets.map(|(topic, present)| held_of(topic, present));
        self.loading_octets += octets.sum::<usize>();
        if self.loading_octets > most {
            self.is_cut = true;
            self.drop_loading();
            return outcome;
        }
        loading.next += 1;
        let members = present
            .into_iter()
            .map(|(topic, present)| ((topic, present.member), present));
        loading.members.extend(members);
        if !is_last {
            return outcome;
        }
        let Some(loading) = self.loading.take() else {
            return outcome;
        };
        self.asked_at = None;
        self.is_cut = false;
        self.loading_octets = 0;
        self.version = version;
        self.replace(loading.members, &mut outcome);
        self.later.retain(|later, _| *later > version);
        self.count_octets();
        self.catch_up(&mut outcome);
        if !self.later.is_empty() {
            outcome.wants_all = self.ask(now);
        }
        outcome
    }

    /// The node is gone.
    pub(super) fn clear(&mut self) -> Vec<(Topic, Change)> {
        let mut outcome = Outcome::default();
        self.replace(Members::new(), &mut outcome);
        *self = Self::default();
        outcome.changes
    }

    /// What it counts.
    pub(super) const fn octets(&self) -> usize {
        self.octets + self.loading_octets
    }

    fn drop_loading(&mut self) {
        self.loading = None;
        self.loading_octets = 0;
    }

    fn count_octets(&mut self) {
        let members = self.members.iter();
        let members = members.map(|((topic, _), present)| held_of(topic, present));
        let later = self.later.values();
        let later = later.map(|(topic, change)| held(topic, change));
        self.octets = members.chain(later).sum();
    }

    fn ask(&mut self, now: u64) -> bool {
        // What there was no room for will hardly have any in a second.
        let rest = if self.is_cut { ASK_LATER } else { ASK_AGAIN };
        if self.asked_at.is_some_and(|at| now < at + rest) {
            return false;
        }
        self.asked_at = Some(now);
        true
    }

    /// Applies what follows.
    fn catch_up(&mut self, outcome: &mut Outcome) {
        while let Some(entry) = self.later.first_entry() {
            if *entry.key() != self.version + 1 {
                return;
            }
            let (topic, change) = entry.remove();
            self.octets -= held(&topic, &change);
            self.version += 1;
            self.apply(topic, change, outcome);
        }
    }

    fn apply(&mut self, topic: Topic, change: Change, outcome: &mut Outcome) {
        let before = match &change {
            Change::Here(present) => {
                if self.members.len() >= MOST {
                    return;
                }
                self.digest = self.digest.wrapping_add(digest(&topic, present));
                self.octets += held_of(&topic, present);
                self.members
                    .insert((topic.clone(), present.member), present.clone())
            }
            Change::Gone(member) => {
                let before = self.members.remove(&(topic.clone(), *member));
                if before.is_none() {
                    return;
                }
                before
            }
        };
        if let Some(before) = before {
            self.digest = self.digest.wrapping_sub(digest(&topic, &before));
            self.octets -= held_of(&topic, &before);
        }
        outcome.changes.push((topic, change));
    }

    fn replace(&mut self, members: Members, outcome: &mut Outcome) {
        self.digest = members.iter().fold(0, |sum: u64, ((topic, _), present)| {
            sum.wrapping_add(digest(topic, present))
        });
        let before = std::mem::replace(&mut self.members, members);
        for (topic, member) in before.keys() {
            if !self.members.contains_key(&(topic.clone(), *member)) {
                outcome.changes.push((topic.clone(), Change::Gone(*member)));
            }
        }
        for (place, present) in &self.members {
            if before.get(place) != Some(present) {
                let change = Change::Here(present.clone());
                outcome.changes.push((place.0.clone(), change));
            }
        }
    }
}

fn weight(topic: &Topic, change: &Change) -> usize {
    match change {
        Change::Here(present) => weight_of(topic, present),
        Change::Gone(_) => topic.as_str().len() + 16,
    }
}

fn weight_of(topic: &Topic, present: &Present) -> usize {
    let name = present.name.as_ref().map_or(0, |name| name.len());
    topic.as_str().len() + name + present.meta.len() + 32
}

/// What a change counts that is held of another node.
fn held(topic: &Topic, change: &Change) -> usize {
    weight(topic, change) + HELD
}

fn held_of(topic: &Topic, present: &Present) -> usize {
    weight_of(topic, present) + HELD
}

/// The same on all nodes: FNV-1a.
fn digest(topic: &Topic, present: &Present) -> u64 {
    let name = present.name.as_deref();
    let member = present.member.to_be_bytes();
    let parts = [
        topic.as_str().as_bytes(),
        &member,
        &[0xFF, u8::from(name.is_some())],
        name.unwrap_or_default().as_bytes(),
        // No octet of UTF-8.
        &[0xFF],
        present.meta.as_bytes(),
    ];
    let octets = parts.into_iter().flatten();
    octets.fold(0xCBF2_9CE4_8422_2325, |sum: u64, octet| {
        (sum ^ u64::from(*octet)).wrapping_mul(0x100_0000_01B3)
    })
}

/// The octets of one part.
const PART: usize = 48 << 10;

/// The octets of changes that wait to be told.
const UNTOLD: usize = 1 << 20;

/// The changes that wait for what they follow.
const LATER: usize = 1 << 14;

/// Who may be present on one node.
const MOST: usize = 1 << 20;

/// What an entry costs beside what is said of it.
const HELD: usize = 96;

/// Milliseconds before a node is asked for the whole again, and before one is for which there was no room.
const ASK_AGAIN: u64 = 1_000;
const ASK_LATER: u64 = 60_000;

#[cfg(test)]
mod tests;
