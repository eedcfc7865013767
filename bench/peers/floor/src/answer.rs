//! Fixed answers to whatever ends in a blank line.

use memchr::memmem;

/// Appends an answer for every complete request at the start of `bytes` and returns how many bytes those requests take.
///
/// A method that begins with `P` has content of the length that its Content-Length field says, and gets it back; a path that begins with `/j`
/// gets JSON; anything else gets the greeting.
pub fn answer(bytes: &[u8], out: &mut Vec<u8>) -> usize {
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        let Some(blank) = memmem::find(rest, b"\r\n\r\n") else {
            return at;
        };
        let mut end = blank + 4;
        if rest[0] == b'P' {
            let length = content_length(&rest[..end]);
            if rest.len() < end + length {
                return at;
            }
            out.extend_from_slice(ECHO);
            out.extend_from_slice(length.to_string().as_bytes());
            out.extend_from_slice(b"\r\n\r\n");
            out.extend_from_slice(&rest[end..end + length]);
            end += length;
        } else if rest.len() > 5 && rest[5] == b'j' {
            out.extend_from_slice(JSON);
        } else {
            out.extend_from_slice(HELLO);
        }
        at += end;
    }
}

/// The value of a Content-Length field, 0 without one. Nothing is checked: this is a floor.
fn content_length(head: &[u8]) -> usize {
    memmem::find(head, b"ontent-")
        .and_then(|_| {
            head.windows(8)
                .position(|window| window.eq_ignore_ascii_case(b"-length:"))
        })
        .map_or(0, |at| {
            head[at + 8..]
                .iter()
                .skip_while(|byte| **byte == b' ')
                .take_while(|byte| byte.is_ascii_digit())
                .fold(0_usize, |value, byte| {
                    value
                        .wrapping_mul(10)
                        .wrapping_add(usize::from(byte - b'0'))
                })
        })
}

const HELLO: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\nDate: Sat, 21 Nov 2026 09:00:00 GMT\r\n\r\nHello, World!";
const JSON: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\nDate: Sat, 21 Nov 2026 09:00:00 GMT\r\n\r\n{\"message\":\"Hello, World!\"}";
const ECHO: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nDate: Sat, 21 Nov 2026 09:00:00 GMT\r\nContent-Length: ";
