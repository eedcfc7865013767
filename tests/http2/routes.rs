//! What the tests ask for, and what they see of it.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use wireline::http1::driver::config::Config;
use wireline::service::body::{Body, BodyError};
use wireline::service::headers::Headers;
use wireline::service::request::Request;
use wireline::service::response::Response;
use wireline::test::TestClient;
use wireline::{Router, extract};

/// Counts handlers that began and that ended, whether they were done or not.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<(AtomicUsize, AtomicUsize)>);

impl Seen {
    fn begin(&self) -> Running {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        Running(self.clone())
    }

    pub(crate) fn begun(&self) -> usize {
        self.0.0.load(Ordering::SeqCst)
    }

    pub(crate) fn ended(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

struct Running(Seen);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.1.fetch_add(1, Ordering::SeqCst);
    }
}

/// A client of the routes below.
pub(crate) fn serve() -> (TestClient, Seen) {
    serve_with(|_| ())
}

pub(crate) fn serve_with(change: impl FnOnce(&mut Config)) -> (TestClient, Seen) {
    let mut config = Config::default();
    change(&mut config);
    let seen = Seen::default();
    (TestClient::with_config(routes(&seen), config), seen)
}

fn routes(seen: &Seen) -> wireline::router::Routes {
    let (park, slow, count) = (seen.clone(), seen.clone(), seen.clone());
    let (told, told_late) = (seen.clone(), seen.clone());
    Router::new()
        .get("/", async || "Hello, World!")
        .get("/count", move || {
            let _ = count.begin();
            async { "counted" }
        })
        .get("/head", head)
        .post("/echo", async |mut request: Request| {
            Response::new(request.take_body())
        })
        .post("/upper", async |content: Bytes| {
            content.to_ascii_uppercase()
        })
        .post("/trailers", async |mut request: Request| {
            let (content, trailers) = request.take_body().collect_with_trailers().await?;
            let sum = trailers.and_then(|trailers| Some(trailers.get("x-sum")?.to_value()));
            let (mut sender, body) = Body::channel();
            tokio::spawn(async move {
                let _ = sender.send(content).await;
                let mut trailers = Headers::new();
                trailers.insert(
                    HeaderName::from_static("x-sum"),
                    sum.unwrap_or(HeaderValue::from_static("none")),
                );
                sender.finish_with(trailers);
            });
            Ok::<_, BodyError>(Response::new(body))
        })
        .post("/first", async |mut request: Request| {
            // Takes a piece and answers, whatever is still to come.
            let mut body = request.take_body();
            let piece = body.chunk().await;
            format!(
                "{}",
                piece.and_then(Result::ok).map_or(0, |piece| piece.len())
            )
        })
        .post("/hold", |request: Request| async move {
            let _held = request;
            std::future::pending::<()>().await;
        })
        .post("/ignore", async || "not read")
        .get("/park", move || {
            let running = park.begin();
            async move {
                let _running = running;
                std::future::pending::<()>().await;
            }
        })
        .get("/slow", move || {
            let running = slow.begin();
            async move {
                let _running = running;
                tokio::time::sleep(std::time::Duration::from_secs(5)).await;
                "at last"
            }
        })
        .get("/large", async || Bytes::from(vec![b'x'; 1_000_000]))
        .get("/endless", async || {
            Response::new(Body::from_chunks(std::iter::repeat_with(|| {
                Bytes::from_static(&[b'x'; 16 * 1024])
            })))
        })
        // Tasks that outlive their handlers, and end with their streams.
        .get("/told", move |request: Request| {
            let running = told.begin();
            let closed = request.closed();
            tokio::spawn(async move {
                closed.await;
                drop(running);
            });
            std::future::pending::<String>()
        })
        .get("/told-late", move |request: Request| {
            let running = told_late.begin();
            tokio::spawn(async move {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                request.closed().await;
                drop(running);
            });
            async { "told" }
        })
        .get("/pieces", async || {
            Response::new(Body::from_chunks(std::iter::repeat_with(|| {
                Bytes::from_static(&[b'x'; 64 * 1024])
            })))
        })
        .get("/two-pieces", async || {
            let piece = Bytes::from_static(&[b'x'; 50_000]);
            Response::new(Body::from_chunks(vec![piece.clone(), piece].into_iter()))
        })
        .get("/drip", async || {
            let (mut sender, body) = Body::channel();
            tokio::spawn(async move {
                for number in 0..3 {
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                    if sender.send(format!("{number};").into()).await.is_err() {
                        return;
                    }
                }
            });
            Response::new(body)
        })
        .get("/fails-midway", async || {
            let (mut sender, body) = Body::channel();
            tokio::spawn(async move {
                let _ = sender.send("some".into()).await;
                sender.abort();
            });
            Response::new(body)
        })
        .get("/short", async || {
            Response::new(Body::from_chunks(std::iter::once(Bytes::from_static(
                b"abc",
            ))))
            .with_header("content-length", "5")
        })
        .get("/panic", async || -> &'static str {
            panic!("a fault of the handler")
        })
        .get("/hop", async || {
            Response::text("hop")
                .with_header("connection", "close, x-hop")
                .with_header("keep-alive", "timeout=5")
                .with_header("transfer-encoding", "chunked")
                .with_header("upgrade", "h3")
                .with_header("x-hop", "1")
                .with_header("x-end", "2")
        })
        .get("/hop-trailers", async || {
            let (mut sender, body) = Body::channel();
            tokio::spawn(async move {
                let _ = sender.send("some".into()).await;
                let mut trailers = hop();
                trailers.insert("set-cookie", HeaderValue::from_static("a=b"));
                trailers.insert("content-type", HeaderValue::from_static("text/x"));
                sender.finish_with(trailers.into());
            });
            Response::new(body)
        })
        .get("/hop-refused", async || {
            let mut response = Response::text("no").with_status(StatusCode::FORBIDDEN);
            for (name, value) in &hop() {
                response = response.with_header(name, value.clone());
            }
            response
        })
        .get("/long", async || {
            let piece = Bytes::from_static(b"abc");
            Response::new(Body::from_chunks(vec![piece.clone(), piece].into_iter()))
                .with_header("content-length", "5")
        })
        .post("/trailer-names", async |mut request: Request| {
            let (_, trailers) = request.take_body().collect_with_trailers().await?;
            let names: Vec<String> = trailers
                .iter()
                .flat_map(Headers::iter)
                .map(|(name, _)| name.to_string())
                .collect();
            Ok::<_, BodyError>(names.join(" "))
        })
        .get("/empty", async || Response::empty())
        .get("/reset", async || {
            Response::text("content").with_status(StatusCode::RESET_CONTENT)
        })
        .get("/cached", async || {
            Response::default()
                .with_status(StatusCode::NOT_MODIFIED)
                .with_header("content-length", "7")
        })
        .get(
            "/users/{id}",
            async |extract::Path(id): extract::Path<String>| id,
        )
        .merge(
            Router::new()
                .max_body(10)
                .post("/little", async |content: Bytes| content),
        )
        .build()
        .unwrap()
}

/// Fields of a connection of HTTP/1.1, and one that is none.
fn hop() -> HeaderMap {
    let fields = [
        ("connection", "close, x-hop"),
        ("keep-alive", "timeout=5"),
        ("transfer-encoding", "chunked"),
        ("x-hop", "1"),
        ("x-end", "2"),
    ];
    fields
        .map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        })
        .into_iter()
        .collect()
}

/// What a handler sees of a request's head.
async fn head(request: Request) -> String {
    let mut lines = vec![
        format!(
            "{:?} {} {}",
            request.version(),
            request.method(),
            request.uri()
        ),
        format!("host {}", request.host().unwrap_or_default()),
    ];
    for (name, value) in request.headers().iter() {
        lines.push(format!("{name}: {}", value.to_str().unwrap_or_default()));
    }
    lines.join("\n")
}
