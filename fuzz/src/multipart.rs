//! A form gives the parts that a naive reading of all its octets gives, never more than the limits, however it is cut.

use bytes::Bytes;
use std::task::{Context, Poll, Waker};
use wireline::extract::{Multipart, MultipartError, MultipartLimits};
use wireline::service::body::Body;
use wireline::service::handler::FromRequest;
use wireline::service::request::Request;

const PARTS: usize = 5;
const HEADER: usize = 300;
const PART: u64 = 60;

/// What came out: the content of each part, and how it ended.
type Outcome = (Vec<Vec<u8>>, Result<(), MultipartError>);

/// Input: an octet for the size of pieces, then a form whose boundary is `b`.
///
/// # Panics
///
/// When the parts are not those of the model, when a limit is passed, or when it matters how the form is cut.
pub fn multipart(data: &[u8]) {
    let Some((size, content)) = data.split_first() else {
        return;
    };
    let model = model(content);
    let whole = read(content, content.len().max(1));
    check(&whole, &model);
    for size in [1, usize::from(*size).max(1)] {
        let cut = read(content, size);
        check(&cut, &model);
        let is_long = |outcome: &Outcome| matches!(outcome.1, Err(MultipartError::HeaderTooLarge));
        // How much is looked at before a long section is refused hangs on how it comes.
        if !is_long(&whole) && !is_long(&cut) {
            assert_eq!(whole.0, cut.0, "pieces of {size}");
            assert_eq!(whole.1.is_ok(), cut.1.is_ok(), "pieces of {size}");
        }
    }
}

fn check((parts, end): &Outcome, (model, is_whole): &(Vec<Vec<u8>>, bool)) {
    assert!(parts.len() <= PARTS);
    assert!(parts.iter().all(|part| part.len() as u64 <= PART));
    assert_eq!(
        parts.as_slice(),
        model.get(..parts.len()).unwrap_or_default()
    );
    if end.is_ok() {
        assert!(is_whole);
        assert_eq!(parts.len(), model.len());
    }
}

/// Reads a form that comes in pieces of this size. Nothing in it waits: the content is here.
fn read(content: &[u8], size: usize) -> Outcome {
    let mut parts = Vec::new();
    let mut reading = Box::pin(async {
        let mut request = Request::get("/");
        let headers = request.headers_mut();
        let _ = headers.try_insert("content-type", "multipart/form-data; boundary=b");
        let limits = MultipartLimits::default()
            .parts(PARTS)
            .header(HEADER)
            .part(PART);
        request.extensions_mut().insert(limits);
        let pieces: Vec<Bytes> = content.chunks(size).map(Bytes::copy_from_slice).collect();
        *request.body_mut() = Body::from_chunks(pieces.into_iter());
        let mut form = Multipart::from_request(request).await.expect("a form");
        let end = loop {
            match form.next().await {
                Ok(Some(field)) => match field.bytes().await {
                    Ok(content) => parts.push(content.to_vec()),
                    Err(error) => break Err(error),
                },
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if end.is_err() {
            assert!(form.next().await.is_err(), "an error was forgotten");
        }
        end
    });
    let end = match reading
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(end) => end,
        Poll::Pending => panic!("it waits for content that is here"),
    };
    drop(reading);
    (parts, end)
}

/// The contents of the parts, as far as there are any, and whether the last boundary came.
fn model(content: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let mut parts = Vec::new();
    let Some(begin) = find(content, b"--b") else {
        return (parts, false);
    };
    let mut rest = &content[begin + 3..];
    loop {
        if rest.starts_with(b"--") {
            return (parts, true);
        }
        let padding = rest.iter().take_while(|octet| b" \t".contains(octet));
        let padding = padding.count();
        let Some(section) = rest[padding..].strip_prefix(b"\r\n") else {
            return (parts, false);
        };
        let Some(end) = find(section, b"\r\n\r\n") else {
            return (parts, false);
        };
        let content = &section[end + 4..];
        let Some(end) = find(content, b"\r\n--b") else {
            return (parts, false);
        };
        parts.push(content[..end].to_vec());
        rest = &content[end + 5..];
    }
}

fn find(text: &[u8], pattern: &[u8]) -> Option<usize> {
    text.windows(pattern.len())
        .position(|window| window == pattern)
}
