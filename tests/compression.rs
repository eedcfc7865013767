//! Compression of responses: what is compressed and what not, streams, threads, secrets, and the same over HTTP/2.

#[path = "compression/choice.rs"]
mod choice;
#[allow(dead_code, reason = "each test takes what it needs")]
#[path = "support/coded.rs"]
mod coded;
#[path = "compression/fields.rs"]
mod fields;
#[path = "compression/secrets.rs"]
mod secrets;
#[path = "compression/streams.rs"]
mod streams;
#[path = "compression/threads.rs"]
mod threads;

use coded::decode;
use std::sync::Arc;
use wireline::layer::compression::Compression;
use wireline::test::{TestClient, TestResponse};
use wireline::{Response, Router};

const JSON: &str = "application/json";

fn client(compression: Compression, router: Router) -> TestClient {
    TestClient::new(router.layer(compression).build().unwrap())
}

fn encoding(response: &TestResponse) -> Option<&str> {
    response.header("content-encoding")
}

/// A response with fields, to every GET of a router.
fn answering(make: impl Fn() -> Response + Send + Sync + 'static) -> Router {
    let make = Arc::new(make);
    Router::new().get("/", move || std::future::ready(make()))
}

/// What a compressed response has for sure.
fn assert_coded(response: &TestResponse, coding: &str, content: &[u8]) {
    assert_eq!(encoding(response), Some(coding));
    assert_eq!(response.header("vary"), Some("Accept-Encoding"));
    assert_eq!(decode(coding, response.bytes()), content);
    assert!(response.bytes().len() < content.len());
    if let Some(length) = response.header("content-length") {
        assert_eq!(length, response.bytes().len().to_string());
    }
}

trait HeaderText {
    fn header_text(&self, name: &str) -> Option<String>;
}

impl HeaderText for Response {
    fn header_text(&self, name: &str) -> Option<String> {
        let value = self.headers().get(name)?;
        Some(value.to_str().unwrap().to_owned())
    }
}
