//! Running the server, and what it says meanwhile.

use crate::cluster::Joined;
use crate::config::{self, Config};
use crate::observe::{Observed, Scraped, Watched};
use crate::routes;
use crate::successor;
use crate::tell::{complain, say};
use crate::tls;
use std::error::Error as _;
use std::io;
use std::sync::{Arc, Once};
use wireline::Server;
use wireline::resource::counters::Counter;
use wireline::server::{Bind, Bound, IntoBind, ProxyProtocol, StartError, TlsConfig};
use wireline::service::trusted::{ForwardedField, TrustedProxies};

/// Serves until a signal ends it; an error is one line.
pub(crate) fn run(config: &Config) -> Result<(), String> {
    let watched = Arc::new(Watched::default());
    let observed = Observed::set_up(config)?;
    let routes = routes::build(config, &watched, &observed)?;
    let mut server = Server::new(routes).max_connections(config.max_connections);
    let tls = secured(config)?;
    for place in &config.addr {
        let place = marked(place, config)?;
        server = match &tls {
            Some(tls) => server.bind_tls(place, tls.clone()),
            None => server.bind(place),
        };
    }
    if let Some(place) = &config.redirect_http {
        let port = tls::redirect_port(&config.addr).unwrap_or_default();
        server = server.redirect_to_https(marked(place, config)?, port);
    }
    if !config.trusted_proxy.is_empty() {
        let field = match config.trusted_field.as_str() {
            "forwarded" => ForwardedField::Forwarded,
            _ => ForwardedField::XForwardedFor,
        };
        let proxies =
            TrustedProxies::new(&config.trusted_proxy).map_err(|error| error.to_string())?;
        server = server.trusted_proxies(proxies.field(field));
    }
    if let Some(count) = config.max_connections_per_address {
        server = server.max_connections_per_address(count);
    }
    if let Some(workers) = config.workers {
        server = server.workers(workers);
    }
    if config.h2c {
        server = server.h2c(true);
    }
    let deadline = server.config.shutdown_timeout;
    let scraped = match &config.metrics_addr {
        Some(place) => Some(observed.serve_metrics(place, watched.clone())?),
        None => None,
    };

    let broker = config.backplane.as_ref();
    let broker = broker.map(|broker| config::show::without_password(&broker.address));
    let (relay, io) = (watched.relay.get(), watched.socketio.get());
    let joined = Joined::begin(relay, io, broker.unwrap_or_default()).transpose()?;
    let drain_told = Arc::new(Once::new());
    let told = drain_told.clone();
    let outcome = server.run_with(|handle| {
        let _ = watched.running.set(handle.clone());
        // Before anybody knows the process: the signal would end it.
        let other = scraped.as_ref().map(Scraped::handle);
        if let Err(error) = successor::watch(handle, other) {
            complain(&format!(
                "wireline: warning: SIGUSR2 cannot be watched: {error}"
            ));
        }
        let places: Vec<String> = handle.bound().iter().map(ToString::to_string).collect();
        say(&format!(
            "wireline {} is listening on {} (Ctrl-C to stop)",
            env!("CARGO_PKG_VERSION"),
            places.join(" and ")
        ));
        if let Some(warning) = warning(config, handle.bound()) {
            complain(&warning);
        }
        if let Some(scraped) = &scraped {
            scraped.tell();
        }
        let handle = handle.clone();
        tokio::spawn(async move {
            handle.stopping().await;
            let open = handle.metrics().connections();
            told.call_once(|| tell_drain(open, deadline.as_secs()));
        });
    });
    if let Some(scraped) = scraped {
        scraped.stop();
    }
    if let Some(joined) = joined {
        joined.end();
    }
    observed.end();
    outcome.map_err(|error| not_begun(&error))?;
    // A drain that had nothing to wait for is over before the task above has run.
    drain_told.call_once(|| tell_drain(0, deadline.as_secs()));
    say(&match watched
        .running
        .get()
        .map_or(0, |handle| handle.metrics().get(Counter::DrainForced))
    {
        0 => "wireline has stopped".to_owned(),
        1 => "wireline has stopped; 1 connection was cut off".to_owned(),
        cut => format!("wireline has stopped; {cut} connections were cut off"),
    });
    Ok(())
}

/// Why it could not begin to listen.
pub(crate) fn not_begun(error: &StartError) -> String {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    let told = error.to_string();
    match cause.map(io::Error::kind) {
        // A file has no port, and its own words.
        Some(io::ErrorKind::AddrInUse) if told.ends_with("the address is in use") => {
            format!("{told} (another program has it; with port 0 it would be a free one)")
        }
        Some(io::ErrorKind::AddrNotAvailable) => {
            format!("{told} (0.0.0.0 stands for all that it has)")
        }
        _ => told,
    }
}

/// Looks at everything that can be looked at without serving; an error is one line.
pub(crate) fn check(config: &Config) -> Result<(), String> {
    secured(config)?;
    let routes = routes::build(config, &Arc::default(), &Observed::default());
    routes.map(drop)
}

fn secured(config: &Config) -> Result<Option<TlsConfig>, String> {
    let tls = config.tls.as_ref().map(tls::config);
    tls.transpose().map_err(|error| error.to_string())
}

/// The place, behind proxies where that was asked for.
fn marked(place: &str, config: &Config) -> Result<Bind, String> {
    if config.proxy_protocol.is_empty() {
        return Ok(place.into_bind());
    }
    let proxy =
        ProxyProtocol::from_sources(&config.proxy_protocol).map_err(|error| error.to_string())?;
    Ok(place.behind_proxy(proxy))
}

/// What is to be said when others than this machine can use every topic.
fn warning(config: &Config, bound: &[Bound]) -> Option<String> {
    if !config.relay.on || config.relay.rejects_unmatched {
        return None;
    }
    let reachable = bound.iter().find(|bound| match bound {
        Bound::Tcp(addr) | Bound::Tls(addr) => !addr.ip().is_loopback(),
        _ => false,
    })?;
    Some(format!(
        "wireline: warning: whoever may connect to {reachable} may subscribe and publish to every topic of the relay; with `relay.unmatched = \"reject\"` only to those of \
         `relay.topics`"
    ))
}

fn tell_drain(open: usize, seconds: u64) {
    let connections = if open == 1 {
        "connection"
    } else {
        "connections"
    };
    say(&format!(
        "wireline is draining: {open} {connections} open, {seconds} s at most (Ctrl-C again to stop at once)"
    ));
}
