//! Where a reader stands, in each of its topics.

use crate::relay::hub::Topic;
use crate::wire::number::decimal;
use std::fmt::Write;

/// Topics with their positions, in the order in which they were asked for. As text it is
/// `room:1 81 12;news 77 3`: topic, epoch and offset of each whose position is known.
#[derive(Debug, Default)]
pub(super) struct Cursor(Vec<(Topic, Option<Position>)>);

/// A place in the life of a topic: behind the push with this offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) epoch: u64,
    pub(super) offset: u64,
}

impl Cursor {
    /// These topics, with the positions that a client says. What it says of others is no news here.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn new(topics: Vec<Topic>, said: Option<&str>) -> Result<Self, &'static str> {
        let mut cursor = Self(topics.into_iter().map(|topic| (topic, None)).collect());
        let said = said.unwrap_or_default();
        if said.len() > LONGEST {
            return Err("the cursor is too long");
        }
        for part in said.split(';').filter(|_| !said.is_empty()) {
            let (name, position) = read(part).ok_or("the cursor is none of this server's")?;
            if let Some((_, known)) = cursor.0.iter_mut().find(|(topic, _)| *topic == name)
                && known.replace(position).is_some()
            {
                return Err("the cursor has a topic twice");
            }
        }
        Ok(cursor)
    }

    pub(super) fn topics(&self) -> impl Iterator<Item = (&Topic, Option<Position>)> {
        self.0.iter().map(|(topic, position)| (topic, *position))
    }

    /// The place of a topic among them.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|(topic, _)| topic.as_str() == name)
    }

    /// Those whose position is known.
    pub(super) fn known(&self) -> impl Iterator<Item = &Topic> {
        let known = self.topics().filter(|(_, position)| position.is_some());
        known.map(|(topic, _)| topic)
    }

    pub(super) fn position(&self, place: usize) -> Option<Position> {
        self.0.get(place)?.1
    }

    pub(super) fn set(&mut self, place: usize, position: Position) {
        if let Some((_, known)) = self.0.get_mut(place) {
            *known = Some(position);
        }
    }

    /// So many pushes of a topic have gone by.
    pub(super) fn add(&mut self, place: usize, count: u64) {
        if let Some((_, Some(position))) = self.0.get_mut(place) {
            position.offset = position.offset.saturating_add(count);
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (topic, position) in self.topics() {
            if let Some(Position { epoch, offset }) = position {
                let between = if text.is_empty() { "" } else { ";" };
                let _ = write!(text, "{between}{topic} {epoch} {offset}");
            }
        }
        text
    }

    /// Whether its text can be taken back, however far its topics go.
    pub(super) fn fits(&self) -> bool {
        let octets = |(topic, _): &(Topic, _)| topic.as_str().len() + NUMBERS;
        self.0.iter().map(octets).sum::<usize>() <= LONGEST
    }
}

fn read(part: &str) -> Option<(Topic, Position)> {
    let mut words = part.split(' ');
    let topic = Topic::new(words.next()?).ok()?;
    let mut number = || decimal(words.next()?.as_bytes());
    let (epoch, offset) = (number()?, number()?);
    let position = Position { epoch, offset };
    words.next().is_none().then_some((topic, position))
}

/// The octets of the longest cursor.
const LONGEST: usize = 16 << 10;

/// What the numbers of a topic and what stands between them have at most.
const NUMBERS: usize = 43;

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(names: &[&str]) -> Vec<Topic> {
        names.iter().map(|name| Topic::new(name).unwrap()).collect()
    }

    #[test]
    fn it_reads_what_it_writes() {
        let text = "a 81 12;news:1 9999999999999999999 0";
        let mut cursor = Cursor::new(topics(&["a", "other", "news:1"]), Some(text)).unwrap();
        assert_eq!(cursor.text(), text);
        cursor.add(0, 3);
        cursor.add(1, 3);
        cursor.set(
            1,
            Position {
                epoch: 1,
                offset: 7,
            },
        );
        assert_eq!(
            cursor.text(),
            "a 81 15;other 1 7;news:1 9999999999999999999 0"
        );
        assert_eq!(
            Cursor::new(topics(&["a"]), Some(text)).unwrap().text(),
            "a 81 12"
        );
        assert_eq!(Cursor::new(topics(&["a"]), None).unwrap().text(), "");
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in [
            " ",
            ";",
            "a",
            "a 1",
            "a 1 2 3",
            "a 1 2;",
            ";a 1 2",
            "a 1 -2",
            "a 1 +2",
            "a  1 2",
            "a 1 2;a 1 2",
            "a 1 18446744073709551616",
            "a* 1 2",
            "a 1 2 ",
            "a\t1 2",
        ] {
            assert!(Cursor::new(topics(&["a"]), Some(text)).is_err(), "{text:?}");
        }
        let long = format!("{} 1 2", "x".repeat(17 << 10));
        assert!(Cursor::new(Vec::new(), Some(&long)).is_err());
    }

    #[test]
    fn the_longest_numbers_fit() {
        let name = "x".repeat(255);
        let mut cursor = Cursor::new(topics(&[&name]), None).unwrap();
        cursor.set(
            0,
            Position {
                epoch: u64::MAX,
                offset: u64::MAX,
            },
        );
        assert!(cursor.text().len() < 255 + NUMBERS);
        let many: Vec<String> = (100..155)
            .map(|count| format!("{name:.252}{count}"))
            .collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(!Cursor::new(topics(&many), None).unwrap().fits());
        assert!(Cursor::new(topics(&many[..50]), None).unwrap().fits());
    }
}
