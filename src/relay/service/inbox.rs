//! What a client says.

use serde::Deserialize;
use std::sync::Arc;

/// A text message of a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// `ping`, maybe with a line feed.
    Ping,
    /// These are its topics from now on.
    Topics(Vec<Arc<str>>),
}

#[derive(Deserialize)]
struct Topics {
    topics: Vec<String>,
}

/// Reads a text message; an error says why it is ignored.
pub(super) fn read(text: &str, most: usize) -> Result<Said, String> {
    if text == "ping" || text == "ping\n" {
        return Ok(Said::Ping);
    }
    let Topics { topics } = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut read: Vec<Arc<str>> = Vec::new();
    for topic in topics {
        if topic.len() > LONGEST_TOPIC {
            return Err(format!("a topic of {} octets", topic.len()));
        }
        if !read.iter().any(|known| **known == *topic) {
            if read.len() == most {
                return Err(format!("more than {most} topics"));
            }
            read.push(topic.into());
        }
    }
    Ok(Said::Topics(read))
}

/// As long as a topic of the relay may be, in octets.
pub(super) const LONGEST_TOPIC: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_say_is_read() {
        assert_eq!(read("ping", 2), Ok(Said::Ping));
        assert_eq!(read("ping\n", 2), Ok(Said::Ping));
        let topics = |topics: &[&str]| {
            let topics = topics.iter().map(|topic| Arc::from(*topic));
            Ok(Said::Topics(topics.collect()))
        };
        assert_eq!(
            read(r#"{"topics":["cats","dogs"]}"#, 2),
            topics(&["cats", "dogs"])
        );
        assert_eq!(read(r#"{"topics":["a","a","a"]}"#, 1), topics(&["a"]));
        assert_eq!(read(r#"{"more":1,"topics":[]}"#, 2), topics(&[]));
        for text in [
            "",
            "PING",
            "ping ",
            "{}",
            "[]",
            r#"{"topics":"cats"}"#,
            r#"{"topics":[1]}"#,
            r#"{"topics":["a","b","c"]}"#,
        ] {
            assert!(read(text, 2).is_err(), "{text}");
        }
        let long = format!(r#"{{"topics":["{}"]}}"#, "x".repeat(256));
        assert_eq!(read(&long, 2), Err("a topic of 256 octets".to_owned()));
    }
}
