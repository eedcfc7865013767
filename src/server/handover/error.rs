//! Why there is no successor.

use std::fmt;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

/// Why no other process has taken this server's place. The server goes on.
///
/// ```
/// use std::time::Duration;
/// use wireline::server::SuccessorError;
///
/// let error = SuccessorError::Late(Duration::from_secs(30));
/// assert_eq!(error.to_string(), "the successor was not ready within 30 s");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum SuccessorError {
    /// It could not be started, or not be given the listeners.
    Start(io::Error),
    /// It ended before it was ready; what it had to say it has said itself.
    Ended(ExitStatus),
    /// It was not ready in this time, and was ended.
    Late(Duration),
    /// This server stops.
    Stopping,
}

impl fmt::Display for SuccessorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => write!(f, "the successor could not be started: {error}"),
            Self::Ended(status) => {
                write!(f, "the successor ended before it was ready ({status})")
            }
            Self::Late(limit) => {
                let seconds = limit.as_secs_f32();
                write!(f, "the successor was not ready within {seconds} s")
            }
            Self::Stopping => f.write_str("there is no successor: the server stops"),
        }
    }
}

impl std::error::Error for SuccessorError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for SuccessorError {
    fn from(error: io::Error) -> Self {
        Self::Start(error)
    }
}
