//! R4: the same octets for wireline's parser and for hyper's, in this process.
//!
//! Where both accept a message they must agree where it ends, which is seen in its content and in what they make of the next
//! one. What wireline alone accepts must not be. What hyper alone accepts is counted by the reason of the refusal.

use crate::classes::classes;
use crate::conversation::{End, Record};
use crate::corpus::{self, Ending};
use crate::hyper_peer::{self, Theirs};
use crate::random::Random;
use crate::row::Row;
use std::collections::BTreeMap;
use wireline::http1::limits::Limits;

/// A message that was read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) content: Vec<u8>,
}

/// Compares so many mutated requests.
pub(crate) fn differential(count: u64, seed: u64) -> Row {
    let mut row = Row::new(
        "R4",
        "mutated requests read by wireline and by hyper in one process",
        100_000_000,
    );
    row.seed = seed;
    let (seeds, good) = seeds(seed);
    let mut random = Random::new(seed);
    let mut tally = BTreeMap::new();
    for _ in 0..count {
        let from = if random.once_in(4) { &seeds } else { &good };
        let octets = [&mutated(from, &mut random)[..], CANARY].concat();
        match compare(&octets) {
            Ok(verdict) => *tally.entry(verdict).or_insert(0) += 1,
            Err(why) => row.fault(|| format!("{why}: {}", octets.escape_ascii())),
        }
        row.figure += 1;
    }
    row.facts.extend(tally);
    row
}

/// What both make of the octets; an error where that must not be.
pub(crate) fn compare(octets: &[u8]) -> Result<String, String> {
    let (ours, end) = ours(octets);
    let (theirs, their_end) = hyper_peer::read(octets);
    for (one, other) in ours.iter().zip(&theirs) {
        // hyper writes an absolute target in its own way.
        let is_other_target = one.target.starts_with('/') && one.target != other.target;
        if one.method != other.method || one.content != other.content || is_other_target {
            return Err(format!("read in two ways: {one:?} and {other:?}"));
        }
        if one.method == "CONNECT" {
            // A tunnel for the one, for the other a request that was answered.
            return Ok("a tunnel".to_owned());
        }
    }
    let (count, their_count) = (ours.len(), theirs.len());
    if count == their_count {
        return match (end, their_end) {
            (End::Refused(_), Theirs::Refused(_)) => Ok("refused by both".to_owned()),
            (End::Waiting, Theirs::Waiting) => Ok("accepted by both".to_owned()),
            (End::Incomplete, Theirs::Waiting) => Ok("incomplete for both".to_owned()),
            (End::Closed, Theirs::Closed) => Ok("closed by both".to_owned()),
            (End::Refused(error), their_end) => {
                // Where its handler has begun, hyper breaks a faulty message off without a word.
                Ok(match their_end {
                    Theirs::Closed => format!("refused here, broken off by hyper: {error:?}"),
                    _ => format!("stricter: {error:?}, of which hyper awaits more"),
                })
            }
            // hyper does not tell a message that it refuses behind one that said `close`.
            (End::Closed, _) | (_, Theirs::Closed) => Ok("closed by one".to_owned()),
            (End::Waiting | End::Incomplete, Theirs::Refused(why)) => alone(octets, count, &why),
        };
    }
    if count < their_count {
        return match end {
            End::Refused(error) => Ok(format!("stricter: {error:?}")),
            End::Closed => Ok("closed by one".to_owned()),
            End::Waiting | End::Incomplete => Err(format!(
                "{their_count} messages for hyper, {count} and {end:?} here"
            )),
        };
    }
    match their_end {
        Theirs::Refused(why) => alone(octets, their_count, &why),
        Theirs::Closed => Ok("closed by one".to_owned()),
        Theirs::Waiting => Err(format!(
            "{count} messages, {their_count} and more awaited for hyper"
        )),
    }
}

/// hyper refused what is accepted here. There may be a reason that is known.
fn alone(octets: &[u8], message: usize, why: &str) -> Result<String, String> {
    let text = String::from_utf8_lossy(octets);
    let is_later_minor =
        (b'2'..=b'9').any(|minor| text.contains(&format!(" HTTP/1.{}\r\n", char::from(minor))));
    match why {
        // Nothing of its framing: nginx and Node, over sockets, have the same targets.
        "invalid URI" => {
            Ok("accepted here: a target that the type of hyper's does not take".to_owned())
        }
        // RFC 9110 section 2.5: it is read as HTTP/1.1.
        "invalid HTTP version parsed" if is_later_minor => {
            Ok("accepted here: a later minor version".to_owned())
        }
        why => Err(format!(
            "message {} is accepted here alone, hyper: {why}",
            message + 1
        )),
    }
}

fn ours(octets: &[u8]) -> (Vec<Message>, End) {
    let record = Record::of([octets], &Limits::default());
    let mut messages = Vec::new();
    let mut message = None;
    for line in record.lines {
        if let Some(head) = line.strip_prefix(b"request ") {
            let mut words = head.split(|octet| *octet == b' ');
            let mut word =
                || String::from_utf8_lossy(words.next().unwrap_or_default()).into_owned();
            message = Some(Message {
                method: word(),
                target: word(),
                content: Vec::new(),
            });
        } else if let Some(data) = line.strip_prefix(b"data ") {
            if let Some(message) = &mut message {
                message.content.extend_from_slice(data);
            }
        } else if line == b"end" {
            messages.extend(message.take());
        }
    }
    (messages, record.end)
}

/// What mutations begin with: the corpus and a few forms of each vector of the catalogue; and those of the corpus with which nothing is wrong.
fn seeds(seed: u64) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let mut random = Random::new(seed);
    let (mut seeds, mut good) = (Vec::new(), Vec::new());
    for case in corpus::cases() {
        if case.bytes.len() < 1_500 {
            if case.ending == Ending::Open {
                good.push(case.bytes.clone());
            }
            seeds.push(case.bytes);
        }
    }
    for class in classes() {
        for vector in &class.vectors {
            seeds.push(vector.form(&class.expected, &mut random, 0).octets);
        }
    }
    (seeds, good)
}

/// A seed with one to three things done to it.
pub(crate) fn mutated(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut octets = random.of(seeds).clone();
    for _ in 0..1 + random.below(3) {
        let at = random.below(octets.len() + 1);
        match random.below(9) {
            0 => drop(octets.splice(at..at, random.of(&TOKENS).bytes())),
            1 => drop(octets.splice(at..at, [*random.of(OCTETS)])),
            2 if at < octets.len() => octets[at] = *random.of(OCTETS),
            3 if at < octets.len() => {
                octets[at] = u8::try_from(random.below(256)).unwrap_or_default();
            }
            4 if at < octets.len() => drop(octets.remove(at)),
            5 => {
                // What is before the place, and the end of another.
                let other = random.of(seeds);
                let from = random.below(other.len() + 1);
                octets.truncate(at);
                octets.extend_from_slice(&other[from..]);
            }
            6 => {
                // A line once more, or in another place.
                let lines = lines(&octets);
                let line = random.of(&lines).to_vec();
                let before = random.below(lines.len());
                let place: usize = lines[..before].iter().map(|line| line.len()).sum();
                octets.splice(place..place, line);
            }
            7 if at < octets.len() => octets[at] ^= 0x20,
            _ => {
                let lines = lines(&octets);
                let before = random.below(lines.len());
                let place: usize = lines[..before].iter().map(|line| line.len()).sum();
                octets.splice(place..place, random.of(&FIELDS).bytes());
            }
        }
        if octets.is_empty() {
            octets.push(b'G');
        }
    }
    octets
}

fn lines(octets: &[u8]) -> Vec<&[u8]> {
    octets.split_inclusive(|octet| *octet == b'\n').collect()
}

const CANARY: &[u8] = b"GET /canary HTTP/1.1\r\nHost: canary\r\n\r\n";

const OCTETS: &[u8] = b"\r\n \t:;,0123456789aAfFgGxX+-_./{}%\"\\\0\x0b\x7f\x80\xa0\xff";

const TOKENS: [&str; 24] = [
    "\r\n",
    "\r\n\r\n",
    "\n",
    "\r",
    " ",
    "\t",
    ":",
    ",",
    ";",
    ";a=b",
    "0\r\n\r\n",
    "5\r\nhello\r\n",
    "chunked",
    "close",
    "HTTP/1.1",
    "HTTP/1.0",
    "GET ",
    "POST ",
    "Host: a\r\n",
    "0x",
    "+",
    "-",
    "100-continue",
    "00",
];

const FIELDS: [&str; 16] = [
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 36\r\n",
    "content-length:5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "transfer-encoding:Chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Expect: 100-continue\r\n",
    "Upgrade: websocket\r\n",
    "Connection: upgrade\r\n",
    " folded\r\n",
    "Host: b\r\n",
    "X:\r\n",
];

#[cfg(test)]
mod tests {
    #[test]
    fn no_message_is_read_in_two_ways() {
        let row = super::differential(50_000, 1);
        assert!(row.faults.is_empty(), "{:#?}", row.faults);
        let count = |name: &str| {
            let found = row.facts.iter().find(|(fact, _)| fact == name);
            found.map_or(0, |(_, count)| *count)
        };
        assert!(
            count("accepted by both") > 3_000 && count("refused by both") > 10_000,
            "{:?}",
            row.facts
        );
    }
}
