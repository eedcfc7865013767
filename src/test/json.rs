//! JSON for the test client.

use crate::test::{TestRequest, TestResponse};
use http::header::CONTENT_TYPE;
use serde::Serialize;
use serde::de::DeserializeOwned;

impl TestRequest<'_> {
    /// Sets the content to `value` as JSON, with its content type.
    ///
    /// # Panics
    ///
    /// When `value` cannot be serialised.
    #[track_caller]
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(content) => self.header(CONTENT_TYPE, "application/json").body(content),
            Err(error) => panic!("not serialisable: {error}"),
        }
    }
}

impl TestResponse {
    /// Reads the content as JSON.
    ///
    /// # Panics
    ///
    /// When it is not the JSON that `T` expects.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        match serde_json::from_slice(self.bytes()) {
            Ok(value) => value,
            Err(error) => panic!(
                "not the JSON that was expected: {error}\n{}",
                String::from_utf8_lossy(self.bytes())
            ),
        }
    }
}
