//! How the content of a response ends, and whether the connection goes on (RFC 9112 §6.3, §9.3).

use crate::http1::client::head::ResponseHead;
use crate::http1::error::Error;
use crate::http1::framing::BodyFraming;
use crate::wire::{grammar, number};
use http::StatusCode;

/// What the head of a response says about the message and the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Framing {
    pub(super) body: BodyFraming,
    pub(super) persistent: bool,
}

/// Decides for the final response, or for a 101; `is_bare` when it ends with its head whatever it says.
pub(super) fn framing(head: &ResponseHead, is_bare: bool) -> Result<Framing, Error> {
    let (mut length, mut coding) = (None, None);
    let (mut close, mut keep_alive) = (false, false);
    for line in head.fields() {
        match line.name() {
            b"content-length" => {
                // §6.3 (5): a list or a second field, equal or not, is refused.
                let value = number::decimal(line.value()).filter(|_| length.is_none());
                length = Some(value.ok_or(Error::ContentLength)?);
            }
            b"transfer-encoding" if coding.is_some() => return Err(Error::TransferEncoding),
            b"transfer-encoding" => coding = Some(line.value()),
            b"connection" => {
                for option in grammar::list(line.value()) {
                    close |= option.eq_ignore_ascii_case(b"close");
                    keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            _ => {}
        }
    }
    let body = match (head.status(), coding, length) {
        // RFC 9110 §8.6, §15.2: a 101 has no content; whatever says otherwise is not to be trusted.
        (StatusCode::SWITCHING_PROTOCOLS, None, None | Some(0)) => BodyFraming::Empty,
        (StatusCode::SWITCHING_PROTOCOLS, ..) => return Err(Error::ConflictingFraming),
        // §6.3 (3): it may be an attempt at smuggling.
        (_, Some(_), Some(_)) => return Err(Error::ConflictingFraming),
        (StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED, ..) => BodyFraming::Empty,
        _ if is_bare => BodyFraming::Empty,
        // §6.1: Transfer-Encoding in HTTP/1.0 makes the framing faulty.
        (_, Some(_), None) if head.minor() == 0 => return Err(Error::TransferEncoding),
        (_, Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => BodyFraming::Chunked,
        (_, Some(_), None) => return Err(Error::TransferCodingUnknown),
        (_, None, Some(length)) => BodyFraming::Length(length),
        (_, None, None) => BodyFraming::CloseDelimited,
    };
    let goes_on = !close && (head.minor() > 0 || keep_alive);
    let is_last =
        body == BodyFraming::CloseDelimited || head.status() == StatusCode::SWITCHING_PROTOCOLS;
    Ok(Framing {
        body,
        persistent: goes_on && !is_last,
    })
}
