//! Heads of responses, as octets. Nothing here can be made to split a response: names and values come
//! as [`FieldLine`]s, which only checked types can become.

use crate::http1::framing::BodyFraming;
use crate::wire::fields::{FieldLine, is_of_connection, may_trail};
use crate::wire::number;
use crate::wire::paved::PavedLines;
use crate::wire::shared::SharedLines;
use http::{HeaderValue, StatusCode};

/// The fields that a server adds to its responses: `Server` and `Date`, already written as lines.
///
/// ```
/// use http::{HeaderValue, StatusCode};
/// use wireline::http1::connection::ResponseHead;
/// use wireline::http1::encode::Stamp;
/// # use wireline::http1::{connection::Connection, limits::Limits, out::Out};
/// # let mut connection = Connection::default();
/// # let mut buf = bytes::BytesMut::from("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
/// # connection.receive(&mut buf, &Limits::default())?;
///
/// // Made once a second, when the date is another one, and used for all responses of that second.
/// let date = HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT");
/// let mut stamp = Stamp::new(&HeaderValue::from_static("example"), &date);
///
/// let head = ResponseHead { status: StatusCode::NO_CONTENT, length: None, close: true };
/// let mut out = Out::default();
/// connection.send_response(head, None, std::iter::empty(), &mut stamp, &mut out)?;
/// let text = String::from_utf8(out.to_vec())?;
/// assert!(text.contains("\r\nserver: example\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Stamp {
    server: Vec<u8>,
    date: Vec<u8>,
    /// The end of the usual head: connection option, server, date, empty line.
    keep_alive_end: Vec<u8>,
    memo: Memo,
}

/// The last usual head that was wanted twice in a row.
#[derive(Clone, Debug)]
struct Memo {
    content_type: HeaderValue,
    length: u64,
    /// The length of the head before.
    before: u64,
    /// Empty when there is none.
    head: Vec<u8>,
}

impl Default for Memo {
    fn default() -> Self {
        Self {
            content_type: HeaderValue::from_static(""),
            length: 0,
            before: 0,
            head: Vec::new(),
        }
    }
}

impl Stamp {
    /// A stamp with this product name (none, when empty) and this IMF-fixdate.
    ///
    /// Both must be visible US-ASCII and spaces, as [`http::HeaderValue`] checks them.
    pub fn new(server: &HeaderValue, date: &HeaderValue) -> Self {
        let line = |name: &[u8], value: &[u8]| {
            if value.is_empty() {
                Vec::new()
            } else {
                [name, b": ", value, b"\r\n"].concat()
            }
        };
        let server = line(b"server", server.as_bytes());
        let date = line(b"date", date.as_bytes());
        let keep_alive_end = [KEEP_ALIVE, &server, &date, b"\r\n"].concat();
        Self {
            server,
            date,
            keep_alive_end,
            memo: Memo::default(),
        }
    }
}

/// Neither `Server` nor `Date`.
impl Default for Stamp {
    fn default() -> Self {
        Self {
            server: Vec::new(),
            date: Vec::new(),
            keep_alive_end: [KEEP_ALIVE, b"\r\n"].concat(),
            memo: Memo::default(),
        }
    }
}

/// What the head of a final response says besides its fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadPlan {
    pub(crate) status: StatusCode,
    pub(crate) framing: BodyFraming,
    /// The length to announce although no content follows: HEAD and 304.
    pub(crate) announced: Option<u64>,
    pub(crate) option: ConnectionOption,
}

/// The connection option of a response (RFC 9110 §7.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionOption {
    KeepAlive,
    Close,
    Upgrade,
    /// A 2xx to CONNECT says nothing.
    None,
}

/// Writes the head of a final response. Fields that belong to the connection are ours: those of the
/// caller are left out; a `Date` or `Server` of the caller takes the place of ours.
#[inline]
pub(crate) fn final_head<'a>(
    out: &mut Vec<u8>,
    plan: HeadPlan,
    shared: Option<&SharedLines>,
    fields: impl Iterator<Item = FieldLine<'a>>,
    stamp: &Stamp,
) {
    out.reserve(512 + shared.map_or(0, |shared| shared.octets().len()));
    status_line(out, plan.status);
    if let Some(shared) = shared {
        out.extend_from_slice(shared.octets());
    }
    let (mut own_server, mut own_date, mut upgrade) = (false, false, false);
    for field in fields {
        match field.name().len() {
            4 if field.name() == b"date" => own_date = true,
            6 if field.name() == b"server" => own_server = true,
            7 if field.name() == b"upgrade" => {
                if !may_name_upgrades(plan) {
                    continue;
                }
                upgrade = true;
            }
            7..=17 if is_of_connection(field.name()) => continue,
            _ => {}
        }
        field.write(out);
    }
    match (plan.framing, plan.announced) {
        (BodyFraming::Length(length), _) | (_, Some(length)) => {
            out.extend_from_slice(b"content-length: ");
            number::push_decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
        (BodyFraming::Chunked, None) => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        (BodyFraming::Empty | BodyFraming::CloseDelimited, None) => {}
    }
    if plan.option == ConnectionOption::KeepAlive && !own_server && !own_date && !upgrade {
        out.extend_from_slice(&stamp.keep_alive_end);
        return;
    }
    out.extend_from_slice(match plan.option {
        // RFC 9110 §7.8: whoever sends Upgrade sends its connection option.
        ConnectionOption::KeepAlive if upgrade => b"connection: keep-alive, upgrade\r\n",
        ConnectionOption::Close if upgrade => b"connection: close, upgrade\r\n",
        ConnectionOption::KeepAlive => KEEP_ALIVE,
        ConnectionOption::Close => b"connection: close\r\n",
        ConnectionOption::Upgrade => b"connection: upgrade\r\n",
        ConnectionOption::None => b"",
    });
    if !own_server {
        out.extend_from_slice(&stamp.server);
    }
    if !own_date {
        out.extend_from_slice(&stamp.date);
    }
    out.extend_from_slice(b"\r\n");
}

/// 200, a content type and a length, on a connection that persists: most responses there are.
#[inline]
pub(crate) fn usual_head(
    out: &mut Vec<u8>,
    content_type: &HeaderValue,
    length: u64,
    lines: Option<&PavedLines>,
    stamp: &mut Stamp,
) {
    let memo = &stamp.memo;
    // The memo keeps its value alive, so one at the same address is the same.
    if length == memo.length
        && !memo.head.is_empty()
        && std::ptr::eq(content_type.as_bytes(), memo.content_type.as_bytes())
    {
        out.extend_from_slice(&memo.head);
    } else {
        fresh_usual_head(out, content_type, length, stamp);
    }
    if let Some(lines) = lines {
        out.truncate(out.len() - 2);
        out.extend_from_slice(lines.octets());
        out.extend_from_slice(b"\r\n");
    }
}

fn fresh_usual_head(out: &mut Vec<u8>, content_type: &HeaderValue, length: u64, stamp: &mut Stamp) {
    let memo = &stamp.memo;
    if length == memo.length && !memo.head.is_empty() && *content_type == memo.content_type {
        out.extend_from_slice(&memo.head);
        return;
    }
    let begun = out.len();
    out.reserve(512);
    out.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-type: ");
    out.extend_from_slice(content_type.as_bytes());
    out.extend_from_slice(b"\r\ncontent-length: ");
    number::push_decimal(out, length);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&stamp.keep_alive_end);
    let memo = &mut stamp.memo;
    if memo.before == length {
        memo.content_type.clone_from(content_type);
        memo.length = length;
        memo.head.clear();
        memo.head.extend_from_slice(&out[begun..]);
    }
    memo.before = length;
}

/// Writes an interim response (RFC 9110 §15.2).
pub(crate) fn interim_head<'a>(
    out: &mut Vec<u8>,
    status: StatusCode,
    fields: impl Iterator<Item = FieldLine<'a>>,
) {
    status_line(out, status);
    for field in fields.filter(|field| !is_of_connection(field.name())) {
        field.write(out);
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes the last chunk and the trailer section (RFC 9112 §7.1.2), without what has no place in one
/// (RFC 9110 §6.5.1).
pub(crate) fn last_chunk<'a>(out: &mut Vec<u8>, trailers: impl Iterator<Item = FieldLine<'a>>) {
    out.extend_from_slice(b"0\r\n");
    for field in trailers.filter(|field| may_trail(field.name())) {
        field.write(out);
    }
    out.extend_from_slice(b"\r\n");
}

#[inline]
fn status_line(out: &mut Vec<u8>, status: StatusCode) {
    if status == StatusCode::OK {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    // RFC 9112 §4: the space stays when there is no reason phrase.
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// RFC 9110 §7.8: Upgrade goes with a switch, and with 426.
fn may_name_upgrades(plan: HeadPlan) -> bool {
    plan.option == ConnectionOption::Upgrade || plan.status == StatusCode::UPGRADE_REQUIRED
}

const KEEP_ALIVE: &[u8] = b"connection: keep-alive\r\n";
