//! An API behind JSON Web Tokens: one route issues them, one is public, the others want one, a WebSocket among them.
//!
//! `JWT_SECRET=$(openssl rand -base64 48) cargo run --example jwt_api --features jwt`, then
//!
//! ```text
//! curl -i http://127.0.0.1:8000/health
//! curl -i http://127.0.0.1:8000/me
//! TOKEN=$(curl -s --json '{"name":"ada","password":"swordfish"}' http://127.0.0.1:8000/login)
//! curl -i -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8000/me
//! curl -i -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8000/admin/users
//! websocat "ws://127.0.0.1:8000/ws?token=$TOKEN"
//! ```
//!
//! The WebSocket is closed with 4401 when the token expires, after an hour.

use http::StatusCode;
use serde::Deserialize;
use wireline::extract::{Json, State};
use wireline::layer::auth::{Auth, AuthConfig, AuthError, RequireScope, Tokens};
use wireline::router::{BuildError, Routes};
use wireline::service::handler::public;
use wireline::service::user::CurrentUser;
use wireline::ws::socket::WebSocket;
use wireline::{Error, Router, Server};

#[derive(Deserialize)]
struct Login {
    name: String,
    password: String,
}

/// Name, password and scopes. A program that is more than an example keeps slow hashes (argon2, scrypt) in a database.
const USERS: [(&str, &str, &[&str]); 2] = [
    ("ada", "swordfish", &["read"]),
    ("grace", "compiler", &["read", "admin"]),
];

async fn login(State(tokens): State<Tokens>, Json(login): Json<Login>) -> Result<String, Error> {
    let known = USERS
        .iter()
        .find(|(name, password, _)| *name == login.name && *password == login.password);
    let Some((name, _, scopes)) = known else {
        return Err(Error::new(
            StatusCode::UNAUTHORIZED,
            "name or password is wrong",
        ));
    };
    let user = CurrentUser::new(*name).with_scopes(scopes.iter().copied());
    Ok(tokens.issue_for(&user)?)
}

async fn me(user: CurrentUser) -> String {
    format!("you are {}", user.id())
}

async fn users() -> String {
    USERS.map(|(name, ..)| name).join("\n")
}

/// The user is the one who has opened the socket.
async fn echo(mut socket: WebSocket, user: CurrentUser) {
    while let Some(message) = socket.recv_msg().await {
        if let Some(text) = message.as_text() {
            let _ = socket.send(format!("{}: {text}", user.id())).await;
        }
    }
}

/// Apart from `main`, so that a test can have it.
pub(crate) fn tokens(secret: &str) -> Result<Tokens, AuthError> {
    AuthConfig::new(secret, 3600)
        .issuer("https://id.example")
        .audience("https://api.example")
        .build()
}

/// Apart from `main`, so that a test can have them.
pub(crate) fn routes(tokens: Tokens) -> Result<Routes, BuildError> {
    let admin = Router::new()
        .layer(RequireScope::new("admin"))
        .get("/users", users);
    Router::new()
        .layer(Auth::jwt(tokens.clone()))
        .state(tokens)
        .post("/login", public(login))
        .get("/health", public(async || "fine"))
        .get("/me", me)
        .nest("/admin", admin)
        .websocket("/ws", echo)
        .build()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let secret = std::env::var("JWT_SECRET").map_err(|_| "JWT_SECRET is not set")?;
    let routes = routes(tokens(&secret)?)?;
    Server::new(routes).bind("127.0.0.1:8000").run()?;
    Ok(())
}
