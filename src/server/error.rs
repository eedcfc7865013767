//! Why there is no server.

use std::fmt;
use std::io;

/// Why a server did not start.
///
/// ```
/// use wireline::{Router, Server};
///
/// let routes = Router::new().get("/", async || "hello").build().unwrap();
/// let error = Server::new(routes).bind("no such place").run().unwrap_err();
/// assert!(error.to_string().contains("no such place"));
/// ```
#[derive(Debug)]
pub struct StartError(io::Error);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self(error)
    }
}
