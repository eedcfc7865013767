//! How a connection ended, whether to come back, and when.

use std::fmt;
use std::time::Duration;

/// How a connection, or an attempt to open one, ended.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    /// With a close code as browsers tell it: 1005 without one, 1006 without a Close.
    Closed { code: u16, reason: String },
    /// It could not be opened, or broke.
    Failed(String),
    /// There was no token to open it with.
    NoToken(String),
    /// The server answered in HTTP that it will not.
    Refused {
        status: u16,
        retry_after: Option<Duration>,
    },
    /// It can never be opened: the URL, or a field of the request.
    Unfit(String),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { code: 1006, .. } => f.write_str("the connection broke"),
            Self::Closed { code, reason } if reason.is_empty() => {
                write!(f, "the server closed with {code}")
            }
            Self::Closed { code, reason } => write!(f, "the server closed with {code}: {reason}"),
            Self::Refused { status, .. } => write!(f, "the server answered {status}"),
            Self::Failed(reason) | Self::NoToken(reason) | Self::Unfit(reason) => {
                f.write_str(reason)
            }
        }
    }
}

/// Why a client has ended. It does not come back by itself.
///
/// ```
/// use wireline::relay::client::{Ended, RelayClient};
/// # use wireline::relay::RelayConfig;
/// # use wireline::{Router, test::TestClient};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let server = TestClient::new(Router::new().with_relay(RelayConfig::default()).build().unwrap());
/// # let open = move || std::future::ready(Ok(server.connect().into()));
/// # let client = RelayClient::builder("ws://localhost/ws").over(open).connect().await.unwrap();
/// let other = client.clone();
/// client.close().await;
/// assert_eq!(other.closed().await, Ended::Local);
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// This side closed it, or dropped the last handle.
    Local,
    /// The server closed it with a code that says not to come back.
    Closed {
        /// The close code.
        code: u16,
        /// Its words.
        reason: String,
    },
    /// The server refuses this client: the status, 401 or 403.
    Refused(u16),
    /// The sign-in has ended, and there is no new one.
    SignedOut,
    /// It can never be opened: the URL, or a field of the request, is not fit.
    Unfit(String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("closed by this side"),
            Self::Closed { code, reason } if reason.is_empty() => {
                write!(f, "the server closed with {code}")
            }
            Self::Closed { code, reason } => write!(f, "the server closed with {code}: {reason}"),
            Self::Refused(status) => write!(f, "the server answered {status}"),
            Self::SignedOut => f.write_str("the sign-in has ended"),
            Self::Unfit(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Ended {}

/// What to do about an ending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// Come back.
    Soon,
    /// Come back after a while, or after this long at the least.
    Later(Duration),
    /// Come back with a new sign-in.
    SignIn,
    Stop(Ended),
}

/// The course after an ending, for a client that can sign in anew or cannot.
pub(crate) fn course(ending: &Ending, can_sign_in: bool) -> Course {
    match ending {
        Ending::Failed(_) | Ending::NoToken(_) => Course::Soon,
        Ending::Unfit(reason) => Course::Stop(Ended::Unfit(reason.clone())),
        Ending::Refused { status: 401, .. } if can_sign_in => Course::SignIn,
        Ending::Refused {
            status: status @ (401 | 403),
            ..
        } => Course::Stop(Ended::Refused(*status)),
        Ending::Refused { retry_after, .. } => {
            Course::Later(retry_after.map_or(A_WHILE, |wait| wait.clamp(A_WHILE, LONGEST_WISH)))
        }
        Ending::Closed { code, reason } => match code {
            1000 | 1009 | 4500..=4999 => Course::Stop(Ended::Closed {
                code: *code,
                reason: reason.clone(),
            }),
            4401 if can_sign_in => Course::SignIn,
            4401 => Course::Stop(Ended::SignedOut),
            // Limits, load, and what would only happen again at once.
            1002 | 1003 | 1007 | 1008 | 1010 | 1013 => Course::Later(A_WHILE),
            _ => Course::Soon,
        },
    }
}

/// Waits that grow and are spread at random: any time between nothing and twice the longest wait before, up to a ceiling
/// ("full jitter").
///
/// ```
/// use std::time::Duration;
/// use wireline::relay::client::{Backoff, RelayClient};
///
/// let backoff = Backoff { ceiling: Duration::from_secs(5), ..Backoff::default() };
/// let builder = RelayClient::builder("ws://localhost:8000/ws").backoff(backoff);
/// # let _ = builder;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest first wait. Default 500 ms.
    pub first: Duration,
    /// The longest wait of all. Default 30 s.
    pub ceiling: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            ceiling: Duration::from_secs(30),
        }
    }
}

impl Backoff {
    /// The wait after so many failures in a row, the first being 0.
    pub(crate) fn wait(&self, failures: u32, lots: &mut Lots) -> Duration {
        let factor = 1_u32.checked_shl(failures.min(31)).unwrap_or(u32::MAX);
        let longest = self.first.saturating_mul(factor).min(self.ceiling);
        let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(lots.below(micros.saturating_add(1)))
    }
}

/// Lots drawn from a seed (SplitMix64): spread, not secret.
#[derive(Clone, Debug)]
pub(crate) struct Lots(u64);

impl Lots {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut lot = self.0;
        lot = (lot ^ (lot >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        lot = (lot ^ (lot >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        lot ^= lot >> 31;
        // The high half of the product is even over the range, but for what no wait can tell.
        let product = u128::from(lot) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or_default()
    }
}

/// What "after a while" is at the least.
pub(crate) const A_WHILE: Duration = Duration::from_secs(5);

/// The longest that a server's `Retry-After` is heeded.
const LONGEST_WISH: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_has_its_course() {
        let closed = |code| Ending::Closed {
            code,
            reason: String::new(),
        };
        let stop = |code| {
            Course::Stop(Ended::Closed {
                code,
                reason: String::new(),
            })
        };
        let refused = |status, seconds: Option<u64>| Ending::Refused {
            status,
            retry_after: seconds.map(Duration::from_secs),
        };
        let later = |seconds| Course::Later(Duration::from_secs(seconds));
        for (ending, can_sign_in, expected) in [
            (closed(1000), true, stop(1000)),
            (closed(1001), false, Course::Soon),
            (closed(1002), false, later(5)),
            (closed(1005), false, Course::Soon),
            (closed(1006), false, Course::Soon),
            (closed(1007), false, later(5)),
            (closed(1008), false, later(5)),
            (closed(1009), true, stop(1009)),
            (closed(1011), false, Course::Soon),
            (closed(1012), false, Course::Soon),
            (closed(1013), false, later(5)),
            (closed(3000), false, Course::Soon),
            (closed(4000), false, Course::Soon),
            (closed(4401), true, Course::SignIn),
            (closed(4401), false, Course::Stop(Ended::SignedOut)),
            (closed(4499), true, Course::Soon),
            (closed(4500), true, stop(4500)),
            (closed(4999), true, stop(4999)),
            (Ending::Failed("x".into()), false, Course::Soon),
            (refused(401, None), true, Course::SignIn),
            (refused(401, None), false, Course::Stop(Ended::Refused(401))),
            (refused(403, None), true, Course::Stop(Ended::Refused(403))),
            (refused(503, Some(60)), false, later(60)),
            (refused(503, Some(1)), false, later(5)),
            (refused(429, Some(1_000_000)), false, later(300)),
            (refused(404, None), false, later(5)),
        ] {
            assert_eq!(course(&ending, can_sign_in), expected, "{ending:?}");
        }
    }

    #[test]
    fn waits_grow_to_the_ceiling_and_are_spread() {
        let backoff = Backoff {
            first: Duration::from_millis(100),
            ceiling: Duration::from_secs(2),
        };
        let mut lots = Lots::new(7);
        for (failures, longest) in [
            (0, 100),
            (1, 200),
            (4, 1600),
            (5, 2000),
            (31, 2000),
            (u32::MAX, 2000),
        ] {
            let waits: Vec<u64> = (0..1000)
                .map(|_| backoff.wait(failures, &mut lots).as_millis() as u64)
                .collect();
            let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
            let mean = waits.iter().sum::<u64>() / 1000;
            assert!(
                *most <= longest && *most > longest * 9 / 10,
                "{most} of {longest}"
            );
            assert!(*least < longest / 10, "{least} of {longest}");
            assert!(
                (longest * 4 / 10..=longest * 6 / 10).contains(&mean),
                "{mean} of {longest}"
            );
        }
        let huge = Backoff {
            first: Duration::MAX,
            ceiling: Duration::MAX,
        };
        let _ = huge.wait(31, &mut lots);
    }
}
