//! JSON to MessagePack: a placeholder becomes the octets that it stands for.

use bytes::Bytes;
use serde::Deserialize;
use std::borrow::Cow;

/// JSON as one document of MessagePack; a placeholder becomes its attachment, each of them once at most.
pub(in crate::socketio) fn from_json(json: &str, attachments: &[Bytes]) -> Option<Vec<u8>> {
    let octets = attachments.iter().map(Bytes::len).sum::<usize>();
    let mut writer = Writer {
        json,
        at: 0,
        out: Vec::with_capacity(json.len() + octets),
        open: Vec::new(),
        values: 0,
        attachments: attachments.iter().map(Some).collect(),
    };
    writer.all()?;
    (writer.open.is_empty() && writer.values == 1).then_some(writer.out)
}

/// A string as JSON has it.
pub(in crate::socketio) fn quote(json: &mut String, text: &str) -> Option<()> {
    json.push_str(&serde_json::to_string(text).ok()?);
    Some(())
}

struct Writer<'a> {
    json: &'a str,
    at: usize,
    out: Vec<u8>,
    open: Vec<Open>,
    /// The values of the innermost that is open, keys among them.
    values: usize,
    /// Those that have not been written.
    attachments: Vec<Option<&'a Bytes>>,
}

/// An array or a map that has begun.
struct Open {
    is_map: bool,
    /// Where it begins in the JSON, and in what is written.
    begun: (usize, usize),
    /// The values of the one around it.
    values: usize,
}

impl Writer<'_> {
    fn all(&mut self) -> Option<()> {
        while let Some(octet) = self.json.as_bytes().get(self.at).copied() {
            let begun = self.at;
            self.at += 1;
            match octet {
                b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' => continue,
                b'[' | b'{' => {
                    self.open.push(Open {
                        is_map: octet == b'{',
                        begun: (begun, self.out.len()),
                        values: self.values,
                    });
                    self.values = 0;
                    self.out.push(0);
                    continue;
                }
                b']' | b'}' => self.close(octet == b'}')?,
                b'"' => self.string(begun)?,
                _ => self.word(begun)?,
            }
            self.values += 1;
        }
        Some(())
    }

    fn close(&mut self, is_map: bool) -> Option<()> {
        let open = self.open.pop()?;
        let (from, to) = open.begun;
        let mut count = std::mem::replace(&mut self.values, open.values);
        if open.is_map != is_map || (is_map && count % 2 != 0) {
            return None;
        }
        if is_map {
            count /= 2;
            let source = self.json.get(from..self.at)?;
            if count == 2
                && !self.attachments.is_empty()
                && let Ok(Placeholder {
                    is_placeholder: true,
                    num,
                }) = serde_json::from_str(source)
            {
                // One that stands for nothing, or for what was written already, is an object like any other.
                if let Some(octets) = self.attachments.get_mut(num).and_then(Option::take) {
                    self.out.truncate(to);
                    sized(&mut self.out, octets.len(), 0xc4)?;
                    self.out.extend_from_slice(octets);
                    return Some(());
                }
            }
        }
        // One octet was left for it; most have no more.
        let mut header = Vec::with_capacity(5);
        let (few, many) = if is_map { (0x80, 0xde) } else { (0x90, 0xdc) };
        match (u8::try_from(count), u16::try_from(count)) {
            (Ok(count), _) if count < 16 => header.push(few | count),
            (_, Ok(count)) => {
                header.push(many);
                header.extend_from_slice(&count.to_be_bytes());
            }
            _ => {
                header.push(many + 1);
                header.extend_from_slice(&u32::try_from(count).ok()?.to_be_bytes());
            }
        }
        self.out.splice(to..=to, header);
        Some(())
    }

    fn string(&mut self, begun: usize) -> Option<()> {
        let rest = self.json.as_bytes().get(self.at..)?;
        let mut is_escaped = false;
        let end = rest.iter().position(|octet| {
            let ends = *octet == b'"' && !is_escaped;
            is_escaped = *octet == b'\\' && !is_escaped;
            ends
        })?;
        self.at += end + 1;
        let source = self.json.get(begun..self.at)?;
        let text = if source.contains('\\') {
            Cow::Owned(serde_json::from_str::<String>(source).ok()?)
        } else {
            Cow::Borrowed(source.get(1..source.len() - 1)?)
        };
        match u8::try_from(text.len()) {
            Ok(length) if length < 32 => self.out.push(0xa0 | length),
            _ => sized(&mut self.out, text.len(), 0xd9)?,
        }
        self.out.extend_from_slice(text.as_bytes());
        Some(())
    }

    fn word(&mut self, begun: usize) -> Option<()> {
        let rest = self.json.as_bytes().get(begun..)?;
        let is_part = |octet: &u8| octet.is_ascii_alphanumeric() || b"+-.".contains(octet);
        let length = rest.iter().take_while(|octet| is_part(octet)).count();
        self.at = begun + length.max(1);
        match self.json.get(begun..self.at)? {
            "null" => self.out.push(0xc0),
            "false" => self.out.push(0xc2),
            "true" => self.out.push(0xc3),
            number => self.number(&serde_json::from_str(number).ok()?)?,
        }
        Some(())
    }

    fn number(&mut self, number: &serde_json::Number) -> Option<()> {
        let out = &mut self.out;
        if let Some(value) = number.as_u64() {
            match (
                u8::try_from(value),
                u16::try_from(value),
                u32::try_from(value),
            ) {
                (Ok(value), ..) if value < 0x80 => out.push(value),
                (Ok(value), ..) => out.extend_from_slice(&[0xcc, value]),
                (_, Ok(value), _) => tagged(out, 0xcd, &value.to_be_bytes()),
                (.., Ok(value)) => tagged(out, 0xce, &value.to_be_bytes()),
                _ => tagged(out, 0xcf, &value.to_be_bytes()),
            }
        } else if let Some(value) = number.as_i64() {
            match (
                i8::try_from(value),
                i16::try_from(value),
                i32::try_from(value),
            ) {
                (Ok(value), ..) if value >= -0x20 => out.extend_from_slice(&value.to_be_bytes()),
                (Ok(value), ..) => tagged(out, 0xd0, &value.to_be_bytes()),
                (_, Ok(value), _) => tagged(out, 0xd1, &value.to_be_bytes()),
                (.., Ok(value)) => tagged(out, 0xd2, &value.to_be_bytes()),
                _ => tagged(out, 0xd3, &value.to_be_bytes()),
            }
        } else {
            tagged(out, 0xcb, &number.as_f64()?.to_be_bytes());
        }
        Some(())
    }
}

fn tagged(out: &mut Vec<u8>, tag: u8, octets: &[u8]) {
    out.push(tag);
    out.extend_from_slice(octets);
}

/// The head of a string or of octets, with a length of 1, 2 or 4 octets.
fn sized(out: &mut Vec<u8>, length: usize, tag: u8) -> Option<()> {
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length), _) => out.extend_from_slice(&[tag, length]),
        (_, Ok(length)) => tagged(out, tag + 1, &length.to_be_bytes()),
        _ => tagged(out, tag + 2, &u32::try_from(length).ok()?.to_be_bytes()),
    }
    Some(())
}

#[derive(Deserialize)]
struct Placeholder {
    #[serde(rename = "_placeholder")]
    is_placeholder: bool,
    num: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_that_stands_for_nothing_is_an_object() {
        let one = r#"{"_placeholder":true,"num":0}"#;
        let octets = [Bytes::from_static(b"\x07")];
        let alone = from_json(one, &octets).unwrap();
        assert_eq!(alone, b"\xc4\x01\x07");
        let object = from_json(one, &[]).unwrap();
        assert_eq!(object.first(), Some(&0x82), "a map of two");
        let twice = from_json(&format!("[{one},{one}]"), &octets).unwrap();
        assert_eq!(twice, [b"\x92", &alone[..], &object].concat());
        let beyond = one.replace('0', "1");
        let written = from_json(&format!("[{beyond},{one}]"), &octets).unwrap();
        assert!(written.ends_with(&alone) && written.len() > object.len());
    }
}
