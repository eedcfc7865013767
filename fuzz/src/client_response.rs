//! A response is read the same however it is cut, and as an independent parser reads its head.

use super::input::{Input, pieces};
use bytes::BytesMut;
use http::Method;
use wireline::http1::client::{ResponseEvent, ResponseReader};
use wireline::http1::error::Error;

/// What a client makes of a connection's octets.
#[derive(Debug, Default, PartialEq)]
struct Told {
    status: Option<u16>,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    content: Vec<u8>,
    trailers: Option<usize>,
    goes_on: bool,
    error: Option<Error>,
}

/// Input: one octet (the lowest bit: HEAD; the next: the request asks for another protocol), one octet (how many cut
/// lengths follow), the cut lengths, a response and whatever follows, to the connection's end. Whole and in pieces it must
/// be the same response, and httparse must read the same head.
///
/// # Panics
///
/// When it is not.
pub fn client_response(data: &[u8]) {
    let mut input = Input(data);
    let how = input.octet();
    let lengths = input.string(8);
    let octets = input.0;
    let whole = told(how, &[octets]);
    let lengths = if lengths.is_empty() { &[1] } else { lengths };
    assert_eq!(
        told(how, &pieces(octets, lengths)),
        whole,
        "cut by {lengths:?}"
    );
    if let Some(status) = whole.status {
        assert_head(octets, status, &whole.fields);
    }
    assert!(whole.content.len() <= octets.len());
    assert!(!whole.goes_on || whole.trailers.is_some());
}

fn told(how: u8, pieces: &[&[u8]]) -> Told {
    let method = if how & 1 == 1 {
        Method::HEAD
    } else {
        Method::GET
    };
    let mut reader = ResponseReader::new(&method);
    if how & 2 == 2 {
        reader = reader.may_upgrade();
    }
    let (mut told, mut buf) = (Told::default(), BytesMut::new());
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            match reader.receive(&mut buf) {
                Ok(None) => break,
                Ok(Some(event)) => told.take(event),
                Err(error) => {
                    told.error = Some(error);
                    return told;
                }
            }
        }
    }
    told.goes_on = reader.is_persistent();
    match reader.close() {
        Ok(event) => event.into_iter().for_each(|event| told.take(event)),
        Err(error) => told.error = Some(error),
    }
    told
}

impl Told {
    fn take(&mut self, event: ResponseEvent) {
        assert!(self.trailers.is_none(), "an event behind the end");
        match event {
            ResponseEvent::Head(head) => {
                assert!(self.status.is_none(), "two heads");
                self.status = Some(head.status().as_u16());
                self.fields = head
                    .fields()
                    .map(|line| (line.name().to_vec(), line.value().to_vec()))
                    .collect();
            }
            ResponseEvent::Data(data) => {
                assert!(self.status.is_some() && !data.is_empty());
                self.content.extend_from_slice(&data);
            }
            ResponseEvent::End(trailers) => self.trailers = Some(trailers.iter().count()),
        }
    }
}

/// The octets of the interim responses before the final one, as httparse counts them.
fn interim(mut octets: &[u8]) -> usize {
    let mut skipped = 0;
    loop {
        let mut fields = [httparse::EMPTY_HEADER; 128];
        let mut response = httparse::Response::new(&mut fields);
        let known = known_version(octets);
        match response.parse(&known) {
            Ok(httparse::Status::Complete(_))
                if response.code.is_none_or(|code| code >= 200 || code == 101) =>
            {
                return skipped;
            }
            Ok(httparse::Status::Complete(end)) => {
                octets = &octets[end..];
                skipped += end;
            }
            _ => panic!("httparse refuses what was accepted"),
        }
    }
}

/// A later minor version of HTTP/1 is read as the highest that is known (RFC 9110 section 2.5); httparse refuses it.
fn known_version(octets: &[u8]) -> Vec<u8> {
    let mut octets = octets.to_vec();
    if octets.starts_with(b"HTTP/1.")
        && let Some(minor @ b'2'..=b'9') = octets.get_mut(7)
    {
        *minor = b'1';
    }
    octets
}

fn assert_head(octets: &[u8], status: u16, fields: &[(Vec<u8>, Vec<u8>)]) {
    let mut theirs = [httparse::EMPTY_HEADER; 128];
    let mut response = httparse::Response::new(&mut theirs);
    let known = known_version(&octets[interim(octets)..]);
    assert!(response.parse(&known).is_ok());
    assert_eq!(response.code, Some(status));
    let theirs: Vec<_> = response
        .headers
        .iter()
        .map(|field| {
            (
                field.name.to_ascii_lowercase().into_bytes(),
                field.value.to_vec(),
            )
        })
        .collect();
    assert_eq!(theirs, fields);
}
