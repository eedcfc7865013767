//! Channels as subjects.

use crate::relay::backplane::Channel;
use std::fmt::Write as _;
use std::sync::Arc;

/// The subjects of a relay: `PREFIX.t.TOPIC`, `PREFIX.n.NODE` and `PREFIX.all`. What the names of topics are made of has no meaning in
/// them: a `.` of a topic does not divide, and `*` and `>` stand for nothing.
#[derive(Clone)]
pub(super) struct Subjects(Arc<str>);

impl Subjects {
    pub(super) fn new(prefix: &str) -> Self {
        let mut written = String::with_capacity(prefix.len());
        escape(prefix, &mut written);
        if written.is_empty() {
            // No subject has an empty part.
            written.push('=');
        }
        Self(written.into())
    }

    pub(super) fn prefix(&self) -> &str {
        &self.0
    }

    pub(super) fn of(&self, channel: &Channel) -> String {
        let mut subject = String::with_capacity(self.0.len() + 48);
        subject.push_str(&self.0);
        match channel {
            Channel::Topic(topic) => {
                subject.push_str(".t.");
                escape(topic.as_str(), &mut subject);
            }
            Channel::Node(node) => {
                let _ = write!(subject, ".n.{node:x}");
            }
            Channel::All => subject.push_str(".all"),
        }
        subject
    }

    /// Where what a connection sends to itself comes back.
    pub(super) fn echo(&self, connection: u64) -> String {
        format!("{}.e.{connection:016x}", self.0)
    }
}

/// Anything but letters, digits, `_` and `-` is written as `=` and two digits.
fn escape(text: &str, to: &mut String) {
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-') {
            to.push(char::from(octet));
        } else {
            let _ = write!(to, "={octet:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Subjects, escape};
    use crate::relay::backplane::Channel;
    use crate::relay::hub::Topic;
    use std::collections::HashSet;

    #[test]
    fn what_subjects_look_like() {
        let subjects = Subjects::new("wireline");
        let of = |name| subjects.of(&Channel::Topic(Topic::new(name).unwrap()));
        assert_eq!(of("room:1"), "wireline.t.room=3A1");
        assert_eq!(of("a.b=2E"), "wireline.t.a=2Eb=3D2E");
        assert_eq!(subjects.of(&Channel::Node(0xab)), "wireline.n.ab");
        assert_eq!(subjects.of(&Channel::All), "wireline.all");
        assert_eq!(subjects.echo(10), "wireline.e.000000000000000a");
        assert_eq!(Subjects::new("").of(&Channel::All), "=.all");
        assert_eq!(
            Subjects::new("my app.*").of(&Channel::All),
            "my=20app=2E=2A.all"
        );
        let longest = of(&"@".repeat(255));
        assert!(longest.len() < 800);
    }

    #[test]
    fn nothing_has_a_meaning_and_nothing_is_alike() {
        let mut seen = HashSet::new();
        // Octets of topics that the grammar refuses as well.
        for text in [
            "*", ">", ".", "..", " ", "\r\n", "\t", "$SYS", "é", "=2A", "=", "a", "A", "\0",
        ] {
            let mut written = String::new();
            escape(text, &mut written);
            let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"_-=".contains(&octet);
            assert!(written.bytes().all(plain), "{written}");
            assert!(seen.insert(written), "{text:?}");
        }
    }
}
