//! What stands in the parentheses.
#![allow(unused)]
use wireline::{get, public, route, websocket};

#[get]
async fn no_parentheses() {}

#[get()]
async fn no_path() {}

#[get(17)]
async fn a_number() {}

#[get("users")]
async fn no_slash() {}

#[get("/users/{id")]
async fn no_closing_brace() {}

#[get("/users/{id}/posts/{id}")]
async fn a_name_twice() {}

#[get("/files/{*path}/more")]
async fn more_than_the_rest() {}

#[get("/users", name = "users")]
async fn unknown_argument() {}

#[websocket("/ws", protocol = "chat")]
async fn unknown_argument_of_a_websocket() {}

#[route(path = "/cache")]
async fn no_method() {}

#[route(method = "get", path = "/cache")]
async fn a_method_in_lower_case() {}

#[route(method = "TWO WORDS", path = "/cache")]
async fn not_a_method() {}

#[route(method = "GET", path = "/cache", path = "/cache")]
async fn a_path_twice() {}

#[public]
async fn open_but_no_route() {}

#[public(very)]
#[get("/open")]
async fn more_than_open() {}

fn main() {}
