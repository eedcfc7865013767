//! Opening an event stream, and reading it.

use crate::http1::client::driver::{RequestError, Response};
use crate::relay::client::TokenCallback;
use crate::relay::client::core::event::Refusal;
use crate::relay::client::core::events::{EventReader, Received};
use crate::relay::client::core::pace::Ending;
use crate::relay::client::core::stream::Listed;
use crate::relay::client::dial::Dial;
use crate::wire::fields::essence;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{Request, Uri};
use serde::Deserialize;
use std::fmt::Write;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::timeout;

/// A topic of a stream, and who gives its token.
pub(crate) type Wanted = (Listed, Option<TokenCallback>);

/// An open event stream.
#[derive(Debug)]
pub(crate) struct EventStream {
    response: Response,
    events: EventReader,
}

/// Why there is no stream.
#[derive(Debug)]
pub(crate) enum NoStream {
    /// It could not be opened.
    Ending(Ending),
    /// The callback of this subscription gave no token.
    Token { seat: u64, message: String },
    /// The server refuses all of these subscriptions.
    Refused { seats: Vec<u64>, refusal: Refusal },
}

impl EventStream {
    /// The next event; how the stream ended.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received, String>> {
        loop {
            if let Some(event) = self.events.next() {
                return Poll::Ready(Ok(event));
            }
            let chunk = match ready!(self.response.poll_chunk(cx)) {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Poll::Ready(Err("the event stream ended".to_owned())),
                Err(error) => return Poll::Ready(Err(error.to_string())),
            };
            if self.events.push(&chunk).is_err() {
                return Poll::Ready(Err("an event is longer than it may be".to_owned()));
            }
        }
    }
}

impl Dial {
    /// Opens a stream of these topics. Dropping the future leaves nothing behind.
    pub(crate) async fn open_stream(self, wanted: Vec<Wanted>) -> Result<EventStream, NoStream> {
        let bearer = self.sign_in().await;
        let bearer = bearer.map_err(|error| NoStream::Ending(error.ending()))?;
        let (url, seats) = self.stream_url(wanted).await?;
        let mut request = Request::get(url).header(ACCEPT, "text/event-stream");
        if let Some(token) = bearer {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let unfit = |error: http::Error| NoStream::Ending(Ending::Unfit(error.to_string()));
        let request = request.body(Bytes::new()).map_err(unfit)?;
        let client = self.client.http().silence_timeout(SILENCE);
        let sent = match &self.over {
            None => client.send(request).await,
            Some(over) => match timeout(self.limit, over()).await {
                Ok(Ok(io)) => client.send_over(io, request).await,
                Ok(Err(error)) => Err(RequestError::Io(error)),
                Err(_) => Err(RequestError::ConnectTimeout),
            },
        };
        let response = sent.map_err(|error| {
            NoStream::Ending(match error {
                RequestError::Url(_) | RequestError::Field(_) => Ending::Unfit(error.to_string()),
                error => Ending::Failed(error.to_string()),
            })
        })?;
        self.judge(response, seats).await
    }

    async fn judge(
        &self,
        mut response: Response,
        seats: Vec<u64>,
    ) -> Result<EventStream, NoStream> {
        let headers = response.headers();
        let status = response.status().as_u16();
        match status {
            200 => {
                let kind = headers.get(CONTENT_TYPE.as_str());
                let is_stream = kind.is_some_and(|kind| {
                    essence(kind.as_bytes()).eq_ignore_ascii_case(b"text/event-stream")
                });
                if !is_stream {
                    let why = "what is answered is no event stream".to_owned();
                    return Err(NoStream::Ending(Ending::Failed(why)));
                }
                let events = EventReader::new(self.longest_event);
                Ok(EventStream { response, events })
            }
            // Not this client, but what it has asked for.
            403 => {
                let content = timeout(self.limit, response.content(PROBLEM)).await;
                let problem = content
                    .ok()
                    .and_then(Result::ok)
                    .and_then(|content| serde_json::from_slice::<Problem>(&content).ok());
                Err(match problem {
                    Some(problem) => NoStream::Refused {
                        seats,
                        refusal: Refusal {
                            code: problem.code,
                            message: problem.detail,
                        },
                    },
                    None => NoStream::Ending(Ending::Failed("the server answered 403".to_owned())),
                })
            }
            status => {
                let seconds = headers.get(RETRY_AFTER.as_str());
                Err(NoStream::Ending(Ending::Refused {
                    status,
                    retry_after: seconds.and_then(|value| seconds_of(value.as_bytes())),
                }))
            }
        }
    }

    /// The URL of a stream of these topics, and their subscriptions.
    async fn stream_url(&self, wanted: Vec<Wanted>) -> Result<(String, Vec<u64>), NoStream> {
        let unfit = |why: &str| NoStream::Ending(Ending::Unfit(why.to_owned()));
        let base = stream_base(&self.url, &self.sse).map_err(unfit)?;
        let (mut query, mut cursor) = (String::new(), String::new());
        let mut seats = Vec::with_capacity(wanted.len());
        let (mut rewind, mut presence) = (None, false);
        for (listed, callback) in wanted {
            seats.push(listed.seat);
            push_pair(&mut query, "topic", listed.topic.as_str());
            presence |= listed.presence;
            rewind = rewind.max(listed.rewind);
            if let Some((epoch, offset)) = listed.since {
                let divider = if cursor.is_empty() { "" } else { ";" };
                // Writing into text does not fail.
                let _ = write!(
                    cursor,
                    "{divider}{} {epoch} {offset}",
                    listed.topic.as_str()
                );
            }
            if let Some(callback) = callback {
                let token = match timeout(self.limit, callback()).await {
                    Ok(token) => token.map_err(|error| error.to_string()),
                    Err(_) => Err("no token in time".to_owned()),
                };
                let seat = listed.seat;
                let token = token.map_err(|message| NoStream::Token { seat, message })?;
                push_pair(&mut query, "token", &token);
            }
        }
        if presence {
            push_pair(&mut query, "presence", "1");
        }
        if let Some(rewind) = rewind {
            push_pair(&mut query, "rewind", &rewind.to_string());
        }
        if !cursor.is_empty() {
            push_pair(&mut query, "cursor", &cursor);
        }
        let divider = if base.contains('?') { '&' } else { '?' };
        Ok((format!("{base}{divider}{query}"), seats))
    }
}

/// What problem details (RFC 9457) say of a refusal.
#[derive(Deserialize)]
struct Problem {
    code: String,
    #[serde(default)]
    detail: String,
}

/// Seconds of a Retry-After.
pub(crate) fn seconds_of(value: &[u8]) -> Option<Duration> {
    crate::wire::number::decimal(value).map(Duration::from_secs)
}

/// Where the streams of the relay at `url` are: at an absolute URL, or at a path of the same server.
fn stream_base(url: &str, sse: &str) -> Result<String, &'static str> {
    if sse.starts_with("http://") || sse.starts_with("https://") {
        return Ok(sse.to_owned());
    }
    if !sse.starts_with('/') {
        return Err("the event stream is neither at a path nor at a URL of http");
    }
    let uri = Uri::try_from(url).map_err(|_| "it is not a URL")?;
    let is_secure = (uri.scheme_str()).is_some_and(|scheme| scheme.eq_ignore_ascii_case("wss"));
    let scheme = if is_secure { "https" } else { "http" };
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    Ok(format!("{scheme}://{authority}{sse}"))
}

/// Adds a parameter to a query, percent-encoded (RFC 3986 §2.1).
fn push_pair(query: &mut String, name: &str, value: &str) {
    if !query.is_empty() {
        query.push('&');
    }
    query.push_str(name);
    query.push('=');
    for octet in value.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~:".contains(&octet) {
            query.push(char::from(octet));
        } else {
            let _ = write!(query, "%{octet:02X}");
        }
    }
}

/// How long a stream may be silent: the server sends a comment every 15 seconds.
const SILENCE: Duration = Duration::from_secs(45);

/// The octets of problem details that are read.
const PROBLEM: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_streams_are() {
        for (url, sse, base) in [
            ("ws://a/ws", "/sse", "http://a/sse"),
            ("wss://a:81/ws?b=c", "/x/sse", "https://a:81/x/sse"),
            ("ws://a/ws", "https://b/sse?c=d", "https://b/sse?c=d"),
        ] {
            assert_eq!(stream_base(url, sse).as_deref(), Ok(base));
        }
        assert!(stream_base("ws://a/ws", "sse").is_err());
    }

    #[test]
    fn parameters_are_encoded() {
        let mut query = String::new();
        push_pair(&mut query, "topic", "a:b=c,d/@~");
        push_pair(&mut query, "cursor", "a 1 2;\u{e9} &");
        assert_eq!(
            query,
            "topic=a:b%3Dc%2Cd%2F%40~&cursor=a%201%202%3B%C3%A9%20%26"
        );
    }
}
