//! Layers that come with the crate, each in a group of its own: who may come in, how often and for how long, and what
//! is said beside the content.

use crate::Content::{Is, Parts};
use crate::{ROW, Row};
use http::StatusCode;
use std::time::Duration;
use wireline::layer::auth::{Auth, Bearer, Refusal, RequireScope};
use wireline::layer::cors::Cors;
use wireline::layer::error_pages::ErrorPages;
use wireline::layer::rate_limit::RateLimit;
use wireline::layer::request_id::{RequestId, RequestIds};
use wireline::layer::security_headers::SecurityHeaders;
use wireline::layer::shed::LoadShed;
use wireline::layer::time_limit::TimeLimit;
use wireline::service::handler::public;
use wireline::service::problem::Problem;
use wireline::service::user::CurrentUser;
use wireline::{Response, Router};

pub(crate) fn routes() -> Router {
    let hello = async || "hello";
    let limited = Router::new()
        .layer(cors())
        .layer(RateLimit::new(2, HOUR).name("reads").tell_remaining(true))
        .get("/", hello);
    // Whoever has the only place asks for another one.
    let shed = LoadShed::new(1).retry_after(Duration::from_secs(7));
    let crowded = Router::new().layer(shed.clone()).get("/", hello);
    let slow = Router::new()
        .layer(TimeLimit::new(Duration::from_millis(20)))
        .get("/", std::future::pending::<String>)
        .get("/quick", hello);
    let headers = Router::new()
        .layer(SecurityHeaders::recommended())
        .get("/", hello)
        .get("/own", async || {
            Response::ok().with_header("x-frame-options", "DENY")
        });
    let ids = Router::new()
        .layer(RequestIds::new())
        .get("/", async |id: RequestId| id.to_string().len().to_string());
    Router::new()
        .nest(
            "/cors",
            Router::new()
                .layer(cors())
                .get("/", hello)
                .put("/", async || "changed"),
        )
        .nest("/limited", limited)
        .nest("/crowded", Router::new().layer(shed).nest("/", crowded))
        .nest("/slow", slow)
        .nest("/auth", auth())
        .nest("/headers", headers)
        .nest("/ids", ids)
        .nest("/pages", pages())
}

fn cors() -> Cors {
    Cors::new()
        .origins(["https://app.example"])
        .methods(["GET", "PUT"])
        .headers(["x-token"])
        .expose_headers(["etag"])
        .max_age(Duration::from_secs(600))
        .credentials(true)
}

fn auth() -> Router {
    let bearer = Bearer::by(async |token: String| match token.as_str() {
        "of-ada" => Ok(CurrentUser::new("ada").with_scopes(["admin"])),
        "of-bob" => Ok(CurrentUser::new("bob")),
        _ => Err(Refusal::invalid("nobody has this token")),
    });
    let whoami = async |user: CurrentUser| user.id().to_owned();
    let admin = Router::new()
        .layer(RequireScope::new("admin"))
        .get("/", whoami);
    Router::new()
        .layer(Auth::new(bearer))
        .get("/", whoami)
        .get("/open", public(async || "open"))
        .nest("/admin", admin)
}

fn pages() -> Router {
    let pages = ErrorPages::new().page(StatusCode::NOT_FOUND, |error| {
        Response::html(format!("<h1>{}</h1>", error.path))
    });
    Router::new()
        .layer(pages)
        .get("/lost", async || StatusCode::NOT_FOUND)
        .get("/taken", async || (StatusCode::CONFLICT, "taken"))
        .get("/credit", async || {
            Problem::new(StatusCode::FORBIDDEN)
                .kind("https://example.com/credit")
                .detail("30 is less than 50")
        })
}

const HOUR: Duration = Duration::from_secs(3600);

const APP: (&str, &str) = ("origin", "https://app.example");
const TOLD: (&str, &str) = ("access-control-allow-origin", "https://app.example");
const POLICY: (&str, &str) = ("ratelimit-policy", "\"reads\";q=2;w=3600");
const PROBLEM: (&str, &str) = ("content-type", "application/problem+json");
const ADA: (&str, &str) = ("authorization", "Bearer of-ada");
const BOB: (&str, &str) = ("authorization", "Bearer of-bob");

pub(crate) const ROWS: &[Row] = &[
    Row {
        target: "/cors",
        headers: &[APP],
        fields: &[
            TOLD,
            ("access-control-allow-credentials", "true"),
            ("access-control-expose-headers", "etag"),
            ("vary", "Origin"),
        ],
        content: Is("hello"),
        ..ROW
    },
    Row {
        target: "/cors",
        headers: &[("origin", "https://evil.example")],
        fields: &[("vary", "Origin")],
        without: &[TOLD.0, "access-control-allow-credentials"],
        content: Is("hello"),
        ..ROW
    },
    Row {
        method: "OPTIONS",
        target: "/cors",
        headers: &[
            APP,
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "x-token"),
        ],
        status: 204,
        fields: &[
            TOLD,
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "GET, PUT"),
            ("access-control-allow-headers", "x-token"),
            ("access-control-max-age", "600"),
        ],
        without: &["allow"],
        content: Is(""),
        ..ROW
    },
    Row {
        method: "OPTIONS",
        target: "/cors",
        headers: &[
            ("origin", "https://evil.example"),
            ("access-control-request-method", "PUT"),
        ],
        status: 204,
        without: &[TOLD.0, "access-control-allow-methods"],
        ..ROW
    },
    Row {
        target: "/limited",
        fields: &[POLICY],
        varies: &["ratelimit"],
        content: Is("hello"),
        ..ROW
    },
    Row {
        method: "OPTIONS",
        target: "/limited",
        headers: &[APP, ("access-control-request-method", "PUT")],
        status: 204,
        fields: &[TOLD],
        without: &["ratelimit"],
        ..ROW
    },
    Row {
        target: "/limited",
        fields: &[POLICY],
        varies: &["ratelimit"],
        ..ROW
    },
    Row {
        target: "/limited",
        headers: &[APP],
        status: 429,
        fields: &[TOLD, POLICY],
        varies: &["ratelimit", "retry-after"],
        content: Parts(&["too many requests: try again in ", " s\n"]),
        ..ROW
    },
    Row {
        target: "/crowded",
        status: 503,
        fields: &[("retry-after", "7")],
        content: Is("too many requests at the same time\n"),
        ..ROW
    },
    Row {
        target: "/slow",
        status: 503,
        ..ROW
    },
    Row {
        target: "/slow/quick",
        content: Is("hello"),
        ..ROW
    },
    Row {
        target: "/auth",
        status: 401,
        fields: &[("www-authenticate", "Bearer")],
        content: Is("authentication is required"),
        ..ROW
    },
    Row {
        target: "/auth",
        headers: &[("authorization", "Bearer stolen")],
        status: 401,
        fields: &[(
            "www-authenticate",
            "Bearer error=\"invalid_token\", error_description=\"nobody has this token\"",
        )],
        ..ROW
    },
    Row {
        target: "/auth",
        headers: &[BOB],
        content: Is("bob"),
        without: &["www-authenticate"],
        ..ROW
    },
    Row {
        target: "/auth/open",
        content: Is("open"),
        ..ROW
    },
    Row {
        target: "/auth/admin",
        headers: &[BOB],
        status: 403,
        fields: &[(
            "www-authenticate",
            "Bearer error=\"insufficient_scope\", scope=\"admin\"",
        )],
        ..ROW
    },
    Row {
        target: "/auth/admin",
        headers: &[ADA],
        content: Is("ada"),
        ..ROW
    },
    Row {
        target: "/headers",
        fields: &[
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "SAMEORIGIN"),
            ("referrer-policy", "strict-origin-when-cross-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("x-xss-protection", "0"),
        ],
        content: Is("hello"),
        ..ROW
    },
    Row {
        target: "/headers/own",
        fields: &[
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
        ],
        ..ROW
    },
    Row {
        target: "/ids",
        varies: &["x-request-id"],
        content: Is("36"),
        ..ROW
    },
    Row {
        method: "PUT",
        target: "/ids",
        status: 405,
        varies: &["x-request-id"],
        ..ROW
    },
    Row {
        target: "/pages/lost",
        headers: &[("accept", "text/html, */*;q=0.1")],
        status: 404,
        fields: &[("content-type", "text/html; charset=utf-8")],
        content: Is("<h1>/pages/lost</h1>"),
        ..ROW
    },
    Row {
        target: "/pages/taken",
        headers: &[("accept", "application/json")],
        status: 409,
        fields: &[PROBLEM],
        content: Is("{\"title\":\"Conflict\",\"status\":409,\"detail\":\"taken\"}"),
        ..ROW
    },
    Row {
        target: "/pages/credit",
        status: 403,
        fields: &[PROBLEM],
        content: Is(
            "{\"type\":\"https://example.com/credit\",\"title\":\"Forbidden\",\"status\":403,\"detail\":\"30 is less than 50\"}",
        ),
        ..ROW
    },
];
