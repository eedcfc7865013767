//! may_minihttp: coroutines, a parser and little else. It answers every unknown path as `/`.
//!
//!     may-peer PORT [WORKERS]      /, /json, /echo

use std::io::{Read, Result};

use may_minihttp::{HttpService, HttpServiceFactory, Request, Response};
use peer_common::Arguments;

fn main() {
    let arguments = Arguments::from_env();
    may::config()
        .set_workers(arguments.workers)
        .set_pool_capacity(12_000)
        .set_stack_size(0x1000);
    Factory
        .start(arguments.address())
        .expect("the address is free")
        .join()
        .expect("the server does not panic");
}

struct Factory;

impl HttpServiceFactory for Factory {
    type Service = Service;

    fn new_service(&self, _: usize) -> Service {
        Service
    }
}

struct Service;

impl HttpService for Service {
    fn call(&mut self, request: Request<'_, '_, '_>, response: &mut Response<'_>) -> Result<()> {
        match request.path() {
            "/json" => {
                response.header("Content-Type: application/json");
                response.body(r#"{"message":"Hello, World!"}"#);
            }
            "/echo" => {
                response.header("Content-Type: application/octet-stream");
                let mut body = Vec::with_capacity(1024);
                request.body().read_to_end(&mut body)?;
                response.body_vec(body);
            }
            _ => {
                response.header("Content-Type: text/plain");
                response.body("Hello, World!");
            }
        }
        Ok(())
    }
}
