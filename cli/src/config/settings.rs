//! Every setting of the server: the one table that the file, the environment, the command line and the documentation are made of.
//!
//! The key decides all names: `relay.max_message` is the key in the file, `--relay-max-message` the flag, `WIRELINE_RELAY_MAX_MESSAGE` the variable.

use crate::config::checks::{
    api_key, broker, key, network, origin, path, pattern, place, prefix, present, secret, url,
};
use crate::config::value::{Column, Kind};
use std::fmt;
use std::time::Duration;

/// A setting.
pub(crate) struct Setting {
    /// Its key in the file, with that of its table before a dot.
    pub(crate) key: &'static str,
    pub(crate) kind: Kind,
    /// As it stands in the file; nothing is not set.
    pub(crate) default: &'static str,
    pub(crate) help: &'static str,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key)
    }
}

impl Setting {
    /// `relay.max_message` is `relay-max-message`.
    pub(crate) fn flag(&self) -> String {
        self.key.replace(['.', '_'], "-")
    }

    /// `relay.max_message` is `WIRELINE_RELAY_MAX_MESSAGE`.
    pub(crate) fn variable(&self) -> String {
        format!(
            "{PREFIX}{}",
            self.key.replace('.', "_").to_ascii_uppercase()
        )
    }

    /// The setting with this key.
    pub(crate) fn of(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }
}

/// What the names of all variables begin with.
pub(crate) const PREFIX: &str = "WIRELINE_";

const CONNECTIONS: Kind = Kind::Count(1, 10_000_000);
const CLIENTS: Kind = Kind::Count(1, 10_000_000);
const MESSAGE: Kind = Kind::Size(1, 64 << 20);

#[rustfmt::skip]
pub(crate) const SETTINGS: &[Setting] = &[
    Setting { key: "addr", kind: Kind::List("HOST:PORT|unix:PATH|systemd", place), default: "[\"127.0.0.1:8000\"]",
        help: "Where to listen. Port 0 takes a free one." },
    Setting { key: "workers", kind: Kind::Count(1, 1024), default: "",
        help: "Worker threads; one for each core unless it is set." },
    Setting { key: "max_connections", kind: CONNECTIONS, default: "1024",
        help: "The most connections at the same time; further ones are answered 503." },
    Setting { key: "max_connections_per_address", kind: CONNECTIONS, default: "",
        help: "The most connections at the same time of one IPv4 address or IPv6 /64, loopback aside; no limit unless it is set." },
    Setting { key: "public_url", kind: Kind::Text("URL", url), default: "",
        help: "The address that clients know the server by, such as https://push.example: what stands in the addresses that the register service gives. Unless it is set, that is the address that a client has connected to." },
    Setting { key: "h2c", kind: Kind::Switch, default: "false",
        help: "Speak HTTP/2 without TLS, too, with clients that begin with it (prior knowledge)." },
    Setting { key: "proxy_protocol", kind: Kind::List("NETWORK", network), default: "[]",
        help: "Every connection comes from a proxy at one of these networks and begins with a header of the PROXY protocol." },
    Setting { key: "trusted_proxy", kind: Kind::List("NETWORK", network), default: "[]",
        help: "Take the word of proxies at these networks on who their clients are." },
    Setting { key: "trusted_field", kind: Kind::Choice(&["x-forwarded-for", "forwarded"]), default: "\"x-forwarded-for\"",
        help: "Where those proxies say it." },
    Setting { key: "redirect_http", kind: Kind::Text("HOST:PORT", place), default: "",
        help: "Listen here in plain HTTP, too, and send everybody to https at the port of the first addr." },
    Setting { key: "log", kind: Kind::Choice(&["text", "json"]), default: "",
        help: "Write spans and events to stderr in this form; RUST_LOG says which (info unless it is set). No log unless it is set." },
    Setting { key: "access_log", kind: Kind::Text("FILE", present), default: "",
        help: "Append a line for every request to this file, which is opened again on SIGHUP; - is stdout." },
    Setting { key: "access_log_format", kind: Kind::Choice(&["common", "combined", "json"]), default: "\"combined\"",
        help: "How those lines look." },
    Setting { key: "metrics", kind: Kind::Switch, default: "true",
        help: "Serve metrics as Prometheus's text under /metrics, for those with a key of `api.keys`, or where there is none, for programs on the same machine." },
    Setting { key: "metrics_addr", kind: Kind::Text("HOST:PORT", place), default: "",
        help: "Serve the metrics here instead, apart from everything else and open to all who can connect." },
    Setting { key: "backplane", kind: Kind::Secret("BROKER", broker), default: "",
        help: "Serve the same topics and rooms of Socket.IO as other nodes, which are connected by this broker: redis://, rediss://, nats:// or tls:// with HOST:PORT, and USER:PASSWORD@ before it where the broker wants that; or redis+sentinel://, with the name of the master behind the Sentinels: HOST:PORT,HOST:PORT/MASTER; or redis+cluster://, with some servers of a Redis Cluster: HOST:PORT,HOST:PORT." },
    Setting { key: "backplane_ca", kind: Kind::Text("FILE", present), default: "",
        help: "Believe a broker over TLS whose certificate is of an authority in this PEM file, in place of the system's; it is read when the node starts, and again for new connections when it has changed." },
    Setting { key: "backplane_credentials", kind: Kind::Text("FILE", present), default: "",
        help: "Sign in to a broker of NATS with what is in this file: the seed of a key (NKey), or credentials, which are a JWT and the seed of its key; it is read when the node starts." },
    Setting { key: "backplane_prefix", kind: Kind::Text("TEXT", prefix), default: "\"wireline\"",
        help: "What the names of everything begin with that is kept at the broker: nodes with another one are another cluster." },
    Setting { key: "backplane_history", kind: Kind::Switch, default: "true",
        help: "Whether the nodes keep the history of topics together, so that clients go on with another node where they were; NATS cannot, and there each node has its own." },
    Setting { key: "backplane_ready", kind: Kind::Switch, default: "false",
        help: "Whether /ready is 503 while there is no connection to the broker. Topics work on each node alone meanwhile, so that a broker that fails need not take all nodes away." },

    Setting { key: "tls.cert", kind: Kind::Text("FILE", present), default: "",
        help: "Speak TLS with the certificate chain in this PEM file; it is watched, and read again on SIGHUP." },
    Setting { key: "tls.key", kind: Kind::Text("FILE", present), default: "",
        help: "The private key of the certificate, PEM." },
    Setting { key: "tls.self_signed", kind: Kind::Switch, default: "false",
        help: "Speak TLS with a certificate made now, which nobody trusts: for development." },
    Setting { key: "tls.client_ca", kind: Kind::Text("FILE", present), default: "",
        help: "Ask clients for a certificate of an authority in this PEM file, and refuse those without." },

    Setting { key: "auth.jwt_secret", kind: Kind::Secret("SECRET", secret), default: "",
        help: "Clients of the relay sign in with a JSON Web Token that is signed with this secret (HS256), of 32 octets or more." },
    Setting { key: "auth.jwks_file", kind: Kind::Text("FILE", present), default: "",
        help: "Clients of the relay sign in with a JSON Web Token that is signed with a key of this set (RFC 7517)." },
    Setting { key: "auth.issuer", kind: Kind::Text("TEXT", present), default: "",
        help: "Who must have issued those tokens (`iss`)." },
    Setting { key: "auth.audience", kind: Kind::Text("TEXT", present), default: "",
        help: "Who those tokens must be for (`aud`)." },
    Setting { key: "auth.api_keys", kind: Kind::Secrets("NAME=KEY", api_key), default: "[]",
        help: "Clients of the relay sign in with one of these keys in X-API-Key: NAME=KEY, or NAME=sha256:DIGEST with 64 hexadecimal digits. The name is the user." },
    Setting { key: "auth.required", kind: Kind::Switch, default: "true",
        help: "Whether clients of the relay have to sign in, once there is a way to." },

    Setting { key: "relay.on", kind: Kind::Switch, default: "true",
        help: "Serve the relay: topics over WebSocket, as event streams at /sse and by long polling at /poll." },
    Setting { key: "relay.path", kind: Kind::Text("PATH", path), default: "\"/ws\"",
        help: "The path of its WebSocket." },
    Setting { key: "relay.origins", kind: Kind::List("ORIGIN", origin), default: "[]",
        help: "The pages that may connect, beside the server's own: origins such as https://app.example; or `any`, or `same-origin`, alone. Unless it is set, foreign pages may, but not where a browser adds credentials by itself." },
    Setting { key: "relay.unmatched", kind: Kind::Choice(&["broadcast", "reject"]), default: "\"broadcast\"",
        help: "Topics that are in no `relay.topics`: everybody may use them, or nobody." },
    Setting { key: "relay.topics", kind: Kind::List("PATTERN", pattern), default: "[]",
        help: "Topics that clients may use where `relay.unmatched` is `reject`: names, or beginnings with * behind them." },
    Setting { key: "relay.token_topics", kind: Kind::List("PATTERN", pattern), default: "[]",
        help: "Topics that want a token with each subscription, signed as those of `auth`." },
    Setting { key: "relay.presence", kind: Kind::Switch, default: "true",
        help: "Whether subscribers are present in their topics, for those who ask." },
    Setting { key: "relay.max_message", kind: MESSAGE, default: "\"64 KiB\"",
        help: "The longest message of a client." },
    Setting { key: "relay.max_subscriptions", kind: Kind::Count(1, 100_000), default: "50",
        help: "The most subscriptions of a connection." },
    Setting { key: "relay.messages_per_second", kind: Kind::Count(1, 1_000_000), default: "200",
        help: "The messages that a connection may send each second in the long run, and five times as many at once." },
    Setting { key: "relay.octets_per_second", kind: Kind::Size(1 << 10, 1 << 30), default: "\"1 MiB\"",
        help: "The octets of messages that a connection may send each second in the long run, and four times as many at once, or one message of `relay.max_message` if that is more." },
    Setting { key: "relay.subscriptions_per_second", kind: Kind::Count(1, 1_000_000), default: "50",
        help: "How often a connection may subscribe each second in the long run, and ten times as often at once, or as often as `relay.max_subscriptions` if that is more." },
    Setting { key: "relay.topic_capacity", kind: Kind::Count(1, 1_000_000), default: "128",
        help: "The messages of a subscription that may wait for a slow client; beyond them the oldest is dropped, and the client told." },
    Setting { key: "relay.max_waiting", kind: Kind::Size(1 << 10, 1 << 30), default: "\"1 MiB\"",
        help: "What may wait for a slow client in all; beyond it the client is closed with 1013." },
    Setting { key: "relay.max_history", kind: Kind::Size(0, 1 << 40), default: "\"64 MiB\"",
        help: "What all histories together may hold." },
    Setting { key: "history", kind: Kind::Rows(HISTORY), default: "[]",
        help: "What is kept of topics for those who come back or come later. The first table whose pattern fits a topic counts; nothing is kept of topics that none fits." },

    Setting { key: "register.on", kind: Kind::Switch, default: "true",
        help: "Serve the register/publish service, which is open to everybody: POST /register, DELETE /register/{id}, GET /ws/{id}, POST /publish." },
    Setting { key: "register.topics", kind: Kind::List("TOPIC", present), default: "[\"cats\"]",
        help: "The topics of a new client." },
    Setting { key: "register.reply_pong", kind: Kind::Switch, default: "false",
        help: "Whether the text `ping` is answered with the text `pong`." },
    Setting { key: "register.max_clients", kind: CLIENTS, default: "100000",
        help: "The most clients at the same time; for one more, registering is answered 503." },
    Setting { key: "register.max_clients_per_user", kind: CLIENTS, default: "1000",
        help: "The most clients of one user at the same time; for one more, registering is answered 429." },
    Setting { key: "register.max_topics", kind: Kind::Count(1, 10_000), default: "50",
        help: "The most topics of a client." },
    Setting { key: "register.max_message", kind: MESSAGE, default: "\"64 KiB\"",
        help: "The longest message, published or from a client." },
    Setting { key: "register.unconnected", kind: Kind::Time(Duration::from_secs(1), Duration::from_secs(366 * 86_400)), default: "\"1 h\"",
        help: "How long a client is kept that does not connect." },

    Setting { key: "socketio.on", kind: Kind::Switch, default: "false",
        help: "Serve Socket.IO: clients join, leave and emit to rooms by events of these names. Whoever may connect may." },
    Setting { key: "socketio.path", kind: Kind::Text("PATH", path), default: "\"/socket.io/\"",
        help: "Its path." },
    Setting { key: "socketio.namespaces", kind: Kind::List("PATH", path), default: "[]",
        help: "Its namespaces, beside /." },
    Setting { key: "socketio.max_rooms", kind: Kind::Count(1, 100_000), default: "50",
        help: "The most rooms that a socket may be in." },
    Setting { key: "socketio.max_payload", kind: MESSAGE, default: "\"64 KiB\"",
        help: "The longest message of a client." },
    Setting { key: "socketio.adapter", kind: Kind::Choice(&["backplane", "redis-npm", "none"]), default: "\"backplane\"",
        help: "How rooms are those of all nodes where there is a `backplane`: among servers of this kind; in the channels of npm's @socket.io/redis-adapter, together with servers of npm at the same Redis; or not at all." },
    Setting { key: "socketio.adapter_key", kind: Kind::Text("TEXT", key), default: "\"socket.io\"",
        help: "What the names of npm's channels begin with: the `key` of its adapter." },

    Setting { key: "api.on", kind: Kind::Switch, default: "true",
        help: "Serve the HTTP API of the relay under /api." },
    Setting { key: "api.keys", kind: Kind::Secrets("NAME=KEY", api_key), default: "[]",
        help: "Who calls the HTTP API or reads the metrics has one of these keys: NAME=KEY, or NAME=sha256:DIGEST with 64 hexadecimal digits. Without any, programs on the same machine may." },
    Setting { key: "api.hosts", kind: Kind::List("HOST", present), default: "[]",
        help: "Further names that the HTTP API and the metrics answer to without a key, beside localhost, 127.0.0.1 and [::1]." },

    Setting { key: "console.on", kind: Kind::Switch, default: "true",
        help: "Serve the console at /, which shows what the HTTP API tells; without it there is a welcome page." },
];

#[rustfmt::skip]
const HISTORY: &[Column] = &[
    Column { key: "topics", kind: Kind::Text("PATTERN", pattern), default: "", help: "A topic, or a beginning with * behind it." },
    Column { key: "messages", kind: Kind::Count(1, 1_000_000), default: "100", help: "The most messages that are kept of a topic." },
    Column { key: "octets", kind: Kind::Size(1, 1 << 30), default: "1 MiB", help: "The most octets that are kept of a topic, each message with 64 besides its own." },
    Column { key: "age", kind: Kind::Time(Duration::from_millis(1), Duration::from_secs(366 * 86_400)), default: "10 min", help: "How long a message is kept." },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::value::nearest;
    use std::collections::HashSet;

    #[test]
    fn names_are_told_apart() {
        let flags: HashSet<_> = SETTINGS.iter().map(Setting::flag).collect();
        let variables: HashSet<_> = SETTINGS.iter().map(Setting::variable).collect();
        assert_eq!(
            (flags.len(), variables.len()),
            (SETTINGS.len(), SETTINGS.len())
        );
        assert!(!flags.contains("config") && !flags.contains("check"));
        let max = Setting::of("relay.max_message").unwrap();
        assert_eq!(max.flag(), "relay-max-message");
        assert_eq!(max.variable(), "WIRELINE_RELAY_MAX_MESSAGE");
    }

    /// A service of Kubernetes that is called `wireline` gives all pods these variables; they are nobody's mistake.
    #[test]
    fn variables_of_others_are_not_taken_for_mistakes() {
        let known: Vec<_> = SETTINGS.iter().map(Setting::variable).collect();
        for other in [
            "WIRELINE_PORT",
            "WIRELINE_SERVICE_HOST",
            "WIRELINE_SERVICE_PORT",
            "WIRELINE_PORT_8000_TCP",
            "WIRELINE_PORT_8000_TCP_ADDR",
            "WIRELINE_TOOLS",
            "WIRELINE_VERBOSE",
        ] {
            let names = known.iter().filter_map(|name| name.strip_prefix(PREFIX));
            let other = other.strip_prefix(PREFIX).unwrap();
            assert_eq!(nearest(other, names), None, "{other}");
        }
    }
}
