//! What clients are told of a limit: `Retry-After` (RFC 9110 §10.2.3), and `RateLimit` and `RateLimit-Policy`
//! (draft-ietf-httpapi-ratelimit-headers-10), which are lists of structured fields (RFC 9651).

use crate::layer::rate_limit::limiter::{Quota, Verdict};
use crate::service::headers::Headers;
use crate::service::response::Response;
use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue, StatusCode};
use std::time::Duration;

/// What is left of a quota, to be told with the response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    remaining: Option<u32>,
    reset: u64,
}

impl Left {
    pub(super) fn of(verdict: &Verdict, quota: &Quota) -> Self {
        Self {
            remaining: verdict.remaining,
            reset: seconds(verdict.reset.unwrap_or(quota.window)),
        }
    }

    /// As octets, for a layer's note.
    pub(super) fn to_octets(self) -> [u8; 16] {
        let remaining = self.remaining.map_or(u64::MAX, u64::from);
        (u128::from(remaining) << 64 | u128::from(self.reset)).to_be_bytes()
    }

    pub(super) fn from_octets(octets: [u8; 16]) -> Self {
        let [remaining, reset] = [octets.first_chunk(), octets.last_chunk()]
            .map(|half: Option<&[u8; 8]>| half.map_or(0, |half| u64::from_be_bytes(*half)));
        Self {
            remaining: u32::try_from(remaining).ok(),
            reset,
        }
    }

    /// Adds a member for this limit to each of the two fields.
    pub(super) fn tell(self, quota: &Quota, headers: &mut Headers) {
        let name = &quota.name;
        let window = seconds(quota.window);
        let policy = format!("\"{name}\";q={};w={window}", quota.max_requests);
        let left = (self.remaining).map(|left| format!("\"{name}\";r={left};t={}", self.reset));
        for (field, value) in [(RATE_LIMIT_POLICY, Some(policy)), (RATE_LIMIT, left)] {
            // The name was checked when the router was built.
            if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
                headers.append(field, value);
            }
        }
    }
}

/// 429 (RFC 6585 §4), for who has spent everything.
pub(super) fn refusal(verdict: &Verdict, quota: &Quota) -> Response {
    let verdict = Verdict {
        remaining: Some(verdict.remaining.unwrap_or(0)),
        ..*verdict
    };
    let left = Left::of(&verdict, quota);
    let seconds = left.reset;
    let text = format!("too many requests: try again in {seconds} s\n");
    let mut response = Response::text(text).with_status(StatusCode::TOO_MANY_REQUESTS);
    let headers = response.headers_mut();
    headers.append(RETRY_AFTER, HeaderValue::from(seconds));
    left.tell(quota, headers);
    response
}

/// 503, where nothing may be allowed that cannot be counted.
pub(super) fn unavailable() -> Response {
    Response::text("requests cannot be counted now: try again later\n")
        .with_status(StatusCode::SERVICE_UNAVAILABLE)
        .with_header(RETRY_AFTER, HeaderValue::from_static("1"))
}

/// Whole seconds, rounded up: who waits so long is not refused again for having been early.
fn seconds(time: Duration) -> u64 {
    let whole = time.as_secs();
    whole
        .saturating_add(u64::from(time.subsec_nanos() > 0))
        .max(1)
}

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
