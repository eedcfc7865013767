//! An event stream, read (WHATWG HTML §9.2).

use std::collections::VecDeque;

/// Reads events off a stream, however it is cut. An event is as long as its lines, and no longer than the bound.
#[derive(Debug)]
pub(crate) struct EventReader {
    /// The line that has not ended.
    line: Vec<u8>,
    data: Option<Vec<u8>>,
    id: Option<String>,
    ready: VecDeque<Received>,
    most: usize,
}

/// An event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) data: String,
    /// What this event sets; earlier ones do not count.
    pub(crate) id: Option<String>,
}

/// An event is longer than it may be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl EventReader {
    /// A reader of events of at most so many octets.
    pub(crate) const fn new(most: usize) -> Self {
        Self {
            line: Vec::new(),
            data: None,
            id: None,
            ready: VecDeque::new(),
            most,
        }
    }

    /// Takes what has come.
    pub(crate) fn push(&mut self, octets: &[u8]) -> Result<(), TooLong> {
        let mut lines = octets.split(|octet| *octet == b'\n').peekable();
        while let Some(part) = lines.next() {
            let held = self.line.len() + self.data.as_ref().map_or(0, Vec::len);
            if held + part.len() > self.most {
                return Err(TooLong);
            }
            self.line.extend_from_slice(part);
            if lines.peek().is_some() {
                let line = std::mem::take(&mut self.line);
                self.end_line(line.strip_suffix(b"\r").unwrap_or(&line));
            }
        }
        Ok(())
    }

    /// The next event that is whole.
    pub(crate) fn next(&mut self) -> Option<Received> {
        self.ready.pop_front()
    }

    fn end_line(&mut self, line: &[u8]) {
        if line.is_empty() {
            let id = self.id.take();
            if let Some(data) = self.data.take() {
                let data = String::from_utf8_lossy(&data).into_owned();
                self.ready.push_back(Received { data, id });
            }
            return;
        }
        let colon = line.iter().position(|octet| *octet == b':');
        let (name, value) = line.split_at(colon.unwrap_or(line.len()));
        let value = value.strip_prefix(b":").unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => self.data = Some(value.to_vec()),
            },
            b"id" => self.id = Some(String::from_utf8_lossy(value).into_owned()),
            // Comments, and what only a browser has a use for.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, cut: usize) -> Vec<(String, Option<String>)> {
        let mut reader = EventReader::new(64);
        for part in text.as_bytes().chunks(cut) {
            reader.push(part).unwrap();
        }
        std::iter::from_fn(|| reader.next())
            .map(|event| (event.data, event.id))
            .collect()
    }

    #[test]
    fn events_however_they_are_cut() {
        let text = ": hello\n\ndata: a\r\nid: x 1 2\r\n\r\nevent: e\ndata:b\ndata\ndata:  c\n\nid: only\n\ndata: \u{e9}\n\ndata: cut short\n";
        let expected = [("a", Some("x 1 2")), ("b\n\n c", None), ("\u{e9}", None)];
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(data, id)| (data.to_owned(), id.map(str::to_owned)))
            .collect();
        for cut in 1..=text.len() {
            assert_eq!(read(text, cut), expected, "cut by {cut}");
        }
    }

    #[test]
    fn an_event_has_an_end() {
        let mut reader = EventReader::new(8);
        assert_eq!(reader.push(b"data: ab\n"), Ok(()));
        assert_eq!(reader.push(b"data: a"), Err(TooLong));
        let mut reader = EventReader::new(8);
        assert_eq!(reader.push(b": 1234567"), Err(TooLong));
    }
}
