//! `wireline pub`: publishes, by the HTTP API or as a message over a socket.

use crate::client::{self, Failure, WRONG, block_on};
use crate::http;
use crate::tell::print;
use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;
use std::io::Read;
use std::path::PathBuf;
use wireline::relay::client::Event;

/// What to publish.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where: http://HOST:PORT or https://... for the HTTP API, whose path is /api when there is none; or ws://HOST:PORT or
    /// wss://... for a message over a socket, as a client sends it.
    url: String,
    /// The topic.
    topic: String,
    /// The event.
    event: String,
    /// What it carries, as JSON; - reads it from stdin [default: null]
    payload: Option<String>,
    /// The key of the HTTP API.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Sign in with this token, as Authorization: Bearer.
    #[arg(long, value_name = "TOKEN", conflicts_with = "key")]
    bearer: Option<String>,
    /// Trust the authorities in this PEM file in place of the system's.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    ca: Option<PathBuf>,
}

#[derive(Serialize)]
struct Publish<'a> {
    topic: &'a str,
    event: &'a str,
    payload: &'a RawValue,
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let payload = payload(options.payload.as_deref())?;
    if options.url.starts_with("http://") || options.url.starts_with("https://") {
        return over_http(options, &payload);
    }
    if options.key.is_some() {
        let line = "--key is for the HTTP API: an http:// or https:// URL";
        return Err(Failure::new(WRONG, line));
    }
    block_on(over_socket(options, &payload))
}

fn payload(given: Option<&str>) -> Result<Box<RawValue>, Failure> {
    let text = match given {
        None => "null".to_owned(),
        Some("-") => {
            let mut text = String::new();
            std::io::stdin()
                .take(LONGEST)
                .read_to_string(&mut text)
                .map_err(|error| Failure::new(WRONG, format!("stdin: {error}")))?;
            text.trim().to_owned()
        }
        Some(text) => text.to_owned(),
    };
    serde_json::from_str(&text).map_err(|error| {
        let line = format!("the payload is no JSON: {error}; a text stands in quotes: '\"text\"'");
        Failure::new(WRONG, line)
    })
}

fn over_http(options: &Options, payload: &RawValue) -> Result<(), Failure> {
    let publish = Publish {
        topic: &options.topic,
        event: &options.event,
        payload,
    };
    let content =
        serde_json::to_vec(&publish).map_err(|error| Failure::new(WRONG, error.to_string()))?;
    let key = options.key.as_deref().or(options.bearer.as_deref());
    let answer = http::post(
        &options.url,
        "/publish",
        key,
        options.ca.as_deref(),
        &content,
    )?;
    print(&client::one_line(answer.trim()));
    Ok(())
}

/// A client may send to topics that it subscribes to: it does so for as long as it takes.
async fn over_socket(options: &Options, payload: &RawValue) -> Result<(), Failure> {
    let builder = client::builder(
        &options.url,
        options.bearer.as_deref(),
        options.ca.as_deref(),
    )?;
    let client = builder.connect().await;
    let client = client.map_err(|error| Failure::dial(&options.url, &error))?;
    let mut subscription = client.subscribe(&options.topic)?;
    match subscription.next().await {
        Some(Event::Error(refusal)) => {
            return Err(Failure::new(
                client::REFUSED,
                format!("{}: {refusal}", options.topic),
            ));
        }
        None => return Err(Failure::ended(&options.url, &client.closed().await)),
        Some(_) => {}
    }
    client.send(&options.topic, &options.event, payload).await?;
    client.close().await;
    Ok(())
}

/// The longest payload that is read.
const LONGEST: u64 = 16 * 1024 * 1024;
