//! TLS over real sockets, with rustls as the client: what may be configured, what is negotiated, certificates that
//! change, every kind of listener, and the attacks TL-1 to TL-11 with small counts.

#[path = "tls/attacks.rs"]
mod attacks;
#[path = "tls/common.rs"]
mod common;
#[path = "tls/configuration.rs"]
mod configuration;
#[path = "tls/listeners.rs"]
mod listeners;
#[path = "tls/negotiation.rs"]
mod negotiation;
#[path = "tls/proxied.rs"]
mod proxied;
#[path = "tls/reload.rs"]
mod reload;
