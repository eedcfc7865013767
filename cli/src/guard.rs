//! Who may look into the server and command it: those with a key, or, where there are no keys, programs and pages of this machine.

use crate::config::{Config, digest};
use wireline::layer::auth::{ApiKeys, Auth, Refusal, Scheme, Verdict};
use wireline::resource::addr::PeerAddr;
use wireline::service::request::Parts;
use wireline::service::user::CurrentUser;
use wireline::wire::origin::is_own;

/// The layer that asks for it.
pub(crate) fn auth(config: &Config) -> Result<Auth, String> {
    if !config.api.keys.is_empty() {
        return Ok(Auth::new(keys(&config.api.keys)?.bearer(true)));
    }
    let mut hosts: Vec<String> = LOOPBACK.map(str::to_owned).to_vec();
    hosts.extend(
        config
            .api
            .hosts
            .iter()
            .map(|host| host.to_ascii_lowercase()),
    );
    Ok(Auth::new(SameMachine { hosts }))
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

/// Lets in programs and pages of this machine.
struct SameMachine {
    /// The names that it goes by.
    hosts: Vec<String>,
}

impl Scheme for SameMachine {
    fn look(&self, parts: &Parts) -> Verdict {
        let refused = |why: &'static str| Verdict::Refused(Refusal::forbidden(why));
        // A page elsewhere can give its own name the address of this machine (DNS rebinding); the name is what tells.
        let host = parts.host().unwrap_or_default();
        let name =
            host.rsplit_once(':').map_or(
                host,
                |(name, port)| {
                    if port.ends_with(']') { host } else { name }
                },
            );
        if !self.hosts.contains(&name.to_ascii_lowercase()) {
            return refused("this host is not one of api.hosts");
        }
        let client = parts.client();
        let peer = parts.connection().peer;
        let is_local = match peer {
            PeerAddr::Inet(_) => {
                client.is_client() && client.ip().is_some_and(|ip| ip.is_loopback())
            }
            _ => true,
        };
        // What came by a proxy that nobody trusts may come from anywhere.
        let came_by = ["x-forwarded-for", "forwarded", "x-real-ip", "via"];
        let came_by = came_by.iter().any(|name| parts.header(name).is_some());
        let peer = peer.ip().map(|ip| ip.to_canonical());
        if !is_local || (came_by && peer == client.ip()) {
            return refused("without a key (api.keys) this is for programs on the same machine");
        }
        let is_of_own_page = match (parts.header("sec-fetch-site"), parts.header("origin")) {
            (Some(site), _) => matches!(site.as_bytes(), b"same-origin" | b"none"),
            (None, Some(origin)) => is_own(origin.as_bytes(), Some(host.as_bytes())),
            (None, None) => true,
        };
        if !is_of_own_page {
            return refused("pages of other origins may not call this");
        }
        Verdict::User(CurrentUser::new("local"))
    }

    fn challenge(&self, _: Option<&Refusal>) -> Option<String> {
        None
    }
}

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
