//! Lines that are added where nobody has said anything else.

use super::{Headers, Repr};
use crate::wire::shared::SharedLines;
use http::{HeaderName, HeaderValue};
use std::sync::Arc;

impl Headers {
    /// Adds each of these lines unless there is one of its name already. The names differ from each other.
    pub(crate) fn fill(&mut self, lines: &[(HeaderName, HeaderValue)]) {
        for (name, value) in lines {
            if !self.contains(name) {
                self.append(name.clone(), value.clone());
            }
        }
    }

    /// The same with lines that are shared: where none of their names is there yet, that is one pointer.
    pub(crate) fn fill_shared(&mut self, lines: &Arc<SharedLines>) {
        self.widen();
        match &mut self.repr {
            Repr::List {
                shared: shared @ None,
                rest,
                ..
            } if !rest.iter().any(|(name, _)| lines.has(name)) => {
                *shared = Some(lines.clone());
            }
            _ => self.fill(lines.list()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use http::header::{CONTENT_TYPE, X_FRAME_OPTIONS};

    const OWN: HeaderName = HeaderName::from_static("x-own");

    fn said(value: &'static str) -> HeaderValue {
        HeaderValue::from_static(value)
    }

    /// Headers in each representation, with and without a line of their own.
    fn headers() -> [Headers; 5] {
        let mut map = HeaderMap::new();
        map.insert(OWN, said("mine"));
        let mut listed = Headers::new();
        listed.append(OWN, said("mine"));
        [
            Headers::of_type(said("text/plain")),
            Headers::from(map),
            listed,
            Headers::new(),
            [(CONTENT_TYPE, said("text/plain")), (OWN, said("mine"))]
                .into_iter()
                .collect(),
        ]
    }

    fn values(headers: &Headers) -> Vec<(String, String)> {
        let mut values: Vec<_> = (headers.iter())
            .map(|(name, value)| (name.to_owned(), value.to_str().unwrap().to_owned()))
            .collect();
        assert_eq!(headers.len(), values.len());
        for (name, _) in &values {
            let all: Vec<_> = headers.get_all(name.as_str()).collect();
            let listed = values.iter().filter(|(known, _)| known == name);
            assert_eq!(all.len(), listed.count());
            assert_eq!(headers.get(name.as_str()), all.first().copied());
        }
        values.sort();
        values
    }

    #[test]
    fn what_is_there_stays_and_the_rest_is_added_whatever_the_representation() {
        let list = vec![(X_FRAME_OPTIONS, said("DENY")), (OWN, said("a"))];
        let lines = Arc::new(SharedLines::new(list).unwrap());
        for before in headers() {
            let mut one_by_one = before.clone();
            one_by_one.fill(lines.list());
            let mut shared = before.clone();
            shared.fill_shared(&lines);
            assert_eq!(values(&shared), values(&one_by_one));
            assert_eq!(shared.get(X_FRAME_OPTIONS).unwrap(), "DENY");
            let mine = before.get(OWN).map_or("a", |value| value.to_str().unwrap());
            assert_eq!(shared.get(OWN).unwrap(), mine);
            assert_eq!(
                values(&Headers::from(HeaderMap::from(shared.clone()))),
                values(&shared)
            );
            shared.fill_shared(&lines);
            assert_eq!(values(&shared), values(&one_by_one));
        }
    }

    /// What is changed after it was shared, beside the same steps on lines of its own, and beside the other responses.
    #[test]
    fn changes_of_shared_lines_are_those_of_one_response() {
        let list = vec![(X_FRAME_OPTIONS, said("DENY")), (OWN, said("a"))];
        let lines = Arc::new(SharedLines::new(list).unwrap());
        let steps: [fn(&mut Headers); 8] = [
            |headers| drop(headers.insert(OWN, said("b"))),
            |headers| headers.append(OWN, said("b")),
            |headers| drop(headers.remove("X-OWN")),
            |headers| drop(headers.remove(X_FRAME_OPTIONS)),
            |headers| drop(headers.insert(CONTENT_TYPE, said("text/html"))),
            |headers| drop(headers.remove(CONTENT_TYPE)),
            |headers| headers.append(CONTENT_TYPE, said("text/css")),
            Headers::clear,
        ];
        for before in headers() {
            for first in steps {
                for second in steps {
                    let mut shared = before.clone();
                    shared.fill_shared(&lines);
                    let mut owned = before.clone();
                    owned.fill(lines.list());
                    for step in [first, second] {
                        step(&mut shared);
                        step(&mut owned);
                        assert_eq!(values(&shared), values(&owned));
                    }
                }
            }
        }
        assert_eq!(lines.list().len(), 2);
    }
}
