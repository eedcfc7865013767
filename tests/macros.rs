//! Handlers that are marked where they are written, and found (SPEC S46, S52 to S54).

use http::{Method, StatusCode};
use std::sync::Arc;
use wireline::extract::{Path, State};
use wireline::service::layer::{Before, Layer, Note};
use wireline::test::TestClient;
use wireline::ws::socket::WebSocket;
use wireline::{Request, Response, Router, get, post};

/// The handlers of most tests.
mod shop {
    use super::*;
    use wireline::ws::route::WebSocketUpgrade;
    use wireline::ws::route::token::Token;
    use wireline::{delete, head, options, patch, put, route, websocket};

    #[get("/users/{id}")]
    async fn user(Path(id): Path<u64>) -> String {
        format!("user {id}")
    }

    #[get("/rooms/:room/members")]
    async fn members(Path(room): Path<String>, request: Request) -> String {
        format!("{} in {room}", request.query().unwrap_or("all"))
    }

    #[post("/orders")]
    async fn order(State(shop): State<Arc<str>>, content: String) -> (StatusCode, String) {
        (StatusCode::CREATED, format!("{content} of {shop}"))
    }

    #[put("/orders/{id}")]
    async fn replace() -> &'static str {
        "put"
    }

    #[patch("/orders/{id}")]
    async fn change() -> &'static str {
        "patch"
    }

    #[delete("/orders/{id}")]
    async fn remove() -> StatusCode {
        StatusCode::NO_CONTENT
    }

    #[head("/orders")]
    async fn look() -> Response {
        Response::ok().with_header("x-orders", "7")
    }

    #[options("/orders")]
    async fn ask() -> Response {
        Response::ok().with_header("x-asked", "yes")
    }

    #[route(method = "PURGE", path = "/cache/{*key}")]
    async fn purge(Path(key): Path<String>) -> String {
        format!("{key} is gone")
    }

    /// Two routes for one function, and what it returns has no name.
    #[get("/twice")]
    #[post("/twice")]
    async fn twice() -> impl wireline::service::response::IntoResponse {
        "twice"
    }

    #[websocket("/ws/{room}/{user}")]
    async fn talk(socket: WebSocket, Path((room, user)): Path<(String, String)>) {
        let _ = socket.send(format!("{user} in {room}")).await;
    }

    #[websocket("/same-page", terms = same_page)]
    async fn same_page_only(socket: WebSocket, Token(token): Token) {
        let _ = socket.send(token).await;
    }

    fn same_page(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
        upgrade.origin(wireline::ws::origin::Policy::SameOrigin)
    }

    #[cfg(any())]
    #[get("/users/{id}")]
    async fn left_out() {}

    #[get("/users/{id}/also-left-out")]
    #[cfg(any())]
    async fn left_out_below() {}
}

fn shop() -> TestClient {
    let shop = Router::new().discover_in("macros::shop");
    let shop = shop.state::<Arc<str>>("the shop".into());
    TestClient::new(shop.build().unwrap())
}

#[tokio::test(start_paused = true)]
async fn s46_s52_s53_marked_handlers_are_found_and_serve() {
    for client in [shop(), shop().http2()] {
        assert_eq!(client.get("/users/7").await.text(), "user 7");
        assert_eq!(client.get("/users/x").await.status, 400);
        assert_eq!(
            client.get("/rooms/a%20b/members?x").await.text(),
            "x in a b"
        );
        let order = client.post("/orders").body("a cup").await;
        assert_eq!(
            (order.status.as_u16(), order.text()),
            (201, "a cup of the shop")
        );
        assert_eq!(client.put("/orders/1").await.text(), "put");
        assert_eq!(client.patch("/orders/1").await.text(), "patch");
        assert_eq!(client.delete("/orders/1").await.status, 204);
        assert_eq!(client.head("/orders").await.header("x-orders"), Some("7"));
        assert_eq!(
            client.options("/orders").await.header("x-asked"),
            Some("yes")
        );
        let purge = Method::from_bytes(b"PURGE").unwrap();
        assert_eq!(
            client.method(purge, "/cache/a/b").await.text(),
            "a/b is gone"
        );
        assert_eq!(client.get("/twice").await.text(), "twice");
        assert_eq!(client.post("/twice").await.text(), "twice");
        assert_eq!(client.put("/twice").await.status, 405);
        assert_eq!(client.get("/users/7/also-left-out").await.status, 404);
    }
}

#[tokio::test(start_paused = true)]
async fn s52_s53_marked_sockets_are_found_and_open() {
    for client in [shop(), shop().http2()] {
        let mut socket = client.websocket("/ws/tea/ada").await;
        let said = socket.recv().await.unwrap().unwrap();
        assert_eq!(said.as_text(), Some("ada in tea"));

        let elsewhere = client
            .websocket("/same-page")
            .header("origin", "http://evil.example");
        assert_eq!(elsewhere.bearer("t").refusal().await.status, 403);
        let nobody = client
            .websocket("/same-page")
            .header("origin", "http://localhost");
        assert_eq!(nobody.refusal().await.status, 401);
        let mut socket = client
            .websocket("/same-page")
            .header("origin", "http://localhost")
            .bearer("5a1e")
            .await;
        let said = socket.recv().await.unwrap().unwrap();
        assert_eq!(said.as_text(), Some("5a1e"));
    }
}

/// The linker's order is not to be seen.
#[test]
fn s53_the_order_is_that_of_paths_and_methods() {
    let shop = Router::new().discover_in("macros::shop");
    assert_eq!(
        format!("{shop:?}"),
        "[PURGE /cache/{*key}, HEAD /orders, OPTIONS /orders, POST /orders, DELETE /orders/{id}, PATCH /orders/{id}, \
         PUT /orders/{id}, GET /rooms/:room/members, GET /same-page, GET /twice, POST /twice, GET /users/{id}, \
         GET /ws/{room}/{user}]"
    );
}

/// Two handlers for one place, and one whose state nobody gives.
mod wrong {
    pub(crate) mod one {
        #[wireline::get("/same/{id}")]
        async fn first() {}
    }

    pub(crate) mod two {
        #[wireline::get("/same/{name}")]
        async fn second() {}

        #[wireline::post("/same/{id}")]
        async fn not_the_same() {}

        #[wireline::get("/same/{id}")] // the third
        async fn third() {}

        #[wireline::get("/state")]
        async fn stateless(_: wireline::extract::State<u8>) {}
    }

    /// No module of the ones above.
    pub(crate) mod two_more {
        #[wireline::get("/more")]
        async fn more() {}
    }
}

#[test]
fn s53_two_for_one_place_are_named_by_file_and_line() {
    let wrong = Router::new().discover_in("macros::wrong").build();
    let problems = wrong.unwrap_err();
    let [twice, shape, state] = problems.problems() else {
        panic!("{problems}");
    };
    let line = |text: &str| {
        let lines = include_str!("macros.rs").lines();
        1 + lines.take_while(|line| !line.contains(text)).count()
    };
    let first = line("#[wireline::get(\"/same/{id}\")]");
    let second = line("#[wireline::get(\"/same/{name}\")]");
    let third = line("// the third");
    assert_eq!(
        *twice,
        format!(
            "GET /same/{{id}} (tests/macros.rs:{third}): there is already a route for GET /same/{{id}} (tests/macros.rs:{first})"
        )
    );
    assert_eq!(
        *shape,
        format!(
            "GET /same/{{name}} (tests/macros.rs:{second}): route pattern \"/same/{{name}}\" conflicts with \"/same/{{id}}\": \
             both match the same paths; the other is (tests/macros.rs:{first})"
        )
    );
    let place = line("#[wireline::get(\"/state\")");
    assert!(
        state.starts_with(&format!("GET /state (tests/macros.rs:{place}): ")),
        "{state}"
    );
}

#[test]
fn s53_a_module_is_taken_in_alone_and_everything_is() {
    let more = Router::new().discover_in("macros::wrong::two_more").build();
    assert_eq!(more.unwrap().patterns().collect::<Vec<_>>(), ["/more"]);
    let none = Router::new().discover_in("macros::wron").build();
    assert_eq!(none.unwrap().patterns().count(), 0);
    // Of the whole program, with what is wrong in it.
    let everything = format!("{:?}", Router::new().discover());
    for route in [
        "GET /more",
        "GET /same/{id}",
        "GET /users/{id}",
        "GET /above",
    ] {
        assert!(everything.contains(route), "{route} in {everything}");
    }
}

/// Open routes, by whatever order of attributes.
mod doors {
    use super::*;
    use wireline::{public, websocket};

    #[public]
    #[get("/above")]
    async fn above() -> &'static str {
        "open"
    }

    #[get("/below")]
    #[public]
    async fn below() -> &'static str {
        "open"
    }

    #[wireline::public]
    #[get("/both")]
    #[post("/both")]
    async fn both() -> &'static str {
        "open"
    }

    #[get("/between")]
    #[public]
    #[post("/between")]
    async fn between() -> &'static str {
        "open"
    }

    #[websocket("/ws")]
    #[public]
    async fn open_socket(socket: WebSocket) {
        let _ = socket.send("come in").await;
    }

    #[get("/closed")]
    async fn closed() -> &'static str {
        "open"
    }

    #[websocket("/closed-ws")]
    async fn closed_socket(_: WebSocket) {}
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
async fn s54_public_stands_above_and_below() {
    let doors = || {
        let doors = Router::new().layer(Closed).discover_in("macros::doors");
        TestClient::new(doors.build().unwrap())
    };
    for client in [doors(), doors().http2()] {
        for (method, path, status) in [
            (Method::GET, "/above", 200),
            (Method::GET, "/below", 200),
            (Method::GET, "/both", 200),
            (Method::POST, "/both", 200),
            (Method::GET, "/between", 200),
            (Method::POST, "/between", 200),
            (Method::GET, "/closed", 401),
            (Method::POST, "/above", 405),
        ] {
            let response = client.method(method.clone(), path).await;
            assert_eq!(response.status, status, "{method} {path}");
        }
        let mut socket = client.websocket("/ws").await;
        assert_eq!(
            socket.recv().await.unwrap().unwrap().as_text(),
            Some("come in")
        );
        assert_eq!(client.websocket("/closed-ws").refusal().await.status, 401);
    }
}

/// Marked, and given by hand to a router that discovers nothing.
#[tokio::test(start_paused = true)]
async fn s52_without_discover_a_marked_function_is_an_ordinary_handler() {
    #[get("/marked")]
    async fn marked(Path(name): Path<String>) -> String {
        name
    }
    assert_eq!(marked(Path("called".into())).await, "called");
    let client = TestClient::new(Router::new().get("/other/{name}", marked).build().unwrap());
    assert_eq!(client.get("/other/x").await.text(), "x");
    assert_eq!(client.get("/marked").await.status, 404);
    // It is found all the same, though it stands in a function; and its route cannot give it a name.
    let found = Router::new().discover().build().unwrap_err();
    let has = |problem: &String| problem.starts_with("GET /marked (tests/macros.rs:");
    assert!(found.problems().iter().any(has), "{found}");
}

#[tokio::test(start_paused = true)]
async fn s53_what_is_found_belongs_to_its_router() {
    let admin = Router::new()
        .discover_in("macros::shop")
        .state::<Arc<str>>("admin".into());
    let routes = Router::new()
        .nest("/admin", admin.max_body(3))
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    assert_eq!(client.get("/admin/users/7").await.text(), "user 7");
    assert_eq!(
        client.post("/admin/orders").body("tea").await.text(),
        "tea of admin"
    );
    assert_eq!(client.post("/admin/orders").body("milk").await.status, 413);
    assert_eq!(client.get("/users/7").await.status, 404);
}
