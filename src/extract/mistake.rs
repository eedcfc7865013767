//! Mistakes of the programmer that only a request brings to light go to the log.

use std::fmt;

/// One event, at level ERROR.
#[cold]
pub(super) fn tell(mistake: &dyn fmt::Display) {
    tracing::error!("{mistake}");
}

#[cfg(test)]
mod tests {
    use crate::extract::{Extension, Path};
    use crate::router::Router;
    use crate::service::handler::Service;
    use crate::service::request::Request;
    use std::fmt::{self, Write};
    use std::sync::{Arc, Mutex};
    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Level, Metadata, Subscriber};

    /// Keeps the texts of events.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<String>>);

    impl Subscriber for Log {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            *metadata.level() == Level::ERROR
        }

        fn event(&self, event: &Event<'_>) {
            event.record(&mut self.clone());
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    impl Visit for Log {
        fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
            writeln!(self.0.lock().unwrap(), "{value:?}").unwrap();
        }
    }

    #[test]
    fn the_log_has_what_the_client_does_not_get() {
        #[derive(Clone)]
        struct Forgotten;

        let routes = Router::new()
            .get("/", async |_: Extension<Forgotten>| "never")
            .get("/bad/{number}", async |number: Path<u8>| {
                number.0.to_string()
            })
            .build()
            .unwrap();
        let log = Log::default();
        let answers = tracing::subscriber::with_default(log.clone(), || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut answers = Vec::new();
                for target in ["/", "/bad/number"] {
                    let mut response = routes.call(Request::get(target)).await;
                    let content = std::mem::take(response.body_mut()).collect().await.unwrap();
                    answers.push((response.status().as_u16(), content));
                }
                answers
            })
        });
        assert_eq!(answers[0], (500, "internal server error".into()));
        let text = log.0.lock().unwrap();
        assert!(
            text.contains("Extension<") && text.contains("Forgotten"),
            "{text}"
        );
        // What the client did wrong is told to the client, and is no event.
        assert_eq!(answers[1].0, 400);
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}
