//! Layers and middleware: their order, what they see, and what they answer by themselves.

use crate::Content::Is;
use crate::{ROW, Row};
use http::{Method, StatusCode};
use wireline::service::handler::public;
use wireline::service::layer::{Before, Layer, Note, Place};
use wireline::service::middleware::Next;
use wireline::{Request, Response, Router};

/// Writes its name down on the way in, for the handler, and on the way out, for the client.
struct Trail(&'static str, Place);

impl Layer for Trail {
    fn place(&self) -> Place {
        self.1
    }

    fn before(&self, request: &mut Request, _: &mut Note) -> Before {
        let before = request.extension("trail").unwrap_or_default().to_owned();
        request.set_extension("trail", format!("{before}{}>", self.0));
        Before::Go
    }

    fn after(&self, _: &mut Note, response: &mut Response) {
        let after = response
            .headers()
            .get("x-trail")
            .map_or(String::new(), |value| {
                value.to_str().unwrap_or_default().to_owned()
            });
        let _ = response
            .headers_mut()
            .try_insert("x-trail", &format!("{after}<{}", self.0)[..]);
    }
}

/// Lets in who has the word, and whom the route lets in.
struct Doorkeeper;

impl Layer for Doorkeeper {
    fn place(&self) -> Place {
        Place::Auth
    }

    fn before(&self, request: &mut Request, _: &mut Note) -> Before {
        if request.is_public()
            || request
                .header("x-word")
                .is_some_and(|word| word == "mellon")
        {
            Before::Go
        } else {
            Before::Answer(Response::unauthorized("the word?"))
        }
    }
}

pub(crate) fn routes() -> Router {
    let show = async |request: Request| request.extension("trail").unwrap_or_default().to_owned();
    let middle = async |mut request: Request, next: Next| {
        let before = request.extension("trail").unwrap_or_default().to_owned();
        request.set_extension("trail", format!("{before}middle>"));
        if request.query() == Some("stop") {
            return Response::text("stopped").with_status(StatusCode::IM_A_TEAPOT);
        }
        next.run(request).await.with_header("x-middle", "seen")
    };
    let inner = Router::new()
        .layer(Trail("inner", Place::Headers))
        .get("/", show)
        .get("/open", public(show))
        .get("/named", show)
        .public_route(Method::GET, "/named");
    Router::new()
        .middleware(middle)
        .layer(Trail("last", Place::Inside))
        .layer(Doorkeeper)
        .layer(Trail("first", Place::RequestId))
        .get("/", show)
        .nest("/inner", inner)
        .nest(
            "/group",
            Router::new().public().get("/", show).post("/", show),
        )
}

const WORD: &[(&str, &str)] = &[("x-word", "mellon")];
const REFUSED: &[(&str, &str)] = &[("x-trail", "<first")];

pub(crate) const ROWS: &[Row] = &[
    Row {
        headers: WORD,
        content: Is("first>last>middle>"),
        fields: &[("x-trail", "<last<first"), ("x-middle", "seen")],
        ..ROW
    },
    Row {
        headers: &[("x-word", "melon")],
        status: 401,
        fields: REFUSED,
        content: Is("the word?"),
        ..ROW
    },
    Row {
        status: 401,
        fields: REFUSED,
        without: &["x-middle"],
        ..ROW
    },
    Row {
        method: "POST",
        body: "content",
        status: 401,
        fields: REFUSED,
        ..ROW
    },
    Row {
        target: "/nowhere",
        status: 401,
        fields: REFUSED,
        ..ROW
    },
    Row {
        target: "/nowhere",
        headers: WORD,
        status: 404,
        fields: &[("x-trail", "<last<first"), ("x-middle", "seen")],
        ..ROW
    },
    Row {
        method: "PUT",
        headers: WORD,
        status: 405,
        fields: &[("x-trail", "<last<first"), ("allow", "GET, HEAD, OPTIONS")],
        ..ROW
    },
    Row {
        method: "OPTIONS",
        target: "*",
        headers: WORD,
        status: 204,
        fields: &[("x-trail", "<last<first")],
        ..ROW
    },
    Row {
        target: "/?stop",
        headers: WORD,
        status: 418,
        content: Is("stopped"),
        fields: &[("x-trail", "<last<first")],
        without: &["x-middle"],
        ..ROW
    },
    Row {
        target: "/inner",
        headers: WORD,
        content: Is("first>inner>last>middle>"),
        fields: &[("x-trail", "<last<inner<first")],
        ..ROW
    },
    Row {
        target: "/inner",
        status: 401,
        fields: &[("x-trail", "<inner<first")],
        ..ROW
    },
    Row {
        target: "/inner/open",
        content: Is("first>inner>last>middle>"),
        ..ROW
    },
    Row {
        target: "/inner/named",
        content: Is("first>inner>last>middle>"),
        ..ROW
    },
    Row {
        method: "HEAD",
        target: "/inner/open",
        fields: &[("x-trail", "<last<inner<first")],
        content: Is(""),
        driver: true,
        ..ROW
    },
    Row {
        target: "/group",
        content: Is("first>last>middle>"),
        ..ROW
    },
    Row {
        method: "POST",
        target: "/group",
        body: "x",
        content: Is("first>last>middle>"),
        ..ROW
    },
    Row {
        method: "PUT",
        target: "/group",
        status: 405,
        ..ROW
    },
];
