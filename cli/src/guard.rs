//! Who may look into the server and command it: those with a key, or, where there are no keys, programs and pages of this machine.

use crate::config::{Config, digest};
use wireline::layer::auth::{ApiKeys, Auth};
use wireline::resource::addr::PeerAddr;
use wireline::service::middleware::Next;
use wireline::service::request::Request;
use wireline::service::response::IntoResponse;
use wireline::service::user::CurrentUser;
use wireline::wire::origin::is_own;
use wireline::{Error, Router};

/// The router with the guard around it.
pub(crate) fn around(router: Router, config: &Config) -> Result<Router, String> {
    if config.api.keys.is_empty() {
        let mut hosts: Vec<String> = LOOPBACK.map(str::to_owned).to_vec();
        hosts.extend(
            config
                .api
                .hosts
                .iter()
                .map(|host| host.to_ascii_lowercase()),
        );
        return Ok(router.middleware(move |request: Request, next: Next| {
            let judged = judge(&request, &hosts);
            async move {
                match judged {
                    Ok(()) => next.run(request).await,
                    Err(error) => error.into_response(),
                }
            }
        }));
    }
    Ok(router.layer(Auth::new(keys(&config.api.keys)?.bearer(true))))
}

/// Keys as the configuration has them.
pub(crate) fn keys(written: &[String]) -> Result<ApiKeys, String> {
    let mut keys = ApiKeys::new();
    for written in written {
        let (name, key) = written.split_once('=').unwrap_or((written, ""));
        let sha256 = key.strip_prefix("sha256:").and_then(digest);
        keys = match sha256 {
            Some(sha256) => keys.digest(CurrentUser::new(name), sha256),
            None => keys
                .key(name, key)
                .map_err(|error| format!("the key of {name}: {error}"))?,
        };
    }
    Ok(keys)
}

/// A request without a key, where nobody has one.
fn judge(request: &Request, hosts: &[String]) -> Result<(), Error> {
    // A page elsewhere can give its own name the address of this machine (DNS rebinding); the name is what tells.
    let host = request.host().unwrap_or_default();
    let name = host.rsplit_once(':').map_or(
        host,
        |(name, port)| {
            if port.ends_with(']') { host } else { name }
        },
    );
    if !hosts.contains(&name.to_ascii_lowercase()) {
        return Err(Error::new(
            http::StatusCode::MISDIRECTED_REQUEST,
            "this host is not served here: see api.hosts",
        ));
    }
    let forbidden = |message| Err(Error::new(http::StatusCode::FORBIDDEN, message));
    let client = request.client();
    let is_local = match request.connection().peer {
        PeerAddr::Inet(_) => client.is_client() && client.ip().is_some_and(|ip| ip.is_loopback()),
        _ => true,
    };
    // What came by a proxy that nobody trusts may come from anywhere.
    let came_by = ["x-forwarded-for", "forwarded", "x-real-ip", "via"]
        .iter()
        .any(|name| request.header(name).is_some());
    let peer = request.connection().peer.ip().map(|ip| ip.to_canonical());
    if !is_local || (came_by && peer == client.ip()) {
        return forbidden("without a key (api.keys) this is for programs on the same machine");
    }
    let site = request.header("sec-fetch-site");
    let is_of_own_page = match (site, request.header("origin")) {
        (Some(site), _) => matches!(site.as_bytes(), b"same-origin" | b"none"),
        (None, Some(origin)) => is_own(origin.as_bytes(), Some(host.as_bytes())),
        (None, None) => true,
    };
    if is_of_own_page {
        Ok(())
    } else {
        forbidden("pages of other origins may not call this")
    }
}

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
