//! Which handler takes which topic.

use super::handler::{Erased, RelayCall, RelayEvent};
use crate::relay::hub::Topic;
use crate::service::handler::RouteCheck;
use std::collections::HashMap;
use std::sync::Arc;

/// The handlers of channels and calls.
#[derive(Debug, Default)]
pub(super) struct Channels {
    channels: Patterns<Arc<Erased<RelayEvent>>>,
    calls: HashMap<Box<str>, Arc<Erased<RelayCall>>>,
    /// What is wrong with them, for whoever builds the router.
    problems: Vec<String>,
}

impl Channels {
    pub(super) fn add(&mut self, pattern: &str, place: Place, handler: Erased<RelayEvent>) {
        match self.channels.add(pattern, Arc::new(handler)) {
            Ok(()) => {}
            Err(problem) => self
                .problems
                .push(format!("the channel {pattern:?}{}: {problem}", at(place))),
        }
    }

    pub(super) fn add_call(&mut self, method: &str, handler: Erased<RelayCall>) {
        let before = self.calls.insert(method.into(), Arc::new(handler));
        if before.is_some() {
            self.problems
                .push(format!("the call {method:?} has two handlers"));
        }
    }

    pub(super) fn of(&self, topic: &Topic) -> Option<&Arc<Erased<RelayEvent>>> {
        self.channels.find(topic.as_str())
    }

    pub(super) fn call(&self, method: &str) -> Option<&Arc<Erased<RelayCall>>> {
        self.calls.get(method)
    }

    /// Whether a handler wants to see the request that opened a connection.
    pub(super) fn extract(&self) -> bool {
        let mut events = self.channels.values().map(|handler| handler.extracts);
        events.any(|extracts| extracts) || self.calls.values().any(|handler| handler.extracts)
    }

    pub(super) fn check(&self, route: &RouteCheck<'_>) -> Result<(), String> {
        if let Some(problem) = self.problems.first() {
            return Err(problem.clone());
        }
        let events = self.channels.values().map(|handler| handler.check);
        let calls = self.calls.values().map(|handler| handler.check);
        events.chain(calls).try_for_each(|check| check(route))
    }
}

/// Where a handler is written, if an attribute knows.
pub(super) type Place = Option<(&'static str, u32)>;

fn at(place: Place) -> String {
    place.map_or_else(String::new, |(file, line)| format!(" at {file}:{line}"))
}

/// Values by pattern: a topic, or the beginning of topics with `*` behind it. A topic's own wins, then the longest beginning.
#[derive(Debug)]
pub(super) struct Patterns<T> {
    exact: HashMap<Box<str>, T>,
    /// Longest first.
    prefixes: Vec<(Box<str>, T)>,
}

impl<T> Default for Patterns<T> {
    fn default() -> Self {
        Self {
            exact: HashMap::new(),
            prefixes: Vec::new(),
        }
    }
}

impl<T> Patterns<T> {
    /// Adds one.
    ///
    /// # Errors
    ///
    /// What is wrong with the pattern.
    pub(super) fn add(&mut self, pattern: &str, value: T) -> Result<(), String> {
        let twice = || Err("there is another one with the same pattern".to_owned());
        match pattern.strip_suffix('*') {
            None => {
                Topic::new(pattern).map_err(|error| error.to_string())?;
                if self.exact.insert(pattern.into(), value).is_some() {
                    return twice();
                }
            }
            Some(prefix) => {
                if !prefix.is_empty() {
                    Topic::new(prefix).map_err(|error| error.to_string())?;
                }
                if self.prefixes.iter().any(|(known, _)| **known == *prefix) {
                    return twice();
                }
                let place = self
                    .prefixes
                    .partition_point(|(known, _)| known.len() >= prefix.len());
                self.prefixes.insert(place, (prefix.into(), value));
            }
        }
        Ok(())
    }

    pub(super) fn find(&self, topic: &str) -> Option<&T> {
        self.exact.get(topic).or_else(|| {
            let mut prefixes = self.prefixes.iter();
            let found = prefixes.find(|(prefix, _)| topic.starts_with(&**prefix));
            found.map(|(_, value)| value)
        })
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        let prefixes = self.prefixes.iter().map(|(_, value)| value);
        self.exact.values().chain(prefixes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s175_s176_a_topics_own_wins_then_the_longest_beginning() {
        let mut patterns = Patterns::default();
        for pattern in ["*", "room:*", "room:vip:*", "room:vip:7", "room", "a*"] {
            patterns.add(pattern, pattern).unwrap();
        }
        for (topic, found) in [
            ("room:vip:7", "room:vip:7"),
            ("room:vip:77", "room:vip:*"),
            ("room:vip", "room:*"),
            ("room:", "room:*"),
            ("room", "room"),
            ("rooms", "*"),
            ("ab", "a*"),
        ] {
            assert_eq!(patterns.find(topic), Some(&found), "{topic}");
        }
        let mut none = Patterns::default();
        none.add("a:*", 1).unwrap();
        assert_eq!(none.find("a"), None);
    }

    #[test]
    fn a_pattern_has_its_star_at_its_end_and_is_there_once() {
        let mut patterns = Patterns::default();
        patterns.add("room:*", ()).unwrap();
        patterns.add("room:1", ()).unwrap();
        for pattern in ["", "room:*:x", "**", "a b", "room:*", "room:1", "*room"] {
            assert!(patterns.add(pattern, ()).is_err(), "{pattern:?}");
        }
    }
}
