//! R5: however what a client sends is cut into reads, what is read is the same.

use crate::conversation;
use crate::corpus;
use crate::row::Row;
use crate::ws_corpus;
use crate::ws_talk::{self, Way};
use bytes::Bytes;
use std::task::{Context, Poll, Waker};
use wireline::extract::{Multipart, MultipartLimits};
use wireline::http1::limits::Limits;
use wireline::service::body::Body;
use wireline::service::handler::FromRequest;
use wireline::service::request::Request;

/// Every case of the corpus, with a request behind it, cut at every place, and at every two if it is short.
pub(crate) fn http1(pairs_up_to: usize) -> Row {
    let mut row = Row::new(
        "R5",
        "HTTP/1.1: the corpus cut at every place and, up to 300 octets, at every two",
        5_000_000,
    );
    for case in corpus::cases() {
        if case.bytes.len() > 600 {
            continue;
        }
        let octets = [&case.bytes[..], TAIL].concat();
        let read =
            |pieces: &[&[u8]]| conversation::Record::of(pieces.iter().copied(), &Limits::default());
        every_cut(&case.name, &octets, pairs_up_to, &mut row, read);
    }
    row
}

/// The same for the corpus of WebSocket, in each way of asking.
pub(crate) fn websocket(pairs_up_to: usize) -> Row {
    let mut row = Row::new(
        "R5",
        "WebSocket: the corpus cut at every place and, up to 100 octets, at every two, asked in four ways",
        500_000,
    );
    for case in ws_corpus::cases() {
        if case.octets.len() > 600 {
            continue;
        }
        for way in Way::ALL {
            let read = |pieces: &[&[u8]]| {
                let pieces = pieces.iter().copied();
                ws_talk::Record::of(case.connection(), pieces, &case.limits, way)
            };
            every_cut(&case.name, &case.octets, pairs_up_to, &mut row, read);
        }
    }
    row
}

/// Forms, well-formed and not.
pub(crate) fn multipart(pairs_up_to: usize) -> Row {
    let mut row = Row::new(
        "R5",
        "multipart/form-data: forms cut at every place and at every two",
        25_000,
    );
    for (at, form) in FORMS.iter().enumerate() {
        every_cut(
            &format!("form {at}"),
            form.as_bytes(),
            pairs_up_to,
            &mut row,
            form_parts,
        );
    }
    row
}

fn every_cut<T: PartialEq + std::fmt::Debug>(
    name: &str,
    octets: &[u8],
    pairs_up_to: usize,
    row: &mut Row,
    read: impl Fn(&[&[u8]]) -> T,
) {
    let whole = read(&[octets]);
    let mut check = |pieces: &[&[u8]]| {
        row.figure += 1;
        let found = read(pieces);
        if found != whole {
            let lengths: Vec<usize> = pieces.iter().map(|piece| piece.len()).collect();
            row.fault(|| format!("{name}, cut into {lengths:?}: {found:?}, whole {whole:?}"));
        }
    };
    for first in 1..octets.len() {
        let (before, after) = octets.split_at(first);
        check(&[before, after]);
        if octets.len() <= pairs_up_to {
            for second in 1..after.len() {
                let (middle, last) = after.split_at(second);
                check(&[before, middle, last]);
            }
        }
    }
    let singly: Vec<&[u8]> = octets.chunks(1).collect();
    check(&singly);
}

/// The parts of a form that comes in pieces: names, contents, and how it ends.
fn form_parts(pieces: &[&[u8]]) -> (Vec<(String, Vec<u8>)>, bool) {
    let mut parts = Vec::new();
    let pieces: Vec<Bytes> = pieces
        .iter()
        .map(|piece| Bytes::copy_from_slice(piece))
        .collect();
    let ended = {
        let mut reading = Box::pin(async {
            let mut request = Request::get("/");
            let content_type = "multipart/form-data; boundary=b";
            let _ = request
                .headers_mut()
                .try_insert("content-type", content_type);
            let limits = MultipartLimits::default().parts(4).header(400).part(100);
            request.extensions_mut().insert(limits);
            *request.body_mut() = Body::from_chunks(pieces.into_iter());
            let Ok(mut form) = Multipart::from_request(request).await else {
                return false;
            };
            loop {
                match form.next().await {
                    Ok(Some(field)) => {
                        let name = field.name().to_owned();
                        match field.bytes().await {
                            Ok(content) => parts.push((name, content.to_vec())),
                            Err(_) => return false,
                        }
                    }
                    Ok(None) => return true,
                    Err(_) => return false,
                }
            }
        });
        match reading
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(ended) => ended,
            Poll::Pending => panic!("it waits for content that is here"),
        }
    };
    (parts, ended)
}

const TAIL: &[u8] = b"GET /tail HTTP/1.1\r\nHost: tail\r\n\r\n";

const FORMS: [&str; 8] = [
    "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nhello\r\n--b--\r\n",
    "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"c\"; filename=\"d.txt\"\r\nContent-Type: text/plain\r\n\r\n\r\n--\r\n--bx\r\n--b--\r\n",
    "preamble\r\n--b\r\nContent-Disposition: form-data; name=a\r\n\r\n--b\r\n-\r\n--b--epilogue",
    "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nno end",
    "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nhello\r\n--b-\r\n",
    "--b\r\nno colon\r\n\r\nhello\r\n--b--\r\n",
    "--b--\r\n",
    "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n\r\n\r\n--b  \r\nContent-Disposition: form-data; name=\"e\"\r\n\r\n\r\r\n--b\t--\r\n--b--",
];

#[cfg(test)]
mod tests {
    #[test]
    fn every_cut_and_some_pairs() {
        for row in [super::http1(45), super::websocket(8), super::multipart(120)] {
            assert!(row.faults.is_empty(), "{:#?}", row.faults);
            assert!(row.figure > 5_000, "{}: {}", row.what, row.figure);
        }
    }
}
