//! The names of channels and keys.

use crate::relay::backplane::Channel;
use crate::relay::hub::Topic;
use crate::wire::number;
use std::sync::Arc;

/// Names that begin with a prefix. Their part in braces is what Redis Cluster chooses the slot by.
#[derive(Clone, Debug)]
pub(super) struct Names(Arc<str>);

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        Self(prefix.into())
    }

    pub(super) fn channel(&self, channel: &Channel) -> String {
        let prefix = &self.0;
        match channel {
            Channel::Topic(topic) => self.topic(topic),
            Channel::Node(node) => format!("{{{prefix}:n:{node}}}"),
            Channel::All => format!("{{{prefix}:all}}"),
        }
    }

    /// A topic's channel, with which the keys of its history begin.
    pub(super) fn topic(&self, topic: &Topic) -> String {
        format!("{{{}:t:{topic}}}", self.0)
    }

    /// The channel of a name.
    pub(super) fn read(&self, name: &[u8]) -> Option<Channel> {
        let name = str::from_utf8(name).ok()?;
        let inner = name.strip_prefix('{')?.strip_suffix('}')?;
        let inner = inner.strip_prefix(&*self.0)?;
        if inner == ":all" {
            return Some(Channel::All);
        }
        if let Some(topic) = inner.strip_prefix(":t:") {
            return Topic::new(topic).ok().map(Channel::Topic);
        }
        let node = inner.strip_prefix(":n:")?;
        number::decimal(node.as_bytes()).map(Channel::Node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_channel_and_to_no_other() {
        let names = Names::new("a:b");
        let topic = |name| Channel::Topic(Topic::new(name).unwrap());
        for channel in [
            Channel::All,
            Channel::Node(0),
            Channel::Node((1 << 21) - 1),
            topic("room:7"),
            topic("all"),
            topic(":n:7"),
        ] {
            let name = names.channel(&channel);
            assert_eq!(names.read(name.as_bytes()), Some(channel));
            assert_eq!(Names::new("a").read(name.as_bytes()), None);
            assert!(!name.contains(['*', '?', '[', ' ', '\r', '\n']), "{name}");
        }
        for name in [
            "",
            "{a:b:all",
            "a:b:all",
            "{a:b:t:}",
            "{a:b:t:a b}",
            "{a:b:n:x}",
            "{a:b:x}",
        ] {
            assert_eq!(names.read(name.as_bytes()), None, "{name}");
        }
    }
}
