//! Metrics of requests (FEATURES F27, F28): names, labels that clients cannot multiply, and the end of content.

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wireline::layer::metrics::{Metrics, record_engine};
use wireline::service::handler::Service;
use wireline::test::TestClient;
use wireline::ws::socket::WebSocket;
use wireline::{Body, Request, Response, Router};

/// Every value that was recorded, by name and labels.
#[derive(Clone, Default)]
struct Recorded(Arc<Mutex<BTreeMap<String, Vec<f64>>>>);

struct Cell(String, Recorded);

impl Recorded {
    fn cell(&self, key: &Key) -> Arc<Cell> {
        let mut labels: Vec<_> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        labels.sort();
        let name = format!("{} {}", key.name(), labels.join(" "));
        self.0.lock().unwrap().entry(name.clone()).or_default();
        Arc::new(Cell(name, self.clone()))
    }

    fn get(&self, name: &str) -> Vec<f64> {
        self.0
            .lock()
            .unwrap()
            .get(name)
            .cloned()
            .unwrap_or_default()
    }

    fn of(&self, name: &str, labels: (&str, &str, &str)) -> Vec<f64> {
        let (method, route, status) = labels;
        let error = match status {
            "none" => "error.type=cancelled ".to_owned(),
            status if status.starts_with('5') => format!("error.type={status} "),
            _ => String::new(),
        };
        self.get(&format!(
            "{name} {error}http.request.method={method} http.response.status_code={status} http.route={route} url.scheme=http"
        ))
    }
}

impl Cell {
    fn change(&self, change: impl FnOnce(&mut Vec<f64>)) {
        change(self.1.0.lock().unwrap().get_mut(&self.0).unwrap());
    }
}

impl CounterFn for Cell {
    fn increment(&self, value: u64) {
        self.change(|values| values.push(value as f64));
    }
    fn absolute(&self, value: u64) {
        self.change(|values| *values = vec![value as f64]);
    }
}

impl GaugeFn for Cell {
    fn increment(&self, value: f64) {
        self.change(|values| values.push(values.last().unwrap_or(&0.0) + value));
    }
    fn decrement(&self, value: f64) {
        self.change(|values| values.push(values.last().unwrap_or(&0.0) - value));
    }
    fn set(&self, value: f64) {
        self.change(|values| values.push(value));
    }
}

impl HistogramFn for Cell {
    fn record(&self, value: f64) {
        self.change(|values| values.push(value));
    }
}

impl Recorder for Recorded {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.0
            .lock()
            .unwrap()
            .insert(format!("described {}", name.as_str()), Vec::new());
    }
    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        let name = format!("described {} {}", name.as_str(), unit.unwrap().as_str());
        self.0.lock().unwrap().insert(name, Vec::new());
    }
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key))
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.cell(key))
    }
}

/// Runs code with a recorder of its own, on a runtime whose clock is paused.
fn recorded(code: impl AsyncFnOnce(&Recorded)) -> Recorded {
    let recorded = Recorded::default();
    metrics::with_local_recorder(&recorded, || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(code(&recorded));
    });
    recorded
}

fn router() -> Router {
    Router::new()
        .get("/users/{id}", async || "Ada")
        .post("/users/{id}", async |body: Body| {
            body.collect()
                .await
                .map(|content| Response::new(Body::full(content)))
        })
        .get("/slow", async || {
            let (mut sender, body) = Body::channel();
            tokio::spawn(async move {
                for _ in 0..3 {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    let _ = sender.send("0123456789".into()).await;
                }
            });
            body
        })
        .get("/large", async || vec![7u8; 1 << 20])
        .get("/hangs", async || std::future::pending::<()>().await)
        .get("/panics", async || -> () { panic!("a fault") })
        .websocket(
            "/socket",
            async |mut socket: WebSocket| {
                while socket.recv().await.is_some() {}
            },
        )
}

const DURATION: &str = "http.server.request.duration";
const ACTIVE: &str = "http.server.active_requests http.request.method=GET url.scheme=http";
const REQUEST: &str = "http.server.request.body.size";
const RESPONSE: &str = "http.server.response.body.size";

#[test]
fn f27_requests_are_measured_by_method_pattern_and_status() {
    let all = recorded(async |all| {
        let client = TestClient::new(router().layer(Metrics::new()).build().unwrap());
        for id in 0..3 {
            client.get(&format!("/users/{id}?secret={id}")).await;
        }
        client.post("/users/7").body("four").await;
        client.head("/users/7").await;
        assert_eq!(client.get("/nowhere").await.status, 404);
        assert_eq!(client.put("/users/7").await.status, 405);
        assert_eq!(client.get("/large").await.bytes().len(), 1 << 20);
        assert_eq!(all.get(ACTIVE).last(), Some(&0.0));
    });
    let user = ("GET", "/users/{id}", "200");
    assert_eq!(all.of(DURATION, user), [0.0; 3]);
    assert_eq!(all.of(RESPONSE, user), [3.0; 3]);
    assert_eq!(all.of(REQUEST, user), [0.0; 3]);
    let posted = ("POST", "/users/{id}", "200");
    assert_eq!(
        (all.of(REQUEST, posted), all.of(RESPONSE, posted)),
        (vec![4.0], vec![4.0])
    );
    assert_eq!(all.of(RESPONSE, ("HEAD", "/users/{id}", "200")), [0.0]);
    assert_eq!(all.of(DURATION, ("GET", "unmatched", "404")).len(), 1);
    assert_eq!(all.of(DURATION, ("PUT", "/users/{id}", "405")).len(), 1);
    assert_eq!(
        all.of(RESPONSE, ("GET", "/large", "200")),
        [f64::from(1 << 20)]
    );
    let all = all.0.lock().unwrap();
    assert!(all.contains_key("described http.server.request.duration seconds"));
    assert!(all.contains_key("described http.server.response.body.size bytes"));
    assert!(all.contains_key("described http.server.active_requests"));
    assert!(
        !all.keys()
            .any(|key| key.contains("secret") || key.contains("nowhere"))
    );
}

#[test]
fn a_request_is_over_when_its_content_is() {
    let all = recorded(async |all| {
        let client = TestClient::new(router().layer(Metrics::new()).build().unwrap());
        let mut io = client.connect();
        io.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(all.get(ACTIVE), [1.0], "one chunk of three has come");
        let mut answer = String::new();
        io.read_to_string(&mut answer).await.unwrap();
        assert_eq!(all.get(ACTIVE), [1.0, 0.0]);
        // Over HTTP/2 the same.
        let (mut requests, connection) =
            h2::client::handshake(client.connect_http2()).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::get("http://a/slow").body(()).unwrap();
        let (response, _) = requests.send_request(request, true).unwrap();
        let mut body = response.await.unwrap().into_body();
        assert_eq!(all.get(ACTIVE).last(), Some(&1.0));
        while let Some(chunk) = body.data().await {
            let chunk: bytes::Bytes = chunk.unwrap();
            body.flow_control().release_capacity(chunk.len()).unwrap();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(all.get(ACTIVE).last(), Some(&0.0));
        drop::<h2::client::SendRequest<bytes::Bytes>>(requests);
    });
    let slow = ("GET", "/slow", "200");
    assert_eq!(all.of(RESPONSE, slow), [30.0, 30.0]);
    let took = all.of(DURATION, slow);
    assert!(
        took.iter().all(|seconds| (3.0..3.1).contains(seconds)),
        "{took:?}"
    );
}

#[test]
fn what_is_never_answered_is_counted_and_does_not_stay_active() {
    let all = recorded(async |all| {
        let client = TestClient::new(router().layer(Metrics::new()).build().unwrap());
        assert_eq!(client.get("/panics").await.status, 500);
        let mut gone = client.connect();
        gone.write_all(b"GET /hangs HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(all.get(ACTIVE).last(), Some(&1.0));
        drop(gone);
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(all.get(ACTIVE).last(), Some(&0.0));
        // A socket is no active request.
        let mut io = client.connect();
        io.write_all(
            b"GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .await
        .unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(all.get(ACTIVE).last(), Some(&0.0));
    });
    for (route, status) in [("/panics", "500"), ("/hangs", "none"), ("/socket", "101")] {
        assert_eq!(all.of(DURATION, ("GET", route, status)).len(), 1, "{route}");
    }
}

/// Whatever clients send, there are only so many series.
#[test]
fn f27_labels_are_bounded() {
    let all = recorded(async |_| {
        let routes = router().layer(Metrics::new()).build().unwrap();
        let mut random = 7u64;
        let mut next = |bound: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % bound
        };
        for _ in 0..10_000 {
            let path = match next(3) {
                0 => format!("/users/{}", next(1 << 30)),
                1 => format!("/{}/{}", next(1 << 30), next(1 << 30)),
                _ => format!("/{}", next(1 << 30)),
            };
            let mut request = Request::get(&path);
            let method = match next(4) {
                0 => format!("M{}", next(1 << 30)),
                1 => "POST".to_owned(),
                2 => "get".to_owned(),
                _ => "GET".to_owned(),
            };
            request.set_method(http::Method::from_bytes(method.as_bytes()).unwrap());
            drop(routes.call(request).await);
        }
    });
    let all = all.0.lock().unwrap();
    let of = |name: &str| all.keys().filter(|key| key.starts_with(name)).count();
    // GET, POST and any other, on the one pattern and on none.
    assert_eq!(of(DURATION), 6, "{:?}", all.keys());
    assert_eq!((of(REQUEST), of(RESPONSE)), (6, 6));
    assert_eq!(of("http.server.active_requests"), 3);
    let counted: usize = all
        .iter()
        .filter(|(key, _)| key.starts_with(DURATION))
        .map(|(_, values)| values.len())
        .sum();
    assert_eq!(counted, 10_000);
}

#[test]
fn what_the_engine_counts_is_there_too() {
    let all = recorded(async |_| {
        let client = TestClient::new(router().build().unwrap());
        client.get("/users/7").await;
        client.get("/users/7").await;
        record_engine(|counter| client.count(counter));
        record_engine(|counter| client.count(counter));
    });
    assert_eq!(all.get("wireline.requests "), [2.0]);
    let counters = all
        .0
        .lock()
        .unwrap()
        .keys()
        .filter(|key| key.starts_with("wireline."))
        .count();
    assert_eq!(counters, wireline::resource::counters::Counter::ALL.len());
}
