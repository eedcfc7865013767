//! The names of channels, as npm has them.

use crate::socketio::adapter::nodes::Place;
use bytestring::ByteString;

/// Names that begin with a prefix.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
    /// The node's own name.
    own: ByteString,
}

impl Names {
    pub(super) fn new(prefix: &str, own: &ByteString) -> Self {
        Self {
            prefix: prefix.to_owned(),
            own: own.clone(),
        }
    }

    /// Where something goes.
    pub(super) fn channel(&self, namespace: &str, place: Place<'_>) -> String {
        let prefix = &self.prefix;
        match place {
            Place::Broadcast(None) => format!("{prefix}#{namespace}#"),
            Place::Broadcast(Some(room)) => format!("{prefix}#{namespace}#{room}#"),
            Place::Questions => format!("{prefix}-request#{namespace}#"),
            Place::Answers(None) => format!("{prefix}-response#{namespace}#"),
            Place::Answers(Some(name)) => format!("{prefix}-response#{namespace}#{name}#"),
        }
    }

    /// The pattern of all that is broadcast in a namespace.
    pub(super) fn pattern(&self, namespace: &str) -> String {
        let channel = self.channel(namespace, Place::Broadcast(None));
        let mut pattern = String::with_capacity(channel.len() + 1);
        for character in channel.chars() {
            // A namespace is no pattern, whatever somebody has called it.
            if "*?[]\\".contains(character) {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.push('*');
        pattern
    }

    /// The channels of a namespace whose names are known: that of questions, and those of answers to all and to this node.
    pub(super) fn known(&self, namespace: &str) -> [String; 3] {
        [
            Place::Questions,
            Place::Answers(None),
            Place::Answers(Some(&self.own)),
        ]
        .map(|place| self.channel(namespace, place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_npm() {
        let names = Names::new("socket.io", &"me".into());
        let at = |place| names.channel("/admin", place);
        assert_eq!(at(Place::Broadcast(None)), "socket.io#/admin#");
        assert_eq!(at(Place::Broadcast(Some("r1"))), "socket.io#/admin#r1#");
        assert_eq!(at(Place::Questions), "socket.io-request#/admin#");
        assert_eq!(at(Place::Answers(None)), "socket.io-response#/admin#");
        assert_eq!(
            at(Place::Answers(Some("you"))),
            "socket.io-response#/admin#you#"
        );
        assert_eq!(names.known("/")[2], "socket.io-response#/#me#");
    }

    #[test]
    fn a_namespace_is_no_pattern() {
        let names = Names::new("socket.io", &"me".into());
        assert_eq!(names.pattern("/"), "socket.io#/#*");
        assert_eq!(
            names.pattern("/a*[b]?\\"),
            "socket.io#/a\\*\\[b\\]\\?\\\\#*"
        );
    }
}
