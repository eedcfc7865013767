//! How many requests may be with their handlers at the same time.

use crate::resource::counters::{Counter, Counters};
use crate::service::handler::{Admission, ResponseFuture, Service};
use crate::service::request::Request;
use crate::service::response::Response;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A service that answers 503 while so many of its requests are not answered yet. It stands around the
/// service only where there is such a limit: whoever has none pays nothing.
pub(super) struct InFlight {
    service: Arc<dyn Service>,
    limit: usize,
    live: Arc<AtomicUsize>,
    counters: Arc<Counters>,
}

impl InFlight {
    /// At most `limit` requests of `service`; what is refused is counted in `counters`.
    pub(super) fn new(service: Arc<dyn Service>, limit: usize, counters: Arc<Counters>) -> Self {
        Self {
            service,
            limit,
            live: Arc::default(),
            counters,
        }
    }

    fn take(&self) -> Option<Place> {
        let taken = self
            .live
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |live| {
                (live < self.limit).then_some(live + 1)
            });
        taken.is_ok().then(|| Place(self.live.clone()))
    }
}

impl Service for InFlight {
    fn admit(&self, request: &mut Request) -> Admission {
        self.service.admit(request)
    }

    fn call(&self, request: Request) -> ResponseFuture {
        let Some(place) = self.take() else {
            self.counters.add(Counter::RefusedInFlight);
            let response = Response::text("too many requests at the same time\n")
                .with_status(StatusCode::SERVICE_UNAVAILABLE)
                .with_header(RETRY_AFTER, HeaderValue::from_static("1"));
            return self.service.refuse(request, response);
        };
        let answer = self.service.call(request);
        Box::pin(async move {
            let response = answer.await;
            drop(place);
            response
        })
    }

    fn refuse(&self, request: Request, response: Response) -> ResponseFuture {
        self.service.refuse(request, response)
    }
}

/// A request that is being answered; it gives its place back however it ends.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::handler::service_fn;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    fn poll(answer: &mut ResponseFuture) -> Option<StatusCode> {
        match Pin::new(answer).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(response) => Some(response.status()),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_refusal_has_the_layers_outside_of_where_load_is_shed() {
        use crate::router::Router;
        use crate::service::layer::{Before, Layer, Note, Place};

        struct Marks(Place, &'static str);

        impl Layer for Marks {
            fn place(&self) -> Place {
                self.0
            }

            fn before(&self, _: &mut Request, _: &mut Note) -> Before {
                Before::Go
            }

            fn after(&self, _: &mut Note, response: &mut Response) {
                let _ = response.headers_mut().try_insert(self.1, "seen");
            }
        }

        let routes = Router::new()
            .layer(Marks(Place::Cors, "x-cors"))
            .layer(Marks(Place::Auth, "x-auth"))
            .get("/park", std::future::pending::<()>)
            .build()
            .unwrap();
        let limited = InFlight::new(Arc::new(routes), 1, Arc::default());
        let mut parked = limited.call(Request::get("/park"));
        assert_eq!(poll(&mut parked), None);
        let mut refused = limited.call(Request::get("/park"));
        let polled = Pin::new(&mut refused).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(response) = polled else {
            panic!("it waits");
        };
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains("x-cors"));
        assert!(!response.headers().contains("x-auth"));
    }

    #[test]
    fn a_place_is_given_back_by_an_answer_a_cancelled_and_a_panicking_handler() {
        let counters = Arc::new(Counters::default());
        let service = Arc::new(service_fn(async |request: Request| match request.path() {
            "/park" => std::future::pending().await,
            "/panic" => panic!("for the test"),
            _ => "hello",
        }));
        let limited = InFlight::new(service, 1, counters.clone());
        let ask = |path| limited.call(Request::get(path));

        assert_eq!(poll(&mut ask("/")), Some(StatusCode::OK));
        let mut parked = ask("/park");
        assert_eq!(poll(&mut parked), None);
        let mut refused = ask("/");
        assert_eq!(poll(&mut refused), Some(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(counters.get(Counter::RefusedInFlight), 1);
        drop(parked);
        assert_eq!(poll(&mut ask("/")), Some(StatusCode::OK));
        let panicked =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll(&mut ask("/panic"))));
        assert!(panicked.is_err());
        assert_eq!(poll(&mut ask("/")), Some(StatusCode::OK));
        assert_eq!(counters.get(Counter::RefusedInFlight), 1);
    }
}
