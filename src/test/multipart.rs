//! Forms with files for the test client (RFC 7578).

use crate::test::TestRequest;
use http::header::CONTENT_TYPE;

/// A `multipart/form-data` form, as a browser sends one with files.
///
/// ```
/// # use wireline::{Request, Router, test::{TestClient, TestMultipart}};
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// # let length = async |mut request: Request| request.collect().await.unwrap().len().to_string();
/// # let client = TestClient::new(Router::new().post("/upload", length).build().unwrap());
/// let form = TestMultipart::new().text("title", "A cat").file("picture", "cat.png", "image/png", *b"\x89PNG");
/// let response = client.post("/upload").multipart(form).await;
/// assert_eq!(response.status, 200);
/// # });
/// ```
#[derive(Clone, Debug, Default)]
pub struct TestMultipart {
    content: Vec<u8>,
}

impl TestMultipart {
    /// A form without parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field of text.
    #[must_use]
    pub fn text(self, name: &str, value: &str) -> Self {
        self.part(&format!("name=\"{}\"", quoted(name)), "", value.as_bytes())
    }

    /// Adds a file.
    #[must_use]
    pub fn file(
        self,
        name: &str,
        filename: &str,
        content_type: &str,
        content: impl AsRef<[u8]>,
    ) -> Self {
        let names = format!(
            "name=\"{}\"; filename=\"{}\"",
            quoted(name),
            quoted(filename)
        );
        let kind = format!("Content-Type: {content_type}\r\n");
        self.part(&names, &kind, content.as_ref())
    }

    fn part(mut self, names: &str, lines: &str, content: &[u8]) -> Self {
        let head =
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {names}\r\n{lines}\r\n");
        self.content.extend_from_slice(head.as_bytes());
        self.content.extend_from_slice(content);
        self.content.extend_from_slice(b"\r\n");
        self
    }
}

impl TestRequest<'_> {
    /// Sets the content to a form with files, with its content type.
    pub fn multipart(self, form: TestMultipart) -> Self {
        let mut content = form.content;
        content.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.header(
            CONTENT_TYPE,
            format!("multipart/form-data; boundary={BOUNDARY}"),
        )
        .body(content)
    }
}

/// As browsers do (WHATWG HTML §4.10.22.8).
fn quoted(name: &str) -> String {
    name.replace('"', "%22")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// In no content that a test would send.
const BOUNDARY: &str = "wireline-2d1f6c0b8e7a4f53";
