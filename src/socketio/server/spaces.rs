//! All namespaces of a server, and those that come into being when somebody connects to them.

use super::space::{Core, SEPARATOR, Space};
use super::table::Terms;
use crate::service::handler::RouteCheck;
use bytestring::ByteString;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

pub(super) struct Spaces {
    pub(super) core: Arc<Core>,
    spaces: RwLock<Known>,
    dynamic: RwLock<Vec<Dynamic>>,
    /// Whether a handler wants to see the request that opened a session.
    keeps_parts: AtomicBool,
    /// Whether somebody wants to know where clients are.
    keeps_addresses: AtomicBool,
}

/// What there is, by name.
#[derive(Default)]
struct Known {
    by_name: HashMap<ByteString, Arc<Space>>,
    /// At how many of them those are looked for that were kept for who may come back, and does not any more.
    sweep_at: usize,
}

/// Namespaces that are there while somebody is connected to them.
struct Dynamic {
    matches: Box<dyn Fn(&str) -> bool + Send + Sync>,
    terms: Terms,
}

impl Spaces {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self {
            core,
            spaces: RwLock::default(),
            dynamic: RwLock::default(),
            keeps_parts: AtomicBool::new(false),
            keeps_addresses: AtomicBool::new(false),
        }
    }

    /// The namespace with this name, which is there from now on.
    pub(super) fn of(&self, name: &str) -> Arc<Space> {
        if let Some(space) = self.get(name) {
            return space;
        }
        let mut spaces = self.spaces.write().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let terms = Terms::default();
            self.core.take(name);
            Arc::new(Space::new(name.into(), self.core.clone(), terms, false))
        };
        let by_name = &mut spaces.by_name;
        by_name.entry(name.into()).or_insert_with(make).clone()
    }

    /// Namespaces with names of a kind, and a stand-in for them that has no sockets.
    pub(super) fn of_kind(
        &self,
        name: &str,
        matches: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Arc<Space> {
        let terms = Terms::default();
        let mut dynamic = self.dynamic.write().unwrap_or_else(PoisonError::into_inner);
        dynamic.push(Dynamic {
            matches: Box::new(matches),
            terms: terms.clone(),
        });
        Arc::new(Space::new(name.into(), self.core.clone(), terms, true))
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<Space>> {
        let spaces = self.spaces.read().unwrap_or_else(PoisonError::into_inner);
        spaces.by_name.get(name).cloned()
    }

    /// The namespace that a client wants to be in. It stays for as long as the client is about to be.
    pub(super) fn wanted(&self, name: &ByteString) -> Option<Entering> {
        {
            let spaces = self.spaces.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(space) = spaces.by_name.get(name) {
                return Some(Entering::new(space));
            }
        }
        // With a separator it would be a room of another namespace's name, here or with others.
        if name.len() > LONGEST || name.contains(['#', SEPARATOR]) {
            return None;
        }
        let dynamic = self.dynamic.read().unwrap_or_else(PoisonError::into_inner);
        let found = dynamic.iter().find(|dynamic| (dynamic.matches)(name))?;
        let terms = found.terms.clone();
        drop(dynamic);
        let mut spaces = self.spaces.write().unwrap_or_else(PoisonError::into_inner);
        self.sweep(&mut spaces);
        // What a client sent is not kept whole for its name.
        let name = ByteString::from(&**name);
        let make = || {
            self.core.take(&name);
            Arc::new(Space::new(name.clone(), self.core.clone(), terms, true))
        };
        let by_name = &mut spaces.by_name;
        Some(Entering::new(
            by_name.entry(name.clone()).or_insert_with(make),
        ))
    }

    /// Forgets those that nobody can come back to any more: each time there are twice as many as were left the last time.
    fn sweep(&self, spaces: &mut Known) {
        if spaces.by_name.len() < spaces.sweep_at.max(FIRST_SWEEP) {
            return;
        }
        spaces.by_name.retain(|name, space| {
            let is_idle = space.is_idle();
            if is_idle {
                self.core.give_up(name);
            }
            !is_idle
        });
        spaces.sweep_at = spaces.by_name.len() * 2;
    }

    /// Forgets a namespace that was there for its sockets, when it has none any more, and nobody may come back.
    pub(super) fn forget_empty(&self, space: &Arc<Space>) {
        if !space.is_idle() {
            return;
        }
        let mut spaces = self.spaces.write().unwrap_or_else(PoisonError::into_inner);
        let known = spaces.by_name.get(&space.name);
        let is_this = known.is_some_and(|known| Arc::ptr_eq(known, space));
        if is_this && space.is_idle() {
            spaces.by_name.remove(&space.name);
            self.core.give_up(&space.name);
        }
    }

    pub(super) fn all(&self) -> Vec<Arc<Space>> {
        let spaces = self.spaces.read().unwrap_or_else(PoisonError::into_inner);
        spaces.by_name.values().cloned().collect()
    }

    pub(super) fn keep_parts(&self) {
        self.keeps_parts.store(true, Ordering::Relaxed);
    }

    pub(super) fn keeps_parts(&self) -> bool {
        self.keeps_parts.load(Ordering::Relaxed)
    }

    pub(super) fn keep_addresses(&self) {
        self.keeps_addresses.store(true, Ordering::Relaxed);
    }

    pub(super) fn keeps_addresses(&self) -> bool {
        self.keeps_addresses.load(Ordering::Relaxed)
    }

    pub(super) fn check(&self, route: &RouteCheck<'_>) -> Result<(), String> {
        for space in self.all() {
            space.terms.now().check(route)?;
        }
        let dynamic = self.dynamic.read().unwrap_or_else(PoisonError::into_inner);
        let mut dynamic = dynamic.iter();
        dynamic.try_for_each(|dynamic| dynamic.terms.now().check(route))
    }
}

/// Holds a namespace for a client that is about to be in it.
pub(super) struct Entering(Arc<Space>);

impl Entering {
    /// Under the lock of the map, or while a socket is in the namespace.
    pub(super) fn new(space: &Arc<Space>) -> Self {
        space.members.enter();
        Self(space.clone())
    }

    pub(super) const fn space(&self) -> &Arc<Space> {
        &self.0
    }
}

impl Drop for Entering {
    fn drop(&mut self) {
        self.0.members.has_entered();
    }
}

/// The most octets of a name that a client makes up.
const LONGEST: usize = 255;

/// At how many namespaces they are looked through for the first time.
const FIRST_SWEEP: usize = 64;

/// Whether a name is as a pattern says: `*` stands for anything but a slash.
pub(super) fn is_like(pattern: &str, name: &str) -> bool {
    let mut parts = name.split('/');
    let mut patterns = pattern.split('/');
    let is_each = patterns.all(|pattern| parts.next().is_some_and(|part| is_part(pattern, part)));
    is_each && parts.next().is_none()
}

/// The same without slashes. What stands between two stars is taken where it comes first: there is more room behind it than elsewhere.
fn is_part(pattern: &str, part: &str) -> bool {
    let Some((before, behind)) = pattern.split_once('*') else {
        return pattern == part;
    };
    let (middle, end) = behind.rsplit_once('*').unwrap_or(("", behind));
    let rest = part.strip_prefix(before);
    let Some(mut rest) = rest.and_then(|rest| rest.strip_suffix(end)) else {
        return false;
    };
    middle.split('*').all(|piece| match rest.split_once(piece) {
        Some((_, behind)) => {
            rest = behind;
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn patterns() {
        for (pattern, name, is) in [
            ("/a", "/a", true),
            ("/a", "/ab", false),
            ("/room-*", "/room-7", true),
            ("/room-*", "/room-", true),
            ("/room-*", "/room", false),
            ("/room-*", "/room-7/x", false),
            ("/*/chat", "/ä/chat", true),
            ("/*/chat", "/a/b/chat", false),
            ("/*-*", "/a-b-c", true),
            ("*", "/a", false),
            ("/*a*a", "/a", false),
            ("/*a*a", "/aba", true),
            ("/*ab*bc*", "/abc", false),
            ("/*ab*bc*", "/abbc", true),
            ("/**", "/", true),
            ("/a*/*b", "/a/ab", true),
            ("/a*/*b", "/a/b/b", false),
        ] {
            assert_eq!(is_like(pattern, name), is, "{pattern} {name}");
        }
    }

    /// One that tried all places for each star would not come to an end.
    #[test]
    fn many_stars_cost_little() {
        let pattern = format!("/{}x", "*-".repeat(40));
        assert!(!is_like(&pattern, &format!("/{}", "-".repeat(250))));
    }
}
