//! The way to the collector: one plain HTTP/1.1 request for each batch, on the exporter's own thread.

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A client without TLS, for a collector beside the service.
#[derive(Debug)]
pub struct Plain;

#[async_trait]
impl HttpClient for Plain {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let authority = request
            .uri()
            .authority()
            .ok_or("the endpoint has no host")?;
        let address = format!(
            "{}:{}",
            authority.host(),
            authority.port_u16().unwrap_or(4318)
        );
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let content_type = request.headers().get("content-type");
        let content_type =
            content_type.map_or(Ok("application/x-protobuf"), |value| value.to_str())?;
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            request.uri().path(),
            request.body().len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(request.body())?;
        let mut answer = Vec::new();
        stream.take(LONGEST).read_to_end(&mut answer)?;
        let status = answer.get(9..12).ok_or("the collector gave no answer")?;
        let response = Response::builder().status(status);
        // Whoever exports wants the status alone.
        Ok(response.body(Bytes::new())?)
    }
}

const PATIENCE: Duration = Duration::from_secs(5);
/// Of an answer.
const LONGEST: u64 = 64 * 1024;
