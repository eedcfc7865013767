//! hyper 1.x: a `match` over the path in place of a router, no deadlines, no limits.
//!
//!     hyper-peer PORT [WORKERS] [default]             /, /json, /echo, /sink, /bytes/{n}
//!     hyper-peer PORT 1 h2c | tls CERTIFICATE KEY     the same over HTTP/2 by prior knowledge, or over TLS, on a runtime of one thread
//!
//! `pipeline_flush` is on, as pipelined load needs it, unless the mode is `default`: it lifts hyper's ceiling on unwritten bytes, so that a
//! download to a client that is slower than the server is held in memory whole.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use peer_common::{Arguments, FILLER, accept, listen, number, run};
use peer_secure::{TlsAcceptor, Wire, alone};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

fn main() {
    let arguments = Arguments::from_env();
    let address = arguments.address();
    let pipeline_flush = match Wire::from_env() {
        Wire::H2c => return alone(accept(address, http2)),
        Wire::Tls(acceptor) => {
            return alone(accept(address, move |stream| tls(acceptor.clone(), stream)));
        }
        Wire::Plain(mode) => mode.as_deref() != Some("default"),
    };
    let listener = listen(address, false);
    run(arguments.workers, async move {
        let listener = tokio::net::TcpListener::from_std(listener).expect("the socket listens");
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                let _ = hyper::server::conn::http1::Builder::new()
                    .pipeline_flush(pipeline_flush)
                    .serve_connection(TokioIo::new(stream), service_fn(handle))
                    .await;
            });
        }
    });
}

async fn http2(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service_fn(handle))
        .await;
}

async fn tls(acceptor: TlsAcceptor, stream: TcpStream) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        return http2(stream).await;
    }
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service_fn(handle))
        .await;
}

async fn handle(request: Request<Incoming>) -> Result<Response<Reply>, Infallible> {
    Ok(match (request.method(), request.uri().path()) {
        (&Method::GET, "/" | "/plaintext") => {
            reply("text/plain", Bytes::from_static(b"Hello, World!"))
        }
        (&Method::GET, "/json") => reply(
            "application/json",
            Bytes::from(br#"{"message":"Hello, World!"}"#.to_vec()),
        ),
        (&Method::POST, "/echo") => match request.into_body().collect().await {
            Ok(body) => reply("application/octet-stream", body.to_bytes()),
            Err(_) => status(StatusCode::BAD_REQUEST),
        },
        (&Method::POST, "/sink") => match length(request.into_body()).await {
            Ok(length) => reply("text/plain", Bytes::from(length.to_string())),
            Err(_) => status(StatusCode::BAD_REQUEST),
        },
        (&Method::GET, path) => match path.strip_prefix("/bytes/").and_then(number) {
            Some(left) => {
                let mut response = Response::new(Reply::Filler { left });
                response.headers_mut().insert(
                    CONTENT_TYPE,
                    HeaderValue::from_static("application/octet-stream"),
                );
                response
            }
            None => status(StatusCode::NOT_FOUND),
        },
        _ => status(StatusCode::NOT_FOUND),
    })
}

/// A response body without a box: what is ready, or so many bytes of filler.
enum Reply {
    Full(Full<Bytes>),
    Filler { left: usize },
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Full(body) => Pin::new(body).poll_frame(context),
            Self::Filler { left: 0 } => Poll::Ready(None),
            Self::Filler { left } => {
                let piece = FILLER.len().min(*left);
                *left -= piece;
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&FILLER[..piece])))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(body) => body.is_end_stream(),
            Self::Filler { left } => *left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(body) => body.size_hint(),
            Self::Filler { left } => SizeHint::with_exact(*left as u64),
        }
    }
}

fn reply(content_type: &'static str, body: Bytes) -> Response<Reply> {
    let mut response = Response::new(Reply::Full(Full::new(body)));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn status(status: StatusCode) -> Response<Reply> {
    let mut response = Response::new(Reply::Full(Full::default()));
    *response.status_mut() = status;
    response
}

async fn length(mut body: Incoming) -> Result<usize, hyper::Error> {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame?.data_ref().map_or(0, Bytes::len);
    }
    Ok(length)
}
