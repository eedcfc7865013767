//! The cookies of a client: those that a server, or the load balancer before it, gives out, and those that the caller sends anyway.

use crate::service::headers::Headers;
use crate::service::jar::Jar;
use crate::ws::client::Client;
use http::HeaderValue;
use http::header::COOKIE;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where requests go, and what they carry. Cloning it gives another handle to the same cookies.
#[derive(Clone, Debug)]
pub(super) struct Cookies {
    host: String,
    path: String,
    is_secure: bool,
    jar: Arc<Mutex<Jar>>,
}

impl Cookies {
    pub(super) fn new(host: &str, path: &str, is_secure: bool) -> Self {
        Self {
            host: host.to_owned(),
            path: path.to_owned(),
            is_secure,
            jar: Arc::default(),
        }
    }

    /// Keeps what an answer sets.
    pub(super) fn take(&self, headers: &Headers) {
        self.jar().take(&self.host, &self.path, headers);
    }

    /// Forgets all of them: whoever they lead to is not there.
    pub(super) fn forget(&self) {
        *self.jar() = Jar::default();
    }

    /// The value of Cookie for the next request of a client, behind what that sends anyway; nothing if that is all.
    pub(super) fn field(&self, client: &Client) -> Option<HeaderValue> {
        let kept = self.jar().field(&self.host, &self.path, self.is_secure)?;
        // RFC 6265 §5.4: there is one field.
        let mut all = Vec::new();
        for value in client.values(&COOKIE) {
            all.extend_from_slice(value.as_bytes());
            all.extend_from_slice(b"; ");
        }
        all.extend_from_slice(kept.as_bytes());
        HeaderValue::from_bytes(&all).ok()
    }

    fn jar(&self) -> MutexGuard<'_, Jar> {
        self.jar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_goes_behind_what_is_sent_anyway() {
        let cookies = Cookies::new("h:8", "/socket.io/", false);
        let client = Client::new().header("cookie", "theme=dark");
        assert_eq!(cookies.field(&client), None);
        let mut headers = Headers::new();
        for line in [
            "AWSALB=a; Path=/",
            "io=b; HttpOnly",
            "other=c; Path=/elsewhere",
            "tls=d; Secure",
        ] {
            headers.append(http::header::SET_COOKIE, HeaderValue::from_static(line));
        }
        cookies.take(&headers);
        let field = cookies.field(&client).unwrap();
        assert_eq!(field, "theme=dark; io=b; AWSALB=a");
        assert_eq!(cookies.field(&Client::new()).unwrap(), "io=b; AWSALB=a");
        cookies.forget();
        assert_eq!(cookies.field(&client), None);
    }
}
