//! Cookies, plain, signed and private, and sessions in them.

use crate::Content::Is;
use crate::{ROW, Row};
use std::time::Duration;
use wireline::layer::session::{Session, Sessions};
use wireline::service::cookie::{
    Cookie, CookieBuilder, CookieError, Cookies, Key, PrivateCookies, SignedCookies,
};
use wireline::{Response, Router};

pub(crate) fn routes() -> Router {
    Router::new()
        .nest("/cookies", cookies())
        .nest("/session", session())
}

fn cookies() -> Router {
    Router::new()
        .state(key())
        .get("/", async |cookies: Cookies| {
            cookies.get_all("a").collect::<Vec<_>>().join("+")
        })
        .post("/", async || {
            let theme = CookieBuilder::new("theme", "dark").max_age(HOUR);
            set(theme.same_site("Strict").http_only().secure().build())
        })
        .get("/signed", async |jar: SignedCookies| known(jar.get("user")))
        .post("/signed", async |jar: SignedCookies| {
            set(jar.seal(CookieBuilder::new("user", "ada")))
        })
        .get("/private", async |jar: PrivateCookies| {
            known(jar.get("user"))
        })
        .post("/private", async |jar: PrivateCookies| {
            set(jar.seal(CookieBuilder::new("user", "ada")))
        })
}

fn set(cookie: Result<Cookie, CookieError>) -> Result<Response, CookieError> {
    cookie.map(|cookie| Response::ok().set_cookie(cookie))
}

fn session() -> Router {
    Router::new()
        .middleware(Sessions::in_cookie(key()))
        .get("/", async |session: Session| session.get("user").map(known))
        .post("/", async |session: Session| session.insert("user", "ada"))
}

fn known(user: Option<String>) -> String {
    user.unwrap_or_else(|| "nobody".to_owned())
}

fn key() -> Key {
    Key::new("a secret of the tests, long enough").unwrap()
}

const HOUR: Duration = Duration::from_secs(3600);

pub(crate) const ROWS: &[Row] = &[
    Row {
        target: "/cookies",
        headers: &[("cookie", "a=1; b=2; a=3")],
        content: Is("1+3"),
        ..ROW
    },
    Row {
        method: "POST",
        target: "/cookies",
        fields: &[(
            "set-cookie",
            "theme=dark; HttpOnly; SameSite=Strict; Secure; Max-Age=3600",
        )],
        ..ROW
    },
    Row {
        method: "POST",
        target: "/cookies/signed",
        varies: &["set-cookie"],
        ..ROW
    },
    Row {
        target: "/cookies/signed",
        with_cookie: true,
        content: Is("ada"),
        ..ROW
    },
    Row {
        target: "/cookies/signed",
        headers: &[(
            "cookie",
            "user=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=eve",
        )],
        content: Is("nobody"),
        ..ROW
    },
    Row {
        method: "POST",
        target: "/cookies/private",
        varies: &["set-cookie"],
        ..ROW
    },
    Row {
        target: "/cookies/private",
        with_cookie: true,
        content: Is("ada"),
        ..ROW
    },
    Row {
        method: "POST",
        target: "/session",
        status: 202,
        varies: &["set-cookie"],
        ..ROW
    },
    Row {
        target: "/session",
        with_cookie: true,
        content: Is("ada"),
        ..ROW
    },
    Row {
        target: "/session",
        content: Is("nobody"),
        ..ROW
    },
];
