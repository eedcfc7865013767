//! Clients behind proxies: the PROXY protocol as a table and over real sockets, and the fields by which proxies name
//! their clients.

#[path = "proxy/client_addr.rs"]
mod client_addr;
#[allow(
    dead_code,
    reason = "the escapes are used, the cases are another corpus's"
)]
#[path = "support/corpus.rs"]
mod corpus;
#[path = "proxy/headers.rs"]
mod headers;
#[path = "proxy/listeners.rs"]
mod listeners;
