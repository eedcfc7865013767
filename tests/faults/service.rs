//! What the exchanges talk to: a route for each thing that a response or a body can be.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wireline::router::{Router, Routes};
use wireline::service::body::{Body, BodySender};
use wireline::service::error::Error;
use wireline::service::headers::Headers;
use wireline::service::request::Request;
use wireline::service::response::Response;
use wireline::service::upgrade::Upgraded;

pub(crate) fn routes() -> Routes {
    Router::new()
        .get("/hello", async || "hello")
        .get("/slow", slow)
        .get("/large", async || "0123456789abcdef".repeat(400))
        .get("/stream", async || Response::new(pieces(drop)))
        .get("/trailers", async || Response::new(pieces(finish)))
        .get("/declared", async || {
            Response::new(pieces(drop)).with_header("content-length", "4500")
        })
        .get("/short", async || {
            Response::new(pieces(drop)).with_header("content-length", "5000")
        })
        .get("/long", async || {
            Response::new(pieces(drop)).with_header("content-length", "4000")
        })
        .get("/cut", async || Response::new(pieces(BodySender::abort)))
        .get("/panic", async || -> &'static str {
            panic!("for the test")
        })
        .get("/invalid", async || {
            Response::text("never seen").with_header("x", "a\r\nb")
        })
        .get("/s204", async || Response::empty())
        .get("/s304", async || {
            Response::text("never seen").with_status(StatusCode::NOT_MODIFIED)
        })
        .get("/told", told)
        .get("/upgrade", async || {
            Response::upgrade("echo", echo_protocol)
        })
        .route(http::Method::CONNECT, "/{*rest}", async || "never reached")
        .fallback(fallback)
        .post("/echo", async |mut request: Request| {
            request.collect().await
        })
        .post("/pipe", async |mut request: Request| {
            Response::new(request.take_body())
        })
        .post("/sink", sink)
        .post("/background", background)
        .post("/ignore", async || "ignored")
        .post("/refuse", async || {
            Err::<(), Error>(Error::new(StatusCode::FORBIDDEN, "no"))
        })
        .build()
        .unwrap()
}

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_millis(300)).await;
    "slow"
}

/// Three pieces with pauses between them, and then whatever ends a body.
fn pieces(end: impl FnOnce(BodySender) + Send + 'static) -> Body {
    let (mut sender, body) = Body::channel();
    tokio::spawn(async move {
        for octet in ["x", "y", "z"] {
            if sender.send(Bytes::from(octet.repeat(1500))).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        end(sender);
    });
    body
}

fn finish(sender: BodySender) {
    let mut trailers = Headers::new();
    trailers.append(
        HeaderName::from_static("x-sum"),
        HeaderValue::from_static("4500"),
    );
    sender.finish_with(trailers);
}

async fn told(request: Request) -> &'static str {
    let told = tokio::time::timeout(Duration::from_secs(5), request.closed()).await;
    if told.is_ok() { "told" } else { "not told" }
}

async fn sink(mut request: Request) -> Result<String, Error> {
    let mut len = 0;
    if let Some(mut stream) = request.body_stream() {
        while let Some(chunk) = stream.recv().await {
            len += chunk?.len();
        }
    } else {
        len = request.collect().await?.len();
    }
    Ok(len.to_string())
}

/// Answers at once; a task takes the content, or hears that there will be no more.
async fn background(mut request: Request) -> &'static str {
    let body = request.take_body();
    tokio::spawn(async move { drop(body.collect().await) });
    "taken"
}

/// CONNECT has no path that a route could match: it is the fallback's.
async fn fallback(request: Request) -> Response {
    if *request.method() == http::Method::CONNECT {
        return Response::upgrade("tunnel", echo_protocol);
    }
    Response::text("nothing here").with_status(StatusCode::NOT_FOUND)
}

/// Greets, then gives everything back until the client ends its side.
async fn echo_protocol(mut upgraded: Upgraded) {
    let echo = async {
        upgraded.write_all(b"welcome ").await?;
        let mut buf = [0; 256];
        loop {
            match upgraded.read(&mut buf).await? {
                0 => return upgraded.shutdown().await,
                len => upgraded.write_all(&buf[..len]).await?,
            }
            upgraded.flush().await?;
        }
    };
    let _: Result<std::io::Result<()>, _> =
        tokio::time::timeout(Duration::from_secs(5), echo).await;
}
