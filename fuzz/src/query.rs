//! A query gives the values that splitting its text gives, whoever asks: a handler, or Engine.IO.

use wireline::Request;
use wireline::socketio::engine::Transport;
use wireline::socketio::engine::query::{Query, RequestError};

/// Input: a query, as it stands in a request's target.
///
/// # Panics
///
/// When a value is not the one that the model finds.
pub fn query(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let request = Request::get(&format!("/?{text}"));
    let taken = request.query().unwrap_or_default();
    let pairs: Vec<(String, String)> = taken
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (plain(name), plain(value))
        })
        .collect();
    for name in pairs.iter().map(|(name, _)| name.as_str()).chain(["no"]) {
        let first = pairs.iter().find(|(known, _)| known == name);
        let wanted = first.map(|(_, value)| value.clone());
        assert_eq!(request.query_value(name), wanted, "{name:?} of {taken:?}");
    }
    assert_eq!(Query::read(&text), asked(&text), "{text:?}");
}

/// What a form's text says: what stands behind each `%` is looked at by itself.
fn plain(text: &str) -> String {
    let text = text.replace('+', " ");
    let mut parts = text.split('%');
    let mut octets = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|digits| {
            let mut digits = digits.chars();
            digits.all(|digit| digit.is_ascii_hexdigit())
        });
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(octet) => {
                octets.push(octet);
                octets.extend_from_slice(&part.as_bytes()[2..]);
            }
            None => {
                octets.push(b'%');
                octets.extend_from_slice(part.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

fn asked(text: &str) -> Result<Query<'_>, RequestError> {
    let (mut transport, mut sid, mut version) = (None, None, None);
    for pair in text.split('&') {
        let mut halves = pair.splitn(2, '=');
        let place = match halves.next().unwrap_or_default() {
            "transport" => &mut transport,
            "sid" => &mut sid,
            "EIO" => &mut version,
            _ => continue,
        };
        place.get_or_insert(halves.next().unwrap_or_default());
    }
    // One that can be made only by reading: its parts are set one by one.
    let mut query = Query::read("transport=polling")?;
    query.transport = match transport {
        Some("polling") => Transport::Polling,
        Some("websocket") => Transport::WebSocket,
        _ => return Err(RequestError::UnknownTransport),
    };
    query.sid = sid.filter(|sid| !sid.is_empty());
    query.is_version_4 = version == Some("4");
    Ok(query)
}
