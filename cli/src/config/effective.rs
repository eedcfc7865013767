//! The configuration as the server takes it, and what does not go together.

use crate::config::settings::{SETTINGS, Setting};
use crate::config::value::Value;
use crate::config::{Effective, Origin, Wrong, Wrongs};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

/// Every setting.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) addr: Vec<String>,
    pub(crate) workers: Option<usize>,
    pub(crate) max_connections: usize,
    pub(crate) max_connections_per_address: Option<usize>,
    pub(crate) public_url: Option<String>,
    pub(crate) h2c: bool,
    pub(crate) proxy_protocol: Vec<String>,
    pub(crate) trusted_proxy: Vec<String>,
    pub(crate) trusted_field: String,
    pub(crate) redirect_http: Option<String>,
    pub(crate) log: Option<String>,
    pub(crate) access_log: Option<String>,
    pub(crate) access_log_format: String,
    pub(crate) metrics: bool,
    pub(crate) metrics_addr: Option<String>,
    pub(crate) backplane: Option<Backplane>,
    pub(crate) tls: Option<Tls>,
    pub(crate) auth: Auth,
    pub(crate) relay: Relay,
    pub(crate) register: Register,
    pub(crate) socketio: SocketIo,
    pub(crate) api: Api,
    pub(crate) console: bool,
}

/// The broker that connects this node with others.
#[derive(Debug)]
pub(crate) struct Backplane {
    pub(crate) address: String,
    /// The file with the authorities that it is believed by.
    pub(crate) authorities: Option<String>,
    /// The file with what signs in there.
    pub(crate) credentials: Option<String>,
    pub(crate) prefix: String,
    pub(crate) shares_history: bool,
    /// Whether the node is not ready without it.
    pub(crate) is_needed: bool,
}

impl Backplane {
    /// Whether it is NATS, and no Redis.
    pub(crate) fn is_nats(&self) -> bool {
        let mut schemes = ["nats://", "tls://"].iter();
        schemes.any(|scheme| self.address.starts_with(scheme))
    }

    /// Whether it is one Redis, however it is found, and no cluster of several.
    pub(crate) fn is_one_redis(&self) -> bool {
        !self.is_nats() && !self.address.contains("+cluster://")
    }
}

#[derive(Debug)]
pub(crate) struct Tls {
    /// Certificate and key, or one made now.
    pub(crate) files: Option<(String, String)>,
    pub(crate) client_ca: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Auth {
    pub(crate) jwt_secret: Option<String>,
    pub(crate) jwks_file: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) audience: Option<String>,
    pub(crate) api_keys: Vec<String>,
    pub(crate) required: bool,
}

#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) on: bool,
    pub(crate) path: String,
    pub(crate) origins: Vec<String>,
    pub(crate) rejects_unmatched: bool,
    pub(crate) topics: Vec<String>,
    pub(crate) token_topics: Vec<String>,
    pub(crate) presence: bool,
    pub(crate) max_message: usize,
    pub(crate) max_subscriptions: usize,
    pub(crate) messages_per_second: u32,
    pub(crate) octets_per_second: u32,
    pub(crate) subscriptions_per_second: u32,
    pub(crate) topic_capacity: usize,
    pub(crate) max_waiting: usize,
    pub(crate) max_history: usize,
    pub(crate) history: Vec<History>,
}

#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) topics: String,
    pub(crate) messages: usize,
    pub(crate) octets: usize,
    pub(crate) age: Duration,
}

#[derive(Debug)]
pub(crate) struct Register {
    pub(crate) on: bool,
    pub(crate) topics: Vec<String>,
    pub(crate) reply_pong: bool,
    pub(crate) max_clients: usize,
    pub(crate) max_clients_per_user: usize,
    pub(crate) max_topics: usize,
    pub(crate) max_message: usize,
    pub(crate) unconnected: Duration,
}

#[derive(Debug)]
pub(crate) struct SocketIo {
    pub(crate) on: bool,
    pub(crate) path: String,
    /// Beside `/`.
    pub(crate) namespaces: Vec<String>,
    pub(crate) max_rooms: usize,
    pub(crate) max_payload: usize,
    pub(crate) adapter: Adapter,
    pub(crate) adapter_key: String,
}

/// How the nodes of a cluster have their rooms together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adapter {
    /// As servers of this kind do.
    Backplane,
    /// As servers of npm do.
    RedisNpm,
    /// Each has its own.
    None,
}

#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) on: bool,
    pub(crate) keys: Vec<String>,
    pub(crate) hosts: Vec<String>,
}

impl Config {
    /// From what every setting is; what does not go together is told with where it comes from.
    pub(crate) fn new(effective: &Effective) -> Result<Self, Wrongs> {
        let reader = Reader::new(effective);
        let config = Self::read(&reader);
        let wrong = reader.wrong.into_inner();
        if wrong.is_empty() {
            Ok(config)
        } else {
            Err(wrong)
        }
    }

    fn read(reader: &Reader<'_>) -> Self {
        let config = Self {
            addr: reader.list("addr"),
            workers: reader.optional("workers"),
            max_connections: reader.count("max_connections"),
            max_connections_per_address: reader.optional("max_connections_per_address"),
            public_url: reader.text("public_url"),
            h2c: reader.switch("h2c"),
            proxy_protocol: reader.list("proxy_protocol"),
            trusted_proxy: reader.list("trusted_proxy"),
            trusted_field: reader.text("trusted_field").unwrap_or_default(),
            redirect_http: reader.text("redirect_http"),
            log: reader.text("log"),
            access_log: reader.text("access_log"),
            access_log_format: reader.text("access_log_format").unwrap_or_default(),
            metrics: reader.switch("metrics"),
            metrics_addr: reader.text("metrics_addr"),
            backplane: backplane(reader),
            tls: tls(reader),
            auth: Auth {
                jwt_secret: reader.text("auth.jwt_secret"),
                jwks_file: reader.text("auth.jwks_file"),
                issuer: reader.text("auth.issuer"),
                audience: reader.text("auth.audience"),
                api_keys: reader.list("auth.api_keys"),
                required: reader.switch("auth.required"),
            },
            relay: relay(reader),
            register: Register {
                on: reader.switch("register.on"),
                topics: reader.list("register.topics"),
                reply_pong: reader.switch("register.reply_pong"),
                max_clients: reader.count("register.max_clients"),
                max_clients_per_user: reader.count("register.max_clients_per_user"),
                max_topics: reader.count("register.max_topics"),
                max_message: reader.count("register.max_message"),
                unconnected: reader.time("register.unconnected"),
            },
            socketio: SocketIo {
                on: reader.switch("socketio.on"),
                path: reader.text("socketio.path").unwrap_or_default(),
                namespaces: reader.list("socketio.namespaces"),
                max_rooms: reader.count("socketio.max_rooms"),
                max_payload: reader.count("socketio.max_payload"),
                adapter: match reader.text("socketio.adapter").as_deref() {
                    Some("redis-npm") => Adapter::RedisNpm,
                    Some("none") => Adapter::None,
                    _ => Adapter::Backplane,
                },
                adapter_key: reader.text("socketio.adapter_key").unwrap_or_default(),
            },
            api: Api {
                on: reader.switch("api.on"),
                keys: reader.list("api.keys"),
                hosts: reader.list("api.hosts"),
            },
            console: reader.switch("console.on"),
        };
        config.check(reader);
        config
    }

    /// What does not go together.
    fn check(&self, reader: &Reader<'_>) {
        if self.addr.is_empty() {
            reader.refuse("addr", "a server listens somewhere");
        }
        if self.redirect_http.is_some() {
            if self.tls.is_none() {
                let wanted = format!(
                    "needs TLS: {} and {}, or {}",
                    reader.name("tls.cert", "redirect_http"),
                    reader.name("tls.key", "redirect_http"),
                    reader.name("tls.self_signed", "redirect_http")
                );
                reader.refuse("redirect_http", &wanted);
            } else if crate::tls::redirect_port(&self.addr).is_none() {
                let wanted = format!(
                    "needs an {} with a port to send everybody to",
                    reader.name("addr", "redirect_http")
                );
                reader.refuse("redirect_http", &wanted);
            }
        }
        let auth = &self.auth;
        let has_tokens = auth.jwt_secret.is_some() || auth.jwks_file.is_some();
        for (key, value) in [
            ("auth.issuer", &auth.issuer),
            ("auth.audience", &auth.audience),
        ] {
            if value.is_some() && !has_tokens {
                reader.refuse(key, &needs_tokens(reader, key));
            }
        }
        if !self.relay.token_topics.is_empty() && !has_tokens {
            let key = "relay.token_topics";
            reader.refuse(key, &needs_tokens(reader, key));
        }
        let single = |word: &str| self.relay.origins.iter().any(|origin| origin == word);
        if self.relay.origins.len() > 1 && (single("any") || single("same-origin")) {
            reader.refuse("relay.origins", "`any` and `same-origin` stand alone");
        }
        let is_redis = self.backplane.as_ref().is_some_and(Backplane::is_one_redis);
        if self.socketio.adapter == Adapter::RedisNpm && !is_redis {
            let key = "socketio.adapter";
            let wanted = reader.name("backplane", key);
            reader.refuse(key, &format!("redis-npm needs {wanted} at one Redis"));
        }
        if self.register.topics.len() > self.register.max_topics {
            reader.refuse("register.topics", "there are more than register.max_topics");
        }
    }
}

fn needs_tokens(reader: &Reader<'_>, key: &str) -> String {
    format!(
        "needs {} or {}",
        reader.name("auth.jwt_secret", key),
        reader.name("auth.jwks_file", key)
    )
}

fn tls(reader: &Reader<'_>) -> Option<Tls> {
    let (cert, key) = (reader.text("tls.cert"), reader.text("tls.key"));
    let (self_signed, client_ca) = (
        reader.switch("tls.self_signed"),
        reader.text("tls.client_ca"),
    );
    let has_one = cert.is_some() || key.is_some();
    let files = match (cert, key) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (Some(_), None) => {
            reader.refuse(
                "tls.cert",
                &format!("needs {}", reader.name("tls.key", "tls.cert")),
            );
            None
        }
        (None, Some(_)) => {
            reader.refuse(
                "tls.key",
                &format!("needs {}", reader.name("tls.cert", "tls.key")),
            );
            None
        }
        (None, None) => None,
    };
    if self_signed && has_one {
        let other = reader.name("tls.cert", "tls.self_signed");
        reader.refuse("tls.self_signed", &format!("does not go with {other}"));
    }
    if client_ca.is_some() && files.is_none() && !self_signed && !has_one {
        let wanted = format!(
            "needs {} and {}, or {}",
            reader.name("tls.cert", "tls.client_ca"),
            reader.name("tls.key", "tls.client_ca"),
            reader.name("tls.self_signed", "tls.client_ca")
        );
        reader.refuse("tls.client_ca", &wanted);
    }
    (files.is_some() || self_signed).then_some(Tls { files, client_ca })
}

fn backplane(reader: &Reader<'_>) -> Option<Backplane> {
    let (address, prefix) = (reader.text("backplane"), reader.text("backplane_prefix"));
    let (shares_history, is_needed) = (
        reader.switch("backplane_history"),
        reader.switch("backplane_ready"),
    );
    if address.is_some() && !reader.switch("relay.on") {
        let other = reader.name("relay.on", "backplane");
        reader.refuse("backplane", &format!("needs {other}"));
    }
    let authorities = reader.text("backplane_ca");
    let is_plain = address
        .as_deref()
        .is_none_or(|address| address.starts_with("redis:") || address.starts_with("redis+"));
    if authorities.is_some() && is_plain {
        let other = reader.name("backplane", "backplane_ca");
        let why = format!("needs {other} with rediss://, tls:// or nats://");
        reader.refuse("backplane_ca", &why);
    }
    let credentials = reader.text("backplane_credentials");
    let is_nats = address
        .as_deref()
        .is_some_and(|address| address.starts_with("nats:") || address.starts_with("tls:"));
    if credentials.is_some() && !is_nats {
        let other = reader.name("backplane", "backplane_credentials");
        let why = format!("needs {other} with nats:// or tls://");
        reader.refuse("backplane_credentials", &why);
    }
    Some(Backplane {
        address: address?,
        authorities,
        credentials,
        prefix: prefix.unwrap_or_default(),
        shares_history,
        is_needed,
    })
}

fn relay(reader: &Reader<'_>) -> Relay {
    Relay {
        on: reader.switch("relay.on"),
        path: reader.text("relay.path").unwrap_or_default(),
        origins: reader.list("relay.origins"),
        rejects_unmatched: reader.text("relay.unmatched").as_deref() == Some("reject"),
        topics: reader.list("relay.topics"),
        token_topics: reader.list("relay.token_topics"),
        presence: reader.switch("relay.presence"),
        max_message: reader.count("relay.max_message"),
        max_subscriptions: reader.count("relay.max_subscriptions"),
        messages_per_second: rate(reader, "relay.messages_per_second"),
        octets_per_second: rate(reader, "relay.octets_per_second"),
        subscriptions_per_second: rate(reader, "relay.subscriptions_per_second"),
        topic_capacity: reader.count("relay.topic_capacity"),
        max_waiting: reader.count("relay.max_waiting"),
        max_history: reader.count("relay.max_history"),
        history: history(reader),
    }
}

fn rate(reader: &Reader<'_>, key: &str) -> u32 {
    u32::try_from(reader.count(key)).unwrap_or(u32::MAX)
}

fn history(reader: &Reader<'_>) -> Vec<History> {
    let rows = match reader.get("history") {
        Some(Value::Rows(rows)) => &rows[..],
        _ => &[],
    };
    let history = rows.iter().filter_map(|row| match &row[..] {
        [
            Value::Text(topics),
            Value::Count(messages),
            Value::Size(octets),
            Value::Time(age),
        ] => Some(History {
            topics: topics.clone(),
            messages: narrow(*messages),
            octets: narrow(*octets),
            age: *age,
        }),
        _ => None,
    });
    history.collect()
}

/// Reads values by their keys, and remembers which.
struct Reader<'a> {
    effective: &'a Effective,
    read: RefCell<BTreeSet<&'static str>>,
    wrong: RefCell<Wrongs>,
}

impl<'a> Reader<'a> {
    fn new(effective: &'a Effective) -> Self {
        Self {
            effective,
            read: RefCell::default(),
            wrong: RefCell::default(),
        }
    }

    fn entry(&self, key: &str) -> Option<&'a (Option<Value>, Origin)> {
        let place = SETTINGS.iter().position(|setting| setting.key == key);
        debug_assert!(place.is_some(), "{key} is no setting");
        self.read.borrow_mut().insert(SETTINGS[place?].key);
        self.effective.entries.get(place?)
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.entry(key)?.0.as_ref()
    }

    fn switch(&self, key: &str) -> bool {
        matches!(self.get(key), Some(Value::Switch(true)))
    }

    fn optional(&self, key: &str) -> Option<usize> {
        match self.get(key)? {
            Value::Count(count) | Value::Size(count) => Some(narrow(*count)),
            _ => None,
        }
    }

    fn count(&self, key: &str) -> usize {
        self.optional(key).unwrap_or_default()
    }

    fn time(&self, key: &str) -> Duration {
        match self.get(key) {
            Some(Value::Time(time)) => *time,
            _ => Duration::ZERO,
        }
    }

    fn text(&self, key: &str) -> Option<String> {
        match self.get(key)? {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    fn list(&self, key: &str) -> Vec<String> {
        match self.get(key) {
            Some(Value::List(list)) => list.clone(),
            _ => Vec::new(),
        }
    }

    /// What a setting is called where another one was given.
    fn name(&self, key: &str, beside: &str) -> String {
        let setting = Setting::of(key);
        match (self.entry(beside).map(|entry| &entry.1), setting) {
            (Some(Origin::Flag(_)), Some(setting)) => format!("--{}", setting.flag()),
            (Some(Origin::Variable(_)), Some(setting)) => setting.variable(),
            _ => format!("`{key}`"),
        }
    }

    /// A setting does not go with the others.
    fn refuse(&self, key: &str, why: &str) {
        let line = match self.entry(key).map(|entry| &entry.1) {
            Some(Origin::File { name, line, column }) => {
                Wrong::InFile(format!("{name}:{line}:{column}: {key}: {why}"))
            }
            Some(Origin::Variable(name)) => {
                Wrong::Elsewhere(format!("{name} in the environment: {why}"))
            }
            Some(Origin::Flag(name)) => Wrong::Elsewhere(format!("--{name}: {why}")),
            _ => Wrong::Elsewhere(format!("{key}: {why}")),
        };
        self.wrong.borrow_mut().push(line);
    }
}

/// No setting may be larger than what it is for.
fn narrow(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A setting that nobody reads would be a promise that nobody keeps.
    #[test]
    fn every_setting_is_read() {
        let effective = Effective::defaults();
        let reader = Reader::new(&effective);
        let config = Config::read(&reader);
        assert_eq!(reader.wrong.borrow().len(), 0);
        let read = reader.read.borrow();
        for setting in SETTINGS {
            assert!(read.contains(setting.key), "nobody reads {}", setting.key);
        }
        assert_eq!(config.addr, ["127.0.0.1:8000"]);
        assert_eq!((config.max_connections, config.workers), (1024, None));
    }

    #[test]
    fn every_default_can_be_read() {
        let effective = Effective::defaults();
        for (setting, (value, _)) in SETTINGS.iter().zip(&effective.entries) {
            assert_eq!(
                value.is_some(),
                !setting.default.is_empty(),
                "{}",
                setting.key
            );
            if let Some(value) = value {
                assert_eq!(value.toml(), setting.default, "{}", setting.key);
            }
        }
    }
}
