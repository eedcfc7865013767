//! A head that is accepted here is accepted by httparse, with equal method, target, version and fields.

use super::request_head::accepted;
use http::Version;

/// Input: octets. Whatever httparse is laxer in (bare LF, many empty lines, no Host, framing) is not its
/// business; what we accept must be a request to everybody.
///
/// # Panics
///
/// When httparse refuses it or reads it in another way.
pub fn differential(data: &[u8]) {
    let Some((connection, taken)) = accepted(data) else {
        return;
    };
    let head = connection.head();
    let mut room = [httparse::EMPTY_HEADER; 128];
    let mut theirs = httparse::Request::new(&mut room);
    match theirs.parse(data) {
        Ok(status) => assert_eq!(status, httparse::Status::Complete(taken), "another length"),
        // RFC 9110 section 2.5: HTTP/1.2 is processed as HTTP/1.1; httparse does not know it.
        Err(httparse::Error::Version) if is_later_minor(&data[..taken]) => return,
        Err(error) => panic!("httparse: {error}"),
    }
    assert_eq!(theirs.method, Some(head.method().as_str()));
    assert_eq!(theirs.path.map(str::as_bytes), Some(head.uri()));
    assert_eq!(
        theirs.version,
        Some(u8::from(head.version() == Version::HTTP_11))
    );
    let ours: Vec<_> = head
        .fields()
        .map(|field| (field.name().to_vec(), field.value().to_vec()))
        .collect();
    let theirs: Vec<_> = theirs
        .headers
        .iter()
        .map(|field| {
            (
                field.name.to_ascii_lowercase().into_bytes(),
                field.value.to_vec(),
            )
        })
        .collect();
    assert_eq!(ours, theirs);
}

/// Whether the request line says HTTP/1.2 to HTTP/1.9.
fn is_later_minor(head: &[u8]) -> bool {
    let line = head
        .trim_ascii_start()
        .split(|octet| *octet == b'\r')
        .next()
        .unwrap_or_default();
    matches!(
        line,
        [
            ..,
            b' ',
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            b'1',
            b'.',
            b'2'..=b'9'
        ]
    )
}
