//! Calls: requests that have an answer, and run beside each other.

use super::Session;
use crate::relay::endpoint::handler::RelayCall;
use crate::relay::endpoint::log;
use crate::relay::endpoint::payload::Payload;
use crate::relay::protocol::{ErrorCode, Reply};
use crate::resource::panic::{forget, guarded};
use serde_json::value::RawValue;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::timeout;

/// The calls of a connection that are not answered yet.
#[derive(Default)]
pub(super) struct Calls(Vec<Call>);

struct Call {
    reference: Box<RawValue>,
    future: Pin<Box<dyn Future<Output = Called> + Send>>,
}

type Called = Result<Payload, (ErrorCode, String)>;

impl Calls {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Session {
    pub(super) fn call(
        &mut self,
        method: &str,
        payload: &RawValue,
        deadline: Option<u64>,
        reference: Option<&RawValue>,
    ) {
        let Some(kept) = reference.map(ToOwned::to_owned) else {
            return;
        };
        let Some(handler) = self.relay().inner.settings.channels.call(method).cloned() else {
            let shown: String = method.chars().take(METHOD_SHOWN).collect();
            let message = format!("unknown method {shown:?}");
            return self.fail(reference, ErrorCode::UnknownMethod, None, &message);
        };
        if self.work().calls.0.len() >= MOST_CALLS {
            let message = format!("too many calls (max {MOST_CALLS})");
            return self.fail(reference, ErrorCode::TooManyCalls, None, &message);
        }
        let call = RelayCall {
            method: method.to_owned(),
            payload: payload.into(),
            conn_id: self.conn_id(),
        };
        let limit = deadline.map_or(DEADLINE, Duration::from_millis).min(LATEST);
        let handling = handler.handle(call, self.relay().clone(), self.parts());
        let future = Box::pin(async move {
            match timeout(limit, handling).await {
                Ok(Ok(value)) => Ok(value.unwrap_or_default()),
                Ok(Err(error)) => {
                    log::tell(&error, "call");
                    Err((ErrorCode::HandlerError, error.message().to_owned()))
                }
                Err(_) => Err((ErrorCode::DeadlineExceeded, "deadline exceeded".to_owned())),
            }
        });
        self.work().calls.0.push(Call {
            reference: kept,
            future,
        });
    }

    pub(super) fn cancel(&mut self, reference: Option<&RawValue>) {
        let Some(reference) = reference else {
            return;
        };
        let calls = &mut self.work().calls.0;
        let place = calls
            .iter()
            .position(|call| call.reference.get() == reference.get());
        if let Some(place) = place {
            drop(calls.swap_remove(place));
            self.fail(Some(reference), ErrorCode::Cancelled, None, "cancelled");
        }
    }

    pub(super) fn poll_calls(&mut self, cx: &mut Context<'_>) {
        let mut place = 0;
        while let Some(work) = &mut self.work
            && let Some(call) = work.calls.0.get_mut(place)
        {
            let called = match guarded(|| call.future.as_mut().poll(cx)) {
                Ok(Poll::Pending) => {
                    place += 1;
                    continue;
                }
                Ok(Poll::Ready(called)) => called,
                Err(payload) => {
                    forget(payload);
                    Err((ErrorCode::HandlerError, "internal server error".to_owned()))
                }
            };
            let call = work.calls.0.swap_remove(place);
            let reference = Some(&*call.reference);
            match called {
                Ok(value) => {
                    let result = Reply::Result {
                        payload: value.raw(),
                    };
                    self.answer(&result, reference);
                }
                Err((code, message)) => self.fail(reference, code, None, &message),
            }
        }
    }
}

/// How many calls of a connection run beside each other.
const MOST_CALLS: usize = 16;

/// How long a call may take that does not say.
const DEADLINE: Duration = Duration::from_secs(10);

/// How long any call may take.
const LATEST: Duration = Duration::from_secs(60);

/// How much of a wrong method is told.
const METHOD_SHOWN: usize = 64;
