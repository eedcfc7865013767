//! A test client's requests as streams of one connection.

use crate::resource::io::memory::MemoryStream;
use crate::service::body::Body;
use crate::service::feed::Fed;
use crate::service::headers::Headers;
use crate::test::TestClient;
use crate::test::http2::bridge;
use crate::test::wire::{Boxed, Exchange, Head, Outgoing, Piece, Receive, Wire};
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderValue, Request, StatusCode, Uri};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

/// The connection, once there is one.
#[derive(Default)]
pub(super) struct Http2Wire(Mutex<Option<SendRequest<Bytes>>>);

impl Wire for Http2Wire {
    fn begin<'a>(
        &'a self,
        client: &'a TestClient,
        request: Outgoing,
    ) -> Boxed<'a, io::Result<Exchange>> {
        Box::pin(async move {
            let head = head(&request)?;
            let ends = request.body.len() == Some(0);
            let mut sender = self.ready(client).await?;
            let (response, stream) = sender.send_request(head, ends).map_err(io::Error::other)?;
            let sending = async move {
                // How it went shows in the response.
                if !ends {
                    let _ = send(stream, request.body).await;
                }
            };
            let reply = Reply {
                response,
                interim: Vec::new(),
                content: None,
            };
            Ok(Exchange::new(sending, reply))
        })
    }

    fn upgradable<'a>(&'a self, client: &'a TestClient) -> Boxed<'a, io::Result<MemoryStream>> {
        Box::pin(async move { bridge::open(self.ready(client).await?).await })
    }
}

impl Http2Wire {
    /// The connection, with room for one more stream; a new one when there is none, or the last one has ended.
    async fn ready(&self, client: &TestClient) -> io::Result<SendRequest<Bytes>> {
        let place = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = place().clone();
        if let Some(known) = known
            && let Ok(ready) = known.ready().await
        {
            return Ok(ready);
        }
        let (sender, connection) = h2::client::handshake(client.connect_http2())
            .await
            .map_err(io::Error::other)?;
        tokio::spawn(async move {
            // How it ended shows in its streams.
            let _ = connection.await;
        });
        *place() = Some(sender.clone());
        sender.ready().await.map_err(io::Error::other)
    }
}

/// The head of a request in the words of HTTP/2 (RFC 9113 §8.3.1).
fn head(request: &Outgoing) -> io::Result<Request<()>> {
    let uri = match request.target.as_str() {
        target if target.starts_with('/') || target == "*" => Uri::builder()
            .scheme("http")
            .authority(request.host())
            .path_and_query(target)
            .build(),
        target => Uri::try_from(target).map_err(http::Error::from),
    };
    let uri = uri.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let mut head = Request::new(());
    *head.method_mut() = request.method.clone();
    *head.uri_mut() = uri;
    let fields = head.headers_mut();
    if let Some(length @ 1..) = request.body.len()
        && !request.has(&CONTENT_LENGTH)
    {
        fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    for (name, value) in request.fields.iter().filter(|(name, _)| *name != HOST) {
        fields.append(name, value.clone());
    }
    Ok(head)
}

async fn send(mut stream: SendStream<Bytes>, mut body: Body) -> Result<(), h2::Error> {
    while let Some(piece) = poll_fn(|cx| body.poll_piece(cx)).await {
        match piece {
            Ok(Fed::Chunk(chunk)) => send_chunk(&mut stream, chunk).await?,
            Ok(Fed::Trailers(section)) => return stream.send_trailers(section.into()),
            // The service sees content that is cut short.
            Err(_) => {
                stream.send_reset(Reason::CANCEL);
                return Ok(());
            }
        }
    }
    stream.send_data(Bytes::new(), true)
}

/// Sends a piece as the windows allow it.
pub(super) async fn send_chunk(
    stream: &mut SendStream<Bytes>,
    mut chunk: Bytes,
) -> Result<(), h2::Error> {
    while !chunk.is_empty() {
        stream.reserve_capacity(chunk.len());
        match poll_fn(|cx| stream.poll_capacity(cx)).await {
            Some(Ok(room)) => {
                stream.send_data(chunk.split_to(room.min(chunk.len())), false)?;
            }
            Some(Err(error)) => return Err(error),
            None => return Err(Reason::STREAM_CLOSED.into()),
        }
    }
    Ok(())
}

/// A response as it comes.
struct Reply {
    response: ResponseFuture,
    interim: Vec<StatusCode>,
    content: Option<RecvStream>,
}

impl Receive for Reply {
    fn head(&mut self) -> Boxed<'_, io::Result<Head>> {
        Box::pin(async {
            let response = poll_fn(|cx| {
                while let Poll::Ready(Some(Ok(interim))) = self.response.poll_informational(cx) {
                    self.interim.push(interim.status());
                }
                Pin::new(&mut self.response).poll(cx)
            });
            let (head, content) = response.await.map_err(io::Error::other)?.into_parts();
            self.content = Some(content);
            Ok(Head {
                status: head.status,
                headers: head.headers.into(),
                interim: std::mem::take(&mut self.interim),
            })
        })
    }

    fn piece(&mut self) -> Boxed<'_, io::Result<Piece>> {
        Box::pin(async {
            let Some(content) = &mut self.content else {
                return Ok(Piece::End(Headers::new()));
            };
            if let Some(data) = content.data().await {
                let data = data.map_err(io::Error::other)?;
                let taken = content.flow_control().release_capacity(data.len());
                taken.map_err(io::Error::other)?;
                return Ok(Piece::Data(data));
            }
            let trailers = content.trailers().await.map_err(io::Error::other)?;
            Ok(Piece::End(trailers.map(Headers::from).unwrap_or_default()))
        })
    }
}
