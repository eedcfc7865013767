//! The lines themselves.

use super::redact::redacted;
use super::{Format, REDACTED, Settings};
use crate::service::request::Request;
use crate::service::user::{CurrentUser, UserSlot};
use crate::wire::number::push_decimal;
use http::{Method, StatusCode, Version};
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// What is remembered of a request until its line is written.
pub(super) struct Record {
    at: SystemTime,
    begun: Instant,
    client: String,
    /// Whoever authenticates stands further in.
    user: UserSlot,
    method: Method,
    host: Option<Vec<u8>>,
    path: Vec<u8>,
    /// `None` without a query; `Some(None)` with one that is left out.
    query: Option<Option<Vec<u8>>>,
    version: Version,
    route: Option<Box<str>>,
    id: Option<String>,
    referer: Option<Vec<u8>>,
    agent: Option<Vec<u8>>,
}

impl Record {
    pub(super) fn of(request: &mut Request, settings: &Settings) -> Self {
        let user = UserSlot::of(request);
        let value = |name: &str| Some(cut(request.header(name)?.as_bytes()));
        let clean = |value: &[u8]| redacted(value, &settings.redacted);
        let without_query = |value: Vec<u8>| {
            let end = value.iter().position(|octet| matches!(octet, b'?' | b'#'));
            match end {
                None => value,
                Some(end) if !settings.queries => value[..end].to_vec(),
                Some(_) => clean(&value),
            }
        };
        Self {
            at: SystemTime::now(),
            begun: Instant::now(),
            client: request.client().to_string(),
            user,
            host: request.host().map(|host| cut(host.as_bytes())),
            method: request.method().clone(),
            path: cut(request.path().as_bytes()),
            query: request
                .query()
                .map(|query| settings.queries.then(|| clean(cut_slice(query.as_bytes())))),
            version: request.version(),
            route: request
                .matched_pattern()
                .filter(|pattern| !pattern.is_empty())
                .map(Into::into),
            id: request.id_text(),
            referer: value("referer").map(without_query),
            agent: value("user-agent"),
        }
    }

    /// The line, with its end.
    pub(super) fn line(
        &self,
        format: Format,
        status: Option<StatusCode>,
        octets: u64,
        whole: bool,
    ) -> Vec<u8> {
        let mut line = Vec::with_capacity(256);
        match format {
            Format::Json => self.json(&mut line, status, octets, whole),
            Format::Common => self.common(&mut line, status, octets),
            Format::Combined => {
                self.common(&mut line, status, octets);
                for value in [&self.referer, &self.agent] {
                    line.extend_from_slice(b" \"");
                    escape(&mut line, value.as_deref().unwrap_or(b"-"));
                    line.push(b'"');
                }
            }
        }
        line.push(b'\n');
        line
    }

    fn common(&self, line: &mut Vec<u8>, status: Option<StatusCode>, octets: u64) {
        let time = Civil::of(self.at);
        escape(line, self.client.as_bytes());
        let month = MONTHS[usize::from(time.month) - 1];
        line.extend_from_slice(b" - ");
        let user = self.user.get();
        match user.as_ref().map(CurrentUser::id) {
            Some(id) if !id.is_empty() => {
                // A blank would end it.
                for (place, word) in cut_slice(id.as_bytes())
                    .split(|octet| *octet == b' ')
                    .enumerate()
                {
                    if place > 0 {
                        line.extend_from_slice(b"\\x20");
                    }
                    escape(line, word);
                }
            }
            _ => line.push(b'-'),
        }
        let _ = write!(
            line,
            " [{:02}/{month}/{:04}:{:02}:{:02}:{:02} +0000] \"",
            time.day, time.year, time.hour, time.minute, time.second
        );
        escape(line, cut_slice(self.method.as_str().as_bytes()));
        line.push(b' ');
        escape(line, &self.path);
        if let Some(query) = &self.query {
            line.push(b'?');
            escape(line, query.as_deref().unwrap_or(REDACTED));
        }
        let _ = write!(line, " {:?}\" ", self.version);
        match status {
            Some(status) => line.extend_from_slice(status.as_str().as_bytes()),
            None => line.push(b'-'),
        }
        line.push(b' ');
        match octets {
            0 => line.push(b'-'),
            octets => push_decimal(line, octets),
        }
    }

    fn json(&self, line: &mut Vec<u8>, status: Option<StatusCode>, octets: u64, whole: bool) {
        let time = Civil::of(self.at);
        let _ = write!(
            line,
            "{{\"time\":\"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z\"",
            time.year, time.month, time.day, time.hour, time.minute, time.second, time.millis
        );
        string(line, "client", Some(self.client.as_bytes()));
        let method = cut_slice(self.method.as_str().as_bytes());
        let user = self.user.get();
        let user = user.as_ref().map(|user| cut_slice(user.id().as_bytes()));
        string(line, "user", user);
        string(line, "method", Some(method));
        string(line, "host", self.host.as_deref());
        string(line, "path", Some(&self.path));
        if let Some(query) = &self.query {
            string(line, "query", Some(query.as_deref().unwrap_or(REDACTED)));
        }
        let _ = write!(line, ",\"protocol\":\"{:?}\"", self.version);
        string(line, "route", self.route.as_deref().map(str::as_bytes));
        let outcome = match status {
            None => "unanswered",
            Some(StatusCode::SWITCHING_PROTOCOLS) => "upgraded",
            Some(_) if whole => "complete",
            Some(_) => "cut",
        };
        match status {
            Some(status) => drop(write!(line, ",\"status\":{}", status.as_u16())),
            None => line.extend_from_slice(b",\"status\":null"),
        }
        let elapsed = self.begun.elapsed().as_secs_f64() * 1000.0;
        let _ = write!(
            line,
            ",\"bytes\":{octets},\"duration_ms\":{elapsed:.3},\"outcome\":\"{outcome}\""
        );
        string(line, "request_id", self.id.as_deref().map(str::as_bytes));
        string(line, "referer", self.referer.as_deref());
        string(line, "user_agent", self.agent.as_deref());
        line.push(b'}');
    }
}

/// As Apache escapes it: quotes and backslashes behind a backslash, all that is no visible ASCII as `\xHH`.
fn escape(line: &mut Vec<u8>, value: &[u8]) {
    for octet in value {
        match octet {
            b'"' | b'\\' => line.extend_from_slice(&[b'\\', *octet]),
            b' '..=b'~' => line.push(*octet),
            octet => drop(write!(line, "\\x{octet:02x}")),
        }
    }
}

/// A member of an object, not the first; `null` without a value.
fn string(line: &mut Vec<u8>, name: &str, value: Option<&[u8]>) {
    let _ = write!(line, ",\"{name}\":");
    let Some(value) = value else {
        line.extend_from_slice(b"null");
        return;
    };
    line.push(b'"');
    for character in String::from_utf8_lossy(value).chars() {
        match character {
            '"' | '\\' => drop(write!(line, "\\{character}")),
            // Control characters of both kinds: some terminals obey those above 0x80, too. And what turns the direction of
            // text, so that a line reads as it was written.
            character if character.is_control() || turns(character) => {
                drop(write!(line, "\\u{:04x}", u32::from(character)));
            }
            character => drop(write!(line, "{character}")),
        }
    }
    line.push(b'"');
}

/// Whether it has the property Bidi_Control (UAX #9 §2): it orders the text around it.
const fn turns(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

fn cut(value: &[u8]) -> Vec<u8> {
    cut_slice(value).to_vec()
}

fn cut_slice(value: &[u8]) -> &[u8] {
    &value[..value.len().min(LONGEST)]
}

/// A point in time as people read it, in UTC.
struct Civil {
    year: u64,
    month: u8,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    millis: u32,
}

impl Civil {
    fn of(time: SystemTime) -> Self {
        // A clock before 1970 reads as 1970.
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
        let (mut year, mut left) = (1970 + days / 146_097 * 400, days % 146_097);
        while left >= days_of(year) {
            left -= days_of(year);
            year += 1;
        }
        let february = if days_of(year) == 366 { 29 } else { 28 };
        let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let mut month = 1;
        for length in lengths {
            if left < length {
                break;
            }
            left -= length;
            month += 1;
        }
        Self {
            year,
            month,
            day: left + 1,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
            millis: since.subsec_millis(),
        }
    }
}

const fn days_of(year: u64) -> u64 {
    if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) {
        366
    } else {
        365
    }
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
/// Of each value that a client sends.
const LONGEST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_agree_with_the_date_field() {
        // Every day of 1970 to 2400 at another second, against the crate that writes Date.
        for day in 0..157_000u64 {
            let time = UNIX_EPOCH + Duration::from_secs(day * 86_400 + day * 7919 % 86_400);
            let civil = Civil::of(time);
            let month = MONTHS[usize::from(civil.month) - 1];
            let own = format!(
                "{:02} {month} {:04} {:02}:{:02}:{:02} GMT",
                civil.day, civil.year, civil.hour, civil.minute, civil.second
            );
            let date = httpdate::fmt_http_date(time);
            assert_eq!(
                date.split_once(' ').map(|(_, rest)| rest),
                Some(own.as_str())
            );
        }
    }

    #[test]
    fn whatever_is_in_a_value_a_line_stays_one_line() {
        let value: Vec<u8> = (0..=255).collect();
        let mut line = Vec::new();
        escape(&mut line, &value);
        assert!(line.iter().all(|octet| matches!(octet, b' '..=b'~')));
        let text = String::from_utf8(line).unwrap();
        assert!(
            text.starts_with("\\x00\\x01") && text.contains("!\\\"#") && text.contains("[\\\\]")
        );

        let mut line = Vec::new();
        let value: String = (0..0x2100).filter_map(char::from_u32).collect();
        string(&mut line, "v", Some(value.as_bytes()));
        let text = String::from_utf8(line).unwrap();
        assert!(!text.chars().any(char::is_control));
        assert!(!text.chars().any(turns));
        assert!(text.contains("\\u061c") && text.contains("\\u202e") && text.contains("\\u2069"));
        assert!(text.contains("\\u001b") && text.contains("\\u009b") && text.contains("\u{e9}"));
        let mut line = Vec::new();
        string(&mut line, "v", Some(b"\xff\x1b[31m"));
        assert_eq!(
            String::from_utf8(line).unwrap(),
            ",\"v\":\"\u{fffd}\\u001b[31m\""
        );
    }
}
