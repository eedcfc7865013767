//! What the server tells of itself: logs, an access log, metrics.

use crate::config::Config;
use crate::serve::not_begun;
use crate::socketio;
use crate::tell::{Lines, complain, say};
use http::header::CACHE_CONTROL;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use wireline::layer::access_log::{AccessLog, Format, LogHandle};
use wireline::layer::metrics::{Metrics, record_engine};
use wireline::layer::request_id::RequestIds;
use wireline::layer::trace::Traces;
use wireline::relay::Relay;
use wireline::relay::cluster::Standing;
use wireline::relay::service::RegisterService;
use wireline::server::Handle;
use wireline::socketio::server::SocketIo;
use wireline::{Response, Router, Server};

/// What the metrics tell of; each is set once it is there.
#[derive(Default)]
pub(crate) struct Watched {
    pub(crate) running: OnceLock<Handle>,
    pub(crate) relay: OnceLock<Relay>,
    pub(crate) register: OnceLock<RegisterService>,
    pub(crate) socketio: OnceLock<SocketIo>,
}

/// What the configuration asks for, set up.
#[derive(Default)]
pub(crate) struct Observed {
    log: Option<Lines>,
    access_log: Option<AccessLog>,
    prometheus: Option<PrometheusHandle>,
}

impl Observed {
    /// Begins to log, opens the access log, and installs the recorder of metrics.
    pub(crate) fn set_up(config: &Config) -> Result<Self, String> {
        let log = config.log.as_deref().map(begin_log).transpose()?;
        let access_log = match &config.access_log {
            Some(place) => Some(open_access_log(place, &config.access_log_format)?),
            None => None,
        };
        let measures = config.metrics || config.metrics_addr.is_some();
        let prometheus = measures.then(install_recorder).transpose()?;
        Ok(Self {
            log,
            access_log,
            prometheus,
        })
    }

    /// The router with what was asked for around it.
    pub(crate) fn around(&self, mut router: Router) -> Router {
        if self.log.is_some() || self.access_log.is_some() {
            router = router.layer(RequestIds::new());
        }
        if self.log.is_some() {
            router = router.layer(Traces::new());
        }
        if let Some(log) = &self.access_log {
            router = router.layer(log.clone());
        }
        if self.prometheus.is_some() {
            router = router.layer(Metrics::new());
        }
        router
    }

    /// Waits for the last lines of the logs, and says when some of the access log were lost.
    pub(crate) fn end(&self) {
        if let Some(log) = &self.log {
            log.end();
        }
        let Some(log) = self.access_log.as_ref().map(AccessLog::handle) else {
            return;
        };
        end_access_log(&log);
    }

    /// What answers with the metrics, if there are any.
    pub(crate) fn metrics(&self, watched: Arc<Watched>) -> Option<Router> {
        let prometheus = self.prometheus.clone()?;
        let scrape = move || std::future::ready(scrape(&prometheus, &watched));
        Some(Router::new().get("/metrics", scrape))
    }

    /// Serves `/metrics` at a place of its own, on a thread of its own.
    pub(crate) fn serve_metrics(
        &self,
        place: &str,
        watched: Arc<Watched>,
    ) -> Result<Scraped, String> {
        let routes = self.metrics(watched).unwrap_or_default().build();
        let server = Server::new(routes.map_err(|error| error.to_string())?)
            .bind(place)
            .workers(1)
            .signals(false)
            .max_connections(64);
        let (sender, receiver) = mpsc::sync_channel(1);
        let thread = std::thread::spawn(move || {
            let ready = sender.clone();
            let outcome = server.run_with(move |handle| drop(ready.send(Ok(handle.clone()))));
            if let Err(error) = outcome {
                let _ = sender.send(Err(not_begun(&error)));
            }
        });
        let started = receiver.recv().map_err(|error| error.to_string())?;
        Ok(Scraped {
            handle: started?,
            thread,
        })
    }
}

/// The server of the metrics.
pub(crate) struct Scraped {
    handle: Handle,
    thread: JoinHandle<()>,
}

impl Scraped {
    pub(crate) const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Says where it is.
    pub(crate) fn tell(&self) {
        for bound in self.handle.bound() {
            say(&format!("metrics are at {bound}/metrics"));
        }
    }

    pub(crate) fn stop(self) {
        self.handle.force();
        let _ = self.thread.join();
    }
}

/// Spans and events to stderr, as `RUST_LOG` lets them through.
fn begin_log(format: &str) -> Result<Lines, String> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::try_new(&filter)
            .map_err(|error| format!("RUST_LOG `{filter}` is no filter: {error}"))?,
        _ => EnvFilter::new("info"),
    };
    let lines = Lines::begin().map_err(|error| error.to_string())?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer({
            let lines = lines.clone();
            move || lines.clone()
        })
        .with_ansi(false);
    let begun = match format {
        "json" => log.json().try_init(),
        _ => log.try_init(),
    };
    begun.map_err(|error| error.to_string())?;
    Ok(lines)
}

fn open_access_log(place: &str, format: &str) -> Result<AccessLog, String> {
    let sink: Box<dyn Write + Send> = if place == "-" {
        Box::new(io::stdout())
    } else {
        let file = Reopened::open(place);
        Box::new(file.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                format!("the access log {place}: its directory is not there")
            }
            _ => format!("the access log {place}: {error}"),
        })?)
    };
    let log = AccessLog::new(sink).map_err(|error| format!("the access log: {error}"))?;
    Ok(log.format(match format {
        "common" => Format::Common,
        "json" => Format::Json,
        _ => Format::Combined,
    }))
}

/// A file that is opened anew after SIGHUP, before the next line: whoever rotates logs has renamed it.
struct Reopened {
    path: PathBuf,
    file: File,
    hung_up: Arc<AtomicBool>,
}

impl Reopened {
    fn open(path: &str) -> io::Result<Self> {
        let path = PathBuf::from(path);
        Ok(Self {
            file: append_to(&path)?,
            path,
            hung_up: watch_hangup()?,
        })
    }
}

impl Write for Reopened {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.hung_up.swap(false, Ordering::Relaxed) {
            match append_to(&self.path) {
                Ok(file) => self.file = file,
                Err(error) => complain(&format!(
                    "wireline: the access log {} cannot be opened again: {error}",
                    self.path.display()
                )),
            }
        }
        self.file.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).open(path)
}

/// Tells of SIGHUP, on a thread of its own. Without it the signal would end the process.
fn watch_hangup() -> io::Result<Arc<AtomicBool>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut hangup = runtime.block_on(async { signal(SignalKind::hangup()) })?;
    let hung_up = Arc::new(AtomicBool::new(false));
    let told = hung_up.clone();
    std::thread::Builder::new()
        .name("wireline-sighup".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                while hangup.recv().await.is_some() {
                    told.store(true, Ordering::Relaxed);
                }
            });
        })?;
    Ok(hung_up)
}

fn end_access_log(log: &LogHandle) {
    if !log.flush(LAST_LINES) || log.dropped() > 0 {
        complain("wireline: lines of the access log were lost");
    }
}

fn scrape(prometheus: &PrometheusHandle, watched: &Watched) -> Response {
    if let Some(handle) = watched.running.get() {
        let metrics = handle.metrics();
        record_engine(|counter| metrics.get(counter));
        gauge("wireline.connections", metrics.connections() as u64);
    }
    if let Some(relay) = watched.relay.get() {
        let stats = relay.stats();
        for (name, now) in [
            ("wireline.relay.connections", stats.connections),
            ("wireline.relay.topics", stats.topics),
            ("wireline.relay.subscriptions", stats.subscriptions),
            ("wireline.relay.history_octets", stats.history_octets),
        ] {
            gauge(name, now);
        }
        for (name, count) in [
            ("wireline.relay.pushes", stats.pushes),
            ("wireline.relay.deliveries", stats.deliveries),
            ("wireline.relay.messages", stats.messages),
            ("wireline.relay.errors", stats.errors),
            ("wireline.relay.rate_limited", stats.rate_limited),
            (
                "wireline.relay.subscriptions_limited",
                stats.subscriptions_limited,
            ),
            ("wireline.relay.dropped", stats.dropped),
            ("wireline.relay.lagged", stats.lagged),
            ("wireline.relay.closed_slow", stats.closed_slow),
        ] {
            metrics::counter!(name).absolute(count);
        }
    }
    if let Some(standing) = watched.relay.get().and_then(Relay::cluster_standing) {
        scrape_cluster(&standing);
    }
    if let Some(register) = watched.register.get() {
        gauge("wireline.register.clients", register.clients() as u64);
        gauge("wireline.register.connected", register.connected() as u64);
        for (name, count) in [
            ("wireline.register.dropped", register.dropped()),
            ("wireline.register.closed_slow", register.closed_slow()),
        ] {
            metrics::counter!(name).absolute(count);
        }
    }
    if let Some(io) = watched.socketio.get() {
        scrape_socketio(io);
    }
    let text = prometheus.render();
    Response::bytes(text, "text/plain; version=0.0.4; charset=utf-8")
        .with_header(CACHE_CONTROL, "no-store")
}

/// How the node stands among the others.
fn scrape_cluster(standing: &Standing) {
    for (name, now) in [
        ("wireline.cluster.up", u64::from(standing.is_up)),
        ("wireline.cluster.nodes", standing.nodes),
        ("wireline.cluster.topics", standing.topics),
        ("wireline.cluster.waiting", standing.waiting),
        ("wireline.cluster.waiting_octets", standing.waiting_octets),
        (
            "wireline.cluster.waiting_octets_most",
            standing.waiting_octets_most,
        ),
        ("wireline.cluster.lag_ms", standing.lag),
        ("wireline.cluster.double", u64::from(standing.is_double)),
    ] {
        gauge(name, now);
    }
    for (name, count) in [
        ("wireline.cluster.sent", standing.sent),
        ("wireline.cluster.received", standing.received),
        ("wireline.cluster.duplicates", standing.duplicates),
        ("wireline.cluster.lost", standing.lost),
        ("wireline.cluster.dropped", standing.dropped),
        ("wireline.cluster.garbled", standing.garbled),
        ("wireline.cluster.forgotten", standing.forgotten),
        ("wireline.cluster.connects", standing.connects),
        ("wireline.cluster.departed", standing.departed),
    ] {
        metrics::counter!(name).absolute(count);
    }
}

/// What Socket.IO has said to other nodes, and they to it.
fn scrape_adapter(io: &SocketIo) {
    let (Some(adapter), Some(is_up)) = (io.adapter(), socketio::is_up(io)) else {
        return;
    };
    gauge("wireline.socketio.adapter_up", u64::from(is_up));
    let stats = adapter.stats();
    for (name, count) in [
        ("wireline.socketio.adapter_sent", stats.sent),
        ("wireline.socketio.adapter_received", stats.received),
        ("wireline.socketio.adapter_dropped", stats.dropped),
        ("wireline.socketio.adapter_garbled", stats.garbled),
        ("wireline.socketio.adapter_connects", stats.connects),
    ] {
        metrics::counter!(name).absolute(count);
    }
}

/// What Socket.IO has done, and what it holds. Its namespaces are those of the configuration: nobody makes others by connecting.
fn scrape_socketio(io: &SocketIo) {
    let (stats, engine) = (io.stats(), io.engine_stats());
    for namespace in io.namespaces() {
        let name = namespace.name().to_owned();
        metrics::gauge!("wireline.socketio.sockets", "namespace" => name)
            .set(precise(namespace.len() as u64));
    }
    let polling = engine.polling.min(engine.sessions);
    for (transport, now) in [
        ("polling", polling),
        ("websocket", engine.sessions - polling),
    ] {
        metrics::gauge!("wireline.socketio.sessions", "transport" => transport).set(precise(now));
    }
    gauge("wireline.socketio.rooms", io.largest_rooms(0).count as u64);
    gauge("wireline.socketio.acks", stats.acks);
    scrape_adapter(io);
    for (name, count) in [
        ("wireline.socketio.sessions_opened", engine.opened),
        ("wireline.socketio.upgrades", engine.upgraded),
        ("wireline.socketio.upgrades_failed", engine.upgrades_failed),
        ("wireline.socketio.connected", stats.connected),
        ("wireline.socketio.recovered", stats.recovered),
        ("wireline.socketio.events", stats.events),
        ("wireline.socketio.events_unhandled", stats.unhandled),
        ("wireline.socketio.stray_acks", stats.stray_acks),
        ("wireline.socketio.events_dropped", stats.dropped),
        ("wireline.socketio.rooms_unjoined", stats.unjoined),
        ("wireline.socketio.handlers_failed", stats.failed),
        ("wireline.socketio.handlers_panicked", stats.panics),
    ] {
        metrics::counter!(name).absolute(count);
    }
    for (reason, count) in [
        ("namespace", stats.refused),
        ("request", engine.refused),
        ("unknown_sid", engine.unknown_sid),
        ("too_many", engine.too_many),
    ] {
        metrics::counter!("wireline.socketio.refused", "reason" => reason).absolute(count);
    }
    for (reason, count) in [
        ("malformed", stats.malformed),
        ("late", stats.late),
        ("ping_timeout", engine.ping_timeouts),
        ("protocol", engine.protocol_errors),
        ("too_slow", engine.too_slow),
    ] {
        metrics::counter!("wireline.socketio.closed", "reason" => reason).absolute(count);
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "nobody has 2^53 of anything here"
)]
const fn precise(now: u64) -> f64 {
    now as f64
}

fn gauge(name: &'static str, now: u64) {
    metrics::gauge!(name).set(precise(now));
}

fn install_recorder() -> Result<PrometheusHandle, String> {
    let prefix = |name: &str| Matcher::Prefix(name.to_owned());
    let recorder = PrometheusBuilder::new()
        .with_recommended_naming(true)
        .set_buckets_for_metric(prefix("http.server.request.duration"), &SECONDS)
        .and_then(|builder| {
            builder.set_buckets_for_metric(prefix("http.server.request.body"), &OCTETS)
        })
        .and_then(|builder| {
            builder.set_buckets_for_metric(prefix("http.server.response.body"), &OCTETS)
        })
        .map_err(|error| error.to_string())?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| error.to_string())?;
    let swept = handle.clone();
    // What was measured is kept until somebody sums it up; nobody may ever ask.
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(UPKEEP);
            swept.run_upkeep();
        }
    });
    Ok(handle)
}

/// The buckets that OpenTelemetry advises.
const SECONDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
const OCTETS: [f64; 7] = [0.0, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7];
const UPKEEP: Duration = Duration::from_secs(5);
const LAST_LINES: Duration = Duration::from_secs(1);
