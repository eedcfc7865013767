//! hyper's server, which reads from a slice and writes to nowhere.

use crate::differential::Message;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// How hyper left off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Theirs {
    /// With hyper's word for why.
    Refused(String),
    Waiting,
    Closed,
}

/// The messages that hyper read to their end, and how it left off.
pub(crate) fn read(octets: &[u8]) -> (Vec<Message>, Theirs) {
    let messages: Rc<RefCell<Vec<Message>>> = Rc::default();
    let seen = messages.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let seen = seen.clone();
        async move {
            let (head, body) = request.into_parts();
            if let Ok(content) = body.collect().await {
                seen.borrow_mut().push(Message {
                    method: head.method.to_string(),
                    target: head.uri.to_string(),
                    content: content.to_bytes().to_vec(),
                });
            }
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let input = Input {
        octets: Bytes::copy_from_slice(octets),
    };
    let mut builder = http1::Builder::new();
    builder.auto_date_header(false).half_close(true);
    let mut connection = pin!(builder.serve_connection(input, service));
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(woken.clone());
    let mut end = Theirs::Waiting;
    while woken.0.swap(false, Ordering::Relaxed) {
        match connection.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(Ok(())) => end = Theirs::Closed,
            Poll::Ready(Err(error)) => end = Theirs::Refused(error.to_string()),
            Poll::Pending => continue,
        }
        break;
    }
    (messages.take(), end)
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Gives what it has, then nothing more.
struct Input {
    octets: Bytes,
}

impl Read for Input {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.octets.is_empty() {
            return Poll::Pending;
        }
        let len = buf.remaining().min(self.octets.len());
        buf.put_slice(&self.octets.split_to(len));
        Poll::Ready(Ok(()))
    }
}

impl Write for Input {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
