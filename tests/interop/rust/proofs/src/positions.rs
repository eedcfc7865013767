//! R2: every octet at every place of a message, and every pair of octets at every two places that stand side by side, against a plain reading.

use crate::conversation::{self, Record};
use crate::model::{self, End};
use crate::row::Row;
use wireline::http1::limits::Limits;

/// Every octet in the place of each.
pub(crate) fn octets() -> Row {
    let mut row = Row::new(
        "R2",
        "every octet at every place of three messages of HTTP/1.1",
        256 * (TEMPLATES[0].len() + TEMPLATES[1].len() + TEMPLATES[2].len()) as u64,
    );
    let mut undecided = 0;
    for template in TEMPLATES {
        for at in 0..template.len() {
            for octet in 0..=255 {
                let mut octets = [template, TAIL].concat();
                octets[at] = octet;
                judge(&octets, &mut row, &mut undecided);
            }
        }
    }
    row.facts.push(("undecided".to_owned(), undecided));
    row
}

/// Every pair in the place of each two that are neighbours; or only at every so many.
pub(crate) fn pairs(step: usize) -> Row {
    let places = (TEMPLATES[0].len() + TEMPLATES[1].len() - 2) as u64;
    let mut row = Row::new(
        "R2",
        "every pair of octets at every two neighbouring places of two messages of HTTP/1.1",
        65_536 * places,
    );
    let mut undecided = 0;
    for template in &TEMPLATES[..2] {
        for at in (0..template.len() - 1).step_by(step) {
            let mut octets = [template, TAIL].concat();
            for pair in 0..=u16::MAX {
                octets[at..at + 2].copy_from_slice(&pair.to_be_bytes());
                judge(&octets, &mut row, &mut undecided);
            }
        }
    }
    row.facts.push(("undecided".to_owned(), undecided));
    row
}

fn judge(octets: &[u8], row: &mut Row, undecided: &mut u64) {
    row.figure += 1;
    let expected = model::read(octets);
    let record = Record::of([octets], &Limits::default());
    let end = match record.end {
        conversation::End::Waiting => End::Waiting,
        conversation::End::Incomplete => End::Incomplete,
        conversation::End::Closed => End::Closed,
        conversation::End::Refused(_) => End::Refused,
    };
    let is_end = match expected.end {
        End::Undecided => {
            *undecided += 1;
            matches!(end, End::Refused | End::Incomplete)
        }
        expected => end == expected,
    };
    let mut messages = Vec::new();
    let mut message = None;
    for line in &record.lines {
        if let Some(head) = line.strip_prefix(b"request ") {
            let head = String::from_utf8_lossy(head);
            let mut words = head.split(' ').map(str::to_owned);
            message = words.next().zip(words.next());
            messages.push((String::new(), String::new(), Vec::new()));
        } else if let Some(data) = line.strip_prefix(b"data ") {
            if let Some((_, _, content)) = messages.last_mut() {
                content.extend_from_slice(data);
            }
        } else if line == b"end"
            && let (Some((method, target)), Some(last)) = (message.take(), messages.last_mut())
        {
            (last.0, last.1) = (method, target);
        }
    }
    // A message that has begun and not ended has no name.
    messages.retain(|(method, _, _)| !method.is_empty());
    if !is_end || messages != expected.messages {
        row.fault(|| {
            format!(
                "{}: {messages:?}, {end:?}; expected {expected:?}",
                octets.escape_ascii()
            )
        });
    }
}

const TEMPLATES: [&[u8]; 3] = [
    b"POST /a?b=c HTTP/1.1\r\nHost: ab.c:80\r\nContent-Length: 12\r\nX-y: z w\r\n\r\nhello, world",
    b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n02;x=y\r\nok\r\n0\r\nT: u\r\n\r\n",
    b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-z: 1\r\n\r\n",
];

const TAIL: &[u8] = b"GET /tail HTTP/1.1\r\nHost: tail\r\n\r\n";

#[cfg(test)]
mod tests {
    #[test]
    fn every_octet_at_every_place() {
        let row = super::octets();
        assert!(row.faults.is_empty(), "{:#?}", row.faults);
        assert_eq!(row.figure, row.limit);
    }

    #[test]
    fn pairs_at_some_places() {
        let row = super::pairs(97);
        assert!(row.faults.is_empty(), "{:#?}", row.faults);
    }
}
