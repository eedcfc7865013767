//! The name of a topic, and what may be one.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The name of a topic: 1 to 255 octets, letters and digits of US-ASCII and `_ - : . / @ = , ~`, and no `..`.
///
/// So it is a name everywhere: no wildcard of Redis, NATS or MQTT, nothing that ends a line, no two names that look the
/// same.
///
/// ```
/// use wireline::relay::hub::Topic;
///
/// assert_eq!(Topic::new("room:42").unwrap().as_str(), "room:42");
/// assert!(Topic::new("room:*").is_err());
/// assert!(Topic::new("").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(pub(super) Arc<str>);

impl Topic {
    /// The topic with this name.
    ///
    /// # Errors
    ///
    /// [`InvalidTopic`] says what is wrong with it.
    pub fn new(name: &str) -> Result<Self, InvalidTopic> {
        if name.is_empty() {
            return Err(InvalidTopic("a topic has a name"));
        }
        if name.len() > LONGEST {
            return Err(InvalidTopic("a topic has at most 255 octets"));
        }
        if !name.bytes().all(is_allowed) {
            return Err(InvalidTopic(
                "a topic is made of letters, digits and _ - : . / @ = , ~",
            ));
        }
        if name.contains("..") {
            return Err(InvalidTopic("a topic has no two dots in a row"));
        }
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Borrow<str> for Topic {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for Topic {
    type Error = InvalidTopic;

    fn try_from(name: &str) -> Result<Self, InvalidTopic> {
        Self::new(name)
    }
}

/// What is no name of a topic.
///
/// ```
/// use wireline::relay::hub::Topic;
///
/// let invalid = Topic::new("room 1").unwrap_err();
/// assert_eq!(invalid.to_string(), "a topic is made of letters, digits and _ - : . / @ = , ~");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTopic(&'static str);

impl fmt::Display for InvalidTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidTopic {}

const fn is_allowed(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b'_' | b'-' | b':' | b'.' | b'/' | b'@' | b'=' | b',' | b'~'
        )
}

const LONGEST: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_something_elsewhere_are_refused() {
        let long = "x".repeat(256);
        for name in [
            "",
            "a b",
            "a\0",
            "a\r\nPUB x",
            "*",
            "a.*",
            ">",
            "a.>",
            "+",
            "#",
            "a..b",
            "..",
            "$SYS",
            "räume",
            "room:\u{430}",
            "a?",
            "a[b]",
            "a\\b",
            "{x}",
            &long,
        ] {
            assert!(Topic::new(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn usual_names_are_names() {
        for name in [
            "a",
            "chat:lobby",
            "orders/2024/7",
            "user@example.org",
            "A-b_c.d,e=f~g",
            &"x".repeat(255),
        ] {
            assert_eq!(Topic::new(name).unwrap().as_str(), name);
        }
    }
}
