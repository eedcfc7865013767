//! Lines that are added where nobody has said anything else.

use super::{Headers, Repr};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};

impl Headers {
    /// Adds each of these lines unless there is one of its name already. The names differ from each other.
    pub(crate) fn fill(&mut self, lines: &[(HeaderName, HeaderValue)]) {
        self.widen();
        let Repr::List { content_type, rest } = &mut self.repr else {
            for (name, value) in lines {
                if !self.contains(name) {
                    self.append(name.clone(), value.clone());
                }
            }
            return;
        };
        // What is added here need not be compared with what follows.
        let before = rest.len();
        rest.reserve(lines.len() + SPARE);
        for (name, value) in lines {
            let is_type = *name == CONTENT_TYPE;
            if is_type {
                content_type.get_or_insert_with(|| value.clone());
            } else if !rest[..before].iter().any(|(known, _)| known == name) {
                rest.push((name.clone(), value.clone()));
            }
        }
    }
}

/// Layers further out have something to add, too.
const SPARE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    #[test]
    fn what_is_there_stays_and_the_rest_is_added_whatever_the_representation() {
        let said = HeaderValue::from_static;
        let name = HeaderName::from_static;
        let lines = [
            (name("x-frame-options"), said("DENY")),
            (CONTENT_TYPE, said("text/html")),
            (name("x-own"), said("a")),
        ];
        let mut typed = Headers::of_type(said("text/plain"));
        let mut map = HeaderMap::new();
        map.insert("x-own", said("mine"));
        let mut listed = Headers::new();
        listed.append(name("x-own"), said("mine"));
        let mut empty = Headers::new();
        let mut mapped = Headers::from(map);
        let show = |headers: &mut Headers| {
            headers.fill(&lines);
            let value = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
            assert_eq!(headers.len(), 3);
            [
                value("content-type"),
                value("x-frame-options"),
                value("x-own"),
            ]
        };
        assert_eq!(show(&mut typed), ["text/plain", "DENY", "a"]);
        assert_eq!(show(&mut mapped), ["text/html", "DENY", "mine"]);
        assert_eq!(show(&mut listed), ["text/html", "DENY", "mine"]);
        assert_eq!(show(&mut empty), ["text/html", "DENY", "a"]);
    }
}
