//! The server that the JavaScript client is tested against: `relay_js HOST:PORT SCRIPT` prints `listening on ADDR` and serves the relay at
//! `/ws`, `/sse` and `/api`, an empty page at `/`, and SCRIPT, a file, at `/client.js`. With `CONSOLE POLICY` behind that it serves CONSOLE,
//! the page of the program's console, at `/console` with that Content-Security-Policy.
//!
//! Who connects with `?token=ann` is signed in as `ann`, and with `?token=ann:2` for two seconds; the same words are tokens for `vip:*`. In `room:*` everybody is
//! present, and a message goes to all of its topic, or with the event `others` to all but its sender. The method `control` does what a program would.

use http::StatusCode;
use http::header::CONTENT_SECURITY_POLICY;
use serde::Deserialize;
use serde_json::{Value, json};
use std::error::Error as StdError;
use std::future::ready;
use std::time::Duration;
use wireline::extract::Json;
use wireline::relay::hub::Retention;
use wireline::relay::{Relay, RelayApi, RelayCall, RelayConfig, RelayEvent};
use wireline::server::Server;
use wireline::service::user::CurrentUser;
use wireline::service::{middleware::Next, request::Request};
use wireline::wire::number::decimal;
use wireline::ws::close::CloseCode;
use wireline::{Error, Response, Router};

fn main() -> Result<(), Box<dyn StdError>> {
    let mut words = std::env::args().skip(1);
    let (Some(place), Some(script)) = (words.next(), words.next()) else {
        return Err("usage: relay_js HOST:PORT SCRIPT".into());
    };
    let script = std::fs::read_to_string(script)?;
    let console = match (words.next(), words.next()) {
        (Some(page), Some(policy)) => Some((std::fs::read_to_string(page)?, policy)),
        _ => None,
    };
    let config = RelayConfig::default()
        .channel("room:*", room)
        .channel("refused:*", async |_: RelayEvent, _: Relay| {
            Err::<(), _>(Error::new(StatusCode::FORBIDDEN, "not you"))
        })
        .call("sum", sum)
        .call("slow", async |_: RelayCall, _: Relay| {
            tokio::time::sleep(Duration::from_secs(60)).await;
        })
        .call("control", control)
        .presence("room:*")
        .sse("/sse")
        .tokens_by("vip:*", async |token| sign_in(&token))
        .retention(|topic| match topic.as_str().starts_with("fleeting:") {
            true => Retention::NOTHING,
            false => Retention {
                messages: 100,
                octets: 1 << 20,
                age: 60_000,
            },
        });
    let relay = Relay::new(config);
    let mut router = Router::new().nest("/api", RelayApi::new(&relay).router());
    if let Some((page, policy)) = console {
        router = router.merge(console_routes(page, policy));
    }
    let routes = router
        .get("/", async || {
            Response::html("<!doctype html><title>A page</title><link rel=icon href=data:,>")
        })
        .get("/client.js", move || {
            ready(Response::text(script.clone()).with_content_type("text/javascript"))
        })
        .relay(&relay)
        .middleware(who)
        .build()?;
    Server::new(routes).bind(&*place).run_with(|handle| {
        for bound in handle.bound() {
            let place = bound.to_string();
            println!("listening on {}", place.trim_start_matches("http://"));
        }
    })?;
    Ok(())
}

fn console_routes(page: String, policy: String) -> Router {
    let page = page
        .replace("{version}", env!("CARGO_PKG_VERSION"))
        .replace("{ws}", "/ws");
    Router::new().get("/console", move || {
        let response = Response::html(page.clone());
        ready(response.with_header(CONTENT_SECURITY_POLICY, policy.as_str()))
    })
}

/// `ann`, or `ann:2` for two seconds.
fn sign_in(token: &str) -> Result<CurrentUser, String> {
    let (name, seconds) = token.split_once(':').unwrap_or((token, "3600"));
    match decimal(seconds.as_bytes()) {
        Some(seconds) if name != "wrong" => {
            Ok(CurrentUser::new(name).valid_for(Duration::from_secs(seconds)))
        }
        _ => Err("nobody has this token".to_owned()),
    }
}

async fn who(mut request: Request, next: Next) -> Response {
    let token = request.query().and_then(|query| {
        let mut fields = query.split('&');
        fields.find_map(|field| field.strip_prefix("token="))
    });
    if let Some(Ok(user)) = token.map(|token| sign_in(&token.replace("%3A", ":"))) {
        user.put_into(&mut request);
    }
    next.run(request).await
}

async fn room(event: RelayEvent, relay: Relay) -> Result<Option<Json<Value>>, Error> {
    match event {
        RelayEvent::Join { topic, payload, .. } => {
            let said: Value = payload.json().map_err(Error::internal)?;
            Ok(Some(Json(json!({"topic": topic.as_str(), "said": said}))))
        }
        RelayEvent::Message {
            topic,
            event,
            payload,
            conn_id,
        } => {
            let payload: Value = payload.json().map_err(Error::internal)?;
            let pushed = match event.as_str() {
                "others" => relay.push_from(conn_id, &topic, &event, &payload).await,
                _ => relay.push(&topic, &event, &payload).await,
            };
            pushed.map_err(Error::internal)?;
            Ok(None)
        }
        _ => Ok(None),
    }
}

async fn sum(call: RelayCall, _: Relay) -> Result<Json<i64>, Error> {
    let numbers: Vec<i64> = call.payload.json().map_err(Error::internal)?;
    Ok(Json(numbers.iter().sum()))
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
enum Control {
    Push { topic: String, payloads: Vec<Value> },
    PushToUser { user: String, topic: String },
    Subscribe { topic: String },
    Unsubscribe { topic: String },
    Disconnect { conn_id: u64, code: u16 },
}

async fn control(call: RelayCall, relay: Relay) -> Result<Json<usize>, Error> {
    let done = match call.payload.json().map_err(Error::internal)? {
        Control::Push { topic, payloads } => {
            for payload in &payloads {
                let pushed = relay.push(topic.as_str(), "pushed", payload).await;
                pushed.map_err(Error::internal)?;
            }
            payloads.len()
        }
        Control::PushToUser { user, topic } => relay
            .push_to_user(&user, topic.as_str(), "note", &1)
            .await
            .map_err(Error::internal)?,
        Control::Subscribe { topic } => relay
            .subscribe(call.conn_id, topic.as_str())
            .map_err(Error::internal)?,
        Control::Unsubscribe { topic } => relay
            .unsubscribe(call.conn_id, topic.as_str())
            .map_err(Error::internal)?,
        Control::Disconnect { conn_id, code } => {
            let code = CloseCode::new(code)
                .ok_or_else(|| Error::new(StatusCode::BAD_REQUEST, "no such code"))?;
            relay.disconnect(conn_id, code, "as you wish")
        }
    };
    Ok(Json(done))
}
