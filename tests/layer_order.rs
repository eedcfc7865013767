//! What every layer can rely on: its place, its note, what an answer, a wait and a deadline of its own lead to.

use http::{Method, StatusCode};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use wireline::resource::counters::Counter;
use wireline::service::handler::public;
use wireline::service::layer::{Before, Layer, Note, Place, Waiting};
use wireline::service::middleware::Next;
use wireline::test::TestClient;
use wireline::{Request, Response, Router};

/// What happened, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn say(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

struct Named {
    name: &'static str,
    place: Place,
    log: Log,
}

impl Layer for Named {
    fn place(&self) -> Place {
        self.place
    }

    fn before(&self, _: &mut Request, note: &mut Note) -> Before {
        self.log.say(format!("{} before", self.name));
        *note = Note::any(self.name);
        Before::Go
    }

    fn after(&self, note: &mut Note, response: &mut Response) {
        let own = note.get::<&str>().copied().unwrap_or("lost");
        self.log
            .say(format!("{own} after {}", response.status().as_u16()));
    }
}

/// A policy of which the nearest counts.
struct Policy(&'static str, Log);

impl Layer for Policy {
    fn replaces_outer(&self) -> bool {
        true
    }

    fn before(&self, _: &mut Request, _: &mut Note) -> Before {
        self.1.say(self.0);
        Before::Go
    }
}

#[tokio::test(start_paused = true)]
async fn layers_stand_in_the_order_of_their_places_and_outside_middleware() {
    let log = Log::default();
    let named = |name, place| Named {
        name,
        place,
        log: log.clone(),
    };
    let (inner, outer) = (log.clone(), log.clone());
    let group = Router::new()
        .layer(named("group cors", Place::Cors))
        .middleware(move |request: Request, next: Next| {
            let log = inner.clone();
            async move {
                log.say("group middleware");
                next.run(request).await
            }
        })
        .get("/", async || "here");
    let routes = Router::new()
        .nest("/group", group)
        .middleware(move |request: Request, next: Next| {
            let log = outer.clone();
            async move {
                log.say("middleware");
                next.run(request).await
            }
        })
        .layer(named("limit", Place::RateLimit))
        .layer(named("id", Place::RequestId))
        .layer(named("limit 2", Place::RateLimit))
        .build()
        .unwrap();
    let client = TestClient::new(routes);

    assert_eq!(client.get("/group").await.status, 200);
    assert_eq!(
        log.take(),
        [
            "id before",
            "group cors before",
            "limit before",
            "limit 2 before",
            "middleware",
            "group middleware",
            "limit 2 after 200",
            "limit after 200",
            "group cors after 200",
            "id after 200",
        ]
    );
    // What has no route passes the outermost router's; another method of a route passes the route's.
    assert_eq!(client.get("/nowhere").await.status, 404);
    assert_eq!(
        log.take(),
        [
            "id before",
            "limit before",
            "limit 2 before",
            "middleware",
            "limit 2 after 404",
            "limit after 404",
            "id after 404",
        ]
    );
    for (method, status) in [(Method::DELETE, 405), (Method::OPTIONS, 204)] {
        assert_eq!(client.method(method, "/group").await.status, status);
        let log = log.take();
        assert!(log.contains(&"group cors before".to_owned()), "{log:?}");
        assert!(log.contains(&"middleware".to_owned()), "{log:?}");
        assert!(!log.contains(&"group middleware".to_owned()), "{log:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_nearest_policy_stands_in_for_the_outer_ones() {
    let log = Log::default();
    let group = Router::new()
        .layer(Policy("near", log.clone()))
        .get("/", async || ());
    let routes = Router::new()
        .layer(Policy("far", log.clone()))
        .nest("/group", group)
        .get("/", async || ())
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    for (path, policy) in [("/", "far"), ("/group", "near"), ("/nowhere", "far")] {
        client.get(path).await;
        assert_eq!(log.take(), [policy], "{path}");
    }
}

#[test]
fn two_policies_of_one_router_are_refused() {
    let policy = |name| Policy(name, Log::default());
    let twice = || Router::new().layer(policy("one")).layer(policy("another"));
    for router in [twice(), Router::new().nest("/group", twice())] {
        let problems = router.build().unwrap_err();
        assert_eq!(problems.problems().len(), 1);
        let text = problems.to_string();
        assert!(
            text.contains("two of the type layer_order::Policy"),
            "{text}"
        );
    }
    // A layer that replaces nothing may stand as often as one likes.
    let named = |name| Named {
        name,
        place: Place::RateLimit,
        log: Log::default(),
    };
    let router = Router::new().layer(named("one")).layer(named("another"));
    assert!(router.build().is_ok());
}

/// Answers, or waits, as the path says.
struct Gate(Log);

impl Layer for Gate {
    fn place(&self) -> Place {
        Place::Auth
    }

    fn before(&self, request: &mut Request, _: &mut Note) -> Before {
        match request.path() {
            "/refused" => Before::Answer(Response::unauthorized("no")),
            "/wait" => Before::Wait(Waiting::new(async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok(Note::Number(7))
            })),
            "/wait-refused" => Before::Wait(Waiting::new(async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Err(Response::unauthorized("no"))
            })),
            _ => Before::Go,
        }
    }

    fn resume(&self, request: &mut Request, note: &mut Note) {
        assert!(matches!(note, Note::Number(7)));
        request.set_extension("waited", "1 s");
    }

    fn after(&self, _: &mut Note, _: &mut Response) {
        self.0.say("gate after");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_seen_by_the_layers_outside_alone() {
    let log = Log::default();
    let named = |name, place| Named {
        name,
        place,
        log: log.clone(),
    };
    let waited = async |request: Request| request.extension("waited").unwrap_or("not").to_owned();
    let routes = Router::new()
        .layer(named("outside", Place::Cors))
        .layer(Gate(log.clone()))
        .layer(named("inside", Place::Inside))
        .get("/{any}", waited)
        .build()
        .unwrap();
    let client = TestClient::new(routes);

    for path in ["/refused", "/wait-refused"] {
        assert_eq!(client.get(path).await.status, 401);
        assert_eq!(
            log.take(),
            ["outside before", "outside after 401"],
            "{path}"
        );
    }
    for (path, text) in [("/wait", "1 s"), ("/go", "not")] {
        assert_eq!(client.get(path).await.text(), text);
        assert_eq!(
            log.take(),
            [
                "outside before",
                "inside before",
                "inside after 200",
                "gate after",
                "outside after 200",
            ],
            "{path}"
        );
    }
}

/// A deadline of one second.
struct Deadline;

impl Layer for Deadline {
    fn place(&self) -> Place {
        Place::TimeLimit
    }

    fn before(&self, _: &mut Request, note: &mut Note) -> Before {
        *note = Note::any(Box::pin(tokio::time::sleep(Duration::from_secs(1))));
        Before::Go
    }

    fn poll_instead(&self, note: &mut Note, cx: &mut Context<'_>) -> Poll<Response> {
        let sleep = note.get_mut::<std::pin::Pin<Box<tokio::time::Sleep>>>();
        sleep
            .map_or(Poll::Pending, |sleep| sleep.as_mut().poll(cx))
            .map(|()| Response::text("late").with_status(StatusCode::SERVICE_UNAVAILABLE))
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_may_end_the_wait() {
    struct Gone(Log);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.say("handler gone");
        }
    }
    let log = Log::default();
    let handlers = log.clone();
    let routes = Router::new()
        .layer(Deadline)
        .layer(Named {
            name: "inside",
            place: Place::Inside,
            log: log.clone(),
        })
        .get("/slow", move || {
            let gone = Gone(handlers.clone());
            async move {
                let _gone = gone;
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
        })
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    let begun = tokio::time::Instant::now();
    assert_eq!(client.get("/slow").await.status, 503);
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
    assert_eq!(log.take(), ["inside before", "handler gone"]);
}

/// Refuses what is not public, as a layer that authenticates does.
struct Closed;

impl Layer for Closed {
    fn before(&self, request: &mut Request, _: &mut Note) -> Before {
        if request.is_public() {
            Before::Go
        } else {
            Before::Answer(Response::unauthorized("closed"))
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s54_routes_are_public_by_handler_by_name_and_by_group() {
    let routes = Router::new()
        .layer(Closed)
        .get("/closed", async || ())
        .get("/handler", public(async || "open"))
        .get("/named", async || "open")
        .post("/named", async || "closed")
        .public_route(Method::GET, "/named")
        .nest("/group", Router::new().public().get("/", async || "open"))
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    for (path, status) in [
        ("/closed", 401),
        ("/nowhere", 401),
        ("/handler", 200),
        ("/named", 200),
        ("/group", 200),
    ] {
        assert_eq!(client.get(path).await.status, status, "{path}");
    }
    assert_eq!(client.post("/named").await.status, 401);

    // A route for any method is not opened by the name of one.
    let wide = Router::new()
        .any("/hook", async || ())
        .public_route(Method::GET, "/hook")
        .build();
    assert!(wide.is_err());
    let wrong = Router::new()
        .get("/there", async || ())
        .public_route(Method::GET, "/their")
        .build()
        .unwrap_err();
    assert_eq!(
        wrong.problems(),
        ["public_route: this router has no route GET /their of that method"]
    );
}

/// Says of each response whether it was one to a panic.
struct Told;

impl Layer for Told {
    fn after(&self, _: &mut Note, response: &mut Response) {
        let _ = response.headers_mut().try_insert("x-told", "yes");
    }
}

#[tokio::test(start_paused = true)]
async fn the_response_to_a_panic_passes_the_layers_and_the_panic_is_counted() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let routes = Router::new()
        .layer(Told)
        .middleware(|request: Request, next: Next| {
            assert!(request.path() != "/middleware", "in middleware");
            next.run(request)
        })
        .get("/middleware", async || ())
        .get("/handler", async || -> () { panic!("in the handler") })
        .get("/later", async || -> () {
            tokio::time::sleep(Duration::from_millis(5)).await;
            panic!("in the handler, later")
        })
        .get("/drop", async || {
            let _bomb = Bomb;
        })
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    for (count, path) in (1..).zip(["/middleware", "/handler", "/later", "/drop"]) {
        let response = client.get(path).await;
        assert_eq!(response.status, 500, "{path}");
        assert_eq!(response.header("x-told"), Some("yes"), "{path}");
        assert_eq!(response.text(), "internal server error", "{path}");
        assert_eq!(client.count(Counter::HandlerPanics), count, "{path}");
    }
}

/// A layer that was told what it cannot do.
struct Misled(&'static str);

impl Layer for Misled {
    fn check(&self) -> Result<(), String> {
        Err(self.0.to_owned())
    }
}

#[test]
fn what_is_wrong_with_a_layer_is_told_when_the_router_is_built() {
    let group = Router::new()
        .layer(Misled("the group's"))
        .get("/", async || ());
    let wrong = Router::new()
        .layer(Misled("the first"))
        .layer(Misled("the second"))
        .nest("/group", group)
        .build()
        .unwrap_err();
    assert_eq!(wrong.problems(), ["the first", "the second", "the group's"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_hook_does_not_keep_the_layers_outside_from_the_response() {
    struct Broken;
    impl Layer for Broken {
        fn after(&self, _: &mut Note, _: &mut Response) {
            panic!("in a hook");
        }
    }
    let log = Log::default();
    let routes = Router::new()
        .layer(Named {
            name: "outside",
            place: Place::RequestId,
            log: log.clone(),
        })
        .layer(Broken)
        .get("/", async || ())
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    assert_eq!(client.get("/").await.status, 500);
    assert_eq!(log.take(), ["outside before", "outside after 500"]);
    assert_eq!(client.count(Counter::HandlerPanics), 1);
}

/// Nobody learns from outside which paths a closed group has, and what is refused there is readable where the group is.
#[tokio::test(start_paused = true)]
async fn what_has_no_route_in_a_group_passes_its_layers() {
    struct Closed(&'static str);

    impl Layer for Closed {
        fn place(&self) -> Place {
            Place::Auth
        }

        fn before(&self, request: &mut Request, _: &mut Note) -> Before {
            if request.is_public() {
                return Before::Go;
            }
            let answer = Response::text(self.0).with_status(StatusCode::UNAUTHORIZED);
            Before::Answer(answer)
        }
    }

    struct Marks;

    impl Layer for Marks {
        fn after(&self, _: &mut Note, response: &mut Response) {
            let _ = response.headers_mut().try_insert("x-marked", "yes");
        }
    }

    let inner = Router::new().get("/deep", async || "deep");
    let closed = Router::new()
        .layer(Closed("closed"))
        .get("/known", async || "known")
        .nest("/inner", inner);
    let marked = Router::new()
        .layer(Marks)
        .get("/known", async || "known")
        .get("/slash/", async || "slash")
        .redirect_trailing_slash(true);
    let own = Router::new()
        .layer(Closed("own"))
        .get("/known", async || "known")
        .fallback(public(async |request: Request| {
            format!("nothing at {}", request.path())
        }));
    let tenant = Router::new()
        .layer(Closed("tenant"))
        .get("/", async || "tenant");
    let routes = Router::new()
        .nest("/closed", closed)
        .nest("/marked", marked)
        .nest("/own", own)
        .nest("/t/{tenant}", tenant)
        .get("/closed/but/open", async || "open")
        .fallback(async || (StatusCode::NOT_FOUND, "outer"))
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    for (path, status, text) in [
        ("/closed", 401, "closed"),
        ("/closed/", 401, "closed"),
        ("/closed/known", 401, "closed"),
        ("/closed/unknown", 401, "closed"),
        ("/closed/known/more", 401, "closed"),
        ("/closed/inner/unknown", 401, "closed"),
        ("/closed/but/open", 200, "open"),
        ("/closedness", 404, "outer"),
        ("/marked/unknown", 404, "outer"),
        ("/own/unknown", 200, "nothing at /own/unknown"),
        ("/own/known", 401, "own"),
        ("/t/7/unknown", 401, "tenant"),
        ("/t", 404, "outer"),
        ("/unknown", 404, "outer"),
    ] {
        let answer = client.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text()),
            (status, text),
            "{path}"
        );
        let is_marked = answer.header("x-marked").is_some();
        assert_eq!(is_marked, path.starts_with("/marked"), "{path}");
    }
    let redirect = client.get("/marked/slash").await;
    assert_eq!(redirect.status, 308);
    assert_eq!(redirect.header("location"), Some("/marked/slash/"));
    assert_eq!(client.get("/closed/known/").await.status, 401);
}

#[test]
fn what_a_group_cannot_say_is_refused() {
    let group = || Router::new().get("/a", async || "a");
    let ends = || group().fallback(async || "end");
    for (router, problem) in [
        (Router::new().merge(ends()), "fallback: "),
        (Router::new().nest("/", ends()), "fallback: "),
        (
            Router::new().merge(group().redirect_trailing_slash(true)),
            "redirect_trailing_slash: ",
        ),
        (
            Router::new()
                .nest("/x", ends())
                .nest("/x", Router::new().fallback(async || "end")),
            "/x: ",
        ),
    ] {
        let wrong = router.build().unwrap_err();
        assert_eq!(wrong.problems().len(), 1, "{wrong}");
        assert!(wrong.problems()[0].starts_with(problem), "{wrong}");
    }
    assert!(
        Router::new()
            .nest("/x", ends())
            .nest("/x", Router::new())
            .build()
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn redirects_to_a_slash_and_fallbacks_stand_inside_the_layers() {
    let routes = |fallback: bool| {
        let router = Router::new()
            .layer(Closed)
            .redirect_trailing_slash(true)
            .get("/there", async || ());
        if fallback {
            router.fallback(public(async || "open"))
        } else {
            router
        }
    };
    let client = TestClient::new(routes(false).build().unwrap());
    // Whether there is such a route is for those who may know.
    for path in ["/there/", "/nowhere/", "/there"] {
        assert_eq!(client.get(path).await.status, 401, "{path}");
    }
    let client = TestClient::new(routes(true).build().unwrap());
    assert_eq!(client.get("/nowhere").await.text(), "open");
    assert_eq!(client.get("/there/").await.status, 308);
    assert_eq!(client.get("/there").await.status, 401);
}
