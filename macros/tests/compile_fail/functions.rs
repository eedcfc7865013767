//! What stands below.
#![allow(unused)]
use wireline::{get, post};

#[get("/plain")]
fn not_async() {}

#[get("/generic")]
async fn generic<T: Send>(request: wireline::Request) {}

#[get("/lifetime")]
async fn lifetime<'a>(request: wireline::Request) {}

#[get("/impl")]
async fn an_impl(text: impl Into<String>) {}

struct Users;

impl Users {
    #[post("/method")]
    async fn method(&self) {}
}

#[get("/struct")]
struct NotAFunction;

fn main() {}
