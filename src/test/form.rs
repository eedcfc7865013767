//! Forms for the test client.

use crate::test::TestRequest;
use http::header::CONTENT_TYPE;
use serde::Serialize;

impl TestRequest<'_> {
    /// Sets the content to `value` as a form, with its content type (`application/x-www-form-urlencoded`).
    ///
    /// # Panics
    ///
    /// When `value` cannot be serialised: a form is a list of names and values.
    #[track_caller]
    pub fn form<T: Serialize + ?Sized>(self, value: &T) -> Self {
        match serde_html_form::to_string(value) {
            Ok(content) => self
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(content),
            Err(error) => panic!("not serialisable as a form: {error}"),
        }
    }
}
