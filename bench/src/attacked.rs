//! What attacks want besides: the counters, and routes for what is not measured elsewhere.

use crate::{Told, echo_messages};
use http::{HeaderValue, StatusCode};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use wireline::extract::{Json, Multipart, MultipartError, State};
use wireline::layer::compression::{Compression, Decompression};
use wireline::relay::Relay;
use wireline::router::Router;
use wireline::server::Successor;
use wireline::service::body::BodyError;
use wireline::service::request::Request;
use wireline::service::response::Response;
use wireline::ws::deflate;
use wireline::ws::socket::WebSocket;

/// `/counters` has what the server has counted; `/socket` echoes with every limit as it is by default, `/full` sends to whoever does
/// not read until nothing is taken any more, and closes. `/coded`, `/form` and `/cookies` say what they were given; `/field` puts
/// what it was given into a field, `/secret` beside a secret. `/work` is a millisecond of a core, one request after the other, `/panic` panics, and
/// `/successor` has another process go on and says which.
pub(crate) fn routes(told: Told) -> Router {
    let coded = Router::new()
        .layer(Decompression::new())
        .post("/coded", length);
    let secrets = Router::new()
        .layer(Compression::new())
        .get("/secret", secret);
    Router::new()
        .get("/counters", counters)
        .get("/field", field)
        .get("/cookies", cookies)
        .get("/work", work)
        .get("/panic", panic)
        .post("/successor", succeed)
        .post("/form", form)
        .websocket_with(
            "/socket",
            |upgrade| upgrade.deflate(deflate::Config::default()),
            echo_messages,
        )
        .websocket("/full", fill)
        .merge(coded)
        .merge(secrets)
        .state(told)
}

async fn counters(State(told): State<Told>, relay: Relay) -> Json<BTreeMap<&'static str, u64>> {
    let Some(handle) = told.get() else {
        return Json(BTreeMap::new());
    };
    let metrics = handle.metrics();
    let mut counters: BTreeMap<_, _> = metrics.counters().collect();
    counters.insert("connections", metrics.connections() as u64);
    counters.insert("buffered", metrics.buffered() as u64);
    counters.insert("present", relay.presence_count("present:all") as u64);
    // With one worker these are all.
    let runtime = tokio::runtime::Handle::current().metrics();
    counters.insert("tasks", runtime.num_alive_tasks() as u64);
    Json(counters)
}

async fn work() -> String {
    static TURN: Semaphore = Semaphore::const_new(1);
    let _turn = TURN.acquire().await;
    let step = |sum: u64, step: u64| black_box(sum.wrapping_mul(31).wrapping_add(step));
    let worked = spawn_blocking(move || (0..STEPS).fold(1, step)).await;
    worked.unwrap_or_default().to_string()
}

/// Somebody's mistake.
async fn panic() -> Response {
    panic!("for an attack")
}

async fn succeed(State(told): State<Told>) -> Response {
    let unavailable = |why: &str| Response::text(why.to_owned()).with_status(UNAVAILABLE);
    let Some(handle) = told.get() else {
        return unavailable("it begins");
    };
    match Successor::of(handle).take_over().await {
        Ok(process) => Response::text(process.to_string()),
        Err(error) => unavailable(&error.to_string()),
    }
}

async fn field(request: Request) -> Response {
    let value = request.query_value("value").unwrap_or_default();
    match request.query_value("place").as_deref() {
        Some("name") => Response::text("told").with_header(value, "x"),
        Some("cookie") => Response::text("told").set_cookie(format!("told={value}")),
        Some("location") => Response::redirect(&value, StatusCode::SEE_OTHER),
        _ => Response::text("told").with_header("x-told", value),
    }
}

async fn cookies(request: Request) -> String {
    request.cookies().iter().len().to_string()
}

/// How many parts there are; what is in them is passed over.
async fn form(mut form: Multipart) -> Result<String, MultipartError> {
    let mut parts = 0_u64;
    while form.next().await?.is_some() {
        parts += 1;
    }
    Ok(parts.to_string())
}

/// The length of what comes out of content, in constant memory.
async fn length(request: Request) -> Result<String, BodyError> {
    crate::sink(request).await
}

/// A page with a secret and with what its reader chose. It sets a cookie, unless it is asked by somebody who shows who it is.
async fn secret(request: Request) -> Response {
    let guess = request.query_value("guess").unwrap_or_default();
    let filler = "<p>Nothing that is not here every time.</p>".repeat(100);
    let page = format!("{filler}<p>token=kq7zw2</p><p>you asked for {guess}</p>");
    let response = Response::bytes(page, HTML);
    if request.header("authorization").is_some() {
        response
    } else {
        response.set_cookie("session=1")
    }
}

/// Until a second brings no room any more, neither here nor in the kernel.
async fn fill(mut socket: WebSocket) {
    let block = bytes::Bytes::from(vec![b'x'; 64 * 1024]);
    loop {
        let sent = tokio::time::timeout(Duration::from_secs(1), socket.send(block.clone())).await;
        if !matches!(sent, Ok(Ok(_))) {
            break;
        }
    }
    if socket.close(None).is_ok() {
        while socket.recv().await.is_some() {}
    }
}

const UNAVAILABLE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

/// How much work `/work` is.
const STEPS: u64 = 400_000;

const HTML: HeaderValue = HeaderValue::from_static("text/html");
