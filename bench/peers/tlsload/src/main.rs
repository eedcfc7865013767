//! TLS handshakes, and connections over TLS and HTTP/2 that only wait, from one thread.
//!
//!     tlsload handshakes PORT CERTIFICATE [-c CONCURRENCY] [-t SECONDS] [-w WARM-UP] [--resumed]
//!         each operation is a connection of its own: a handshake, full or resumed, one GET / and its answer, the end
//!     tlsload idle PORT CERTIFICATE -k tls|wss|h2|h2-ws [-n CONNECTIONS] [-s STREAMS]
//!         opens the connections, prints READY and holds them until its standard input ends; each has had one GET / answered, or is a WebSocket.
//!         h2 and h2-ws are without TLS, by prior knowledge; h2-ws puts STREAMS WebSockets into each connection
//!
//! The server must have the certificate of the PEM file CERTIFICATE, for `localhost`. The only group is X25519, so that every server does the same
//! work. Prints `MARK start` when measuring begins, `MARK end` when it ends, and one line of JSON. On a fault the JSON is `{"error": ...}` and the
//! exit status 3.

#![forbid(unsafe_code)]

mod connect;
mod handshakes;
mod idle;

use std::str::FromStr;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [command, port, certificate, rest @ ..] = &words[..] else {
        usage()
    };
    let options = Options(rest);
    let Ok(port) = port.parse() else { usage() };
    let runtime = or_die(
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build(),
        "the runtime",
    );
    match command.as_str() {
        "handshakes" => runtime.block_on(handshakes::run(&handshakes::Handshakes {
            port,
            certificate: certificate.clone(),
            concurrency: options.number("-c", 16),
            seconds: options.number("-t", 3.0),
            warm_up: options.number("-w", 0.5),
            resumed: rest.iter().any(|word| word == "--resumed"),
        })),
        "idle" => {
            let count = options.number("-n", 10_000);
            let streams = options.number("-s", 100);
            let kind = match options.word("-k") {
                Some("tls") => idle::Kind::Tls,
                Some("wss") => idle::Kind::Wss,
                Some("h2") => idle::Kind::H2,
                Some("h2-ws") => idle::Kind::H2Ws(streams),
                _ => usage(),
            };
            runtime.block_on(idle::run(port, certificate, count, kind));
        }
        _ => usage(),
    }
}

struct Options<'a>(&'a [String]);

impl Options<'_> {
    fn word(&self, name: &str) -> Option<&str> {
        let at = self.0.iter().position(|word| word == name)?;
        self.0.get(at + 1).map(String::as_str)
    }

    fn number<T: FromStr>(&self, name: &str, default: T) -> T {
        self.word(name)
            .map_or(default, |word| word.parse().unwrap_or_else(|_| usage()))
    }
}

fn usage() -> ! {
    eprintln!(
        "usage: tlsload handshakes|idle PORT CERTIFICATE [options]; the head of tlsload's main.rs lists them"
    );
    std::process::exit(2)
}

/// Ends the run: the load could not be carried out as asked.
fn die(message: &str) -> ! {
    println!("{{\"error\":\"{}\"}}", message.replace(['"', '\\'], "'"));
    std::process::exit(3)
}

/// Ends the run on an error, naming what was being done.
fn or_die<T, E: std::fmt::Display>(result: Result<T, E>, doing: &str) -> T {
    result.unwrap_or_else(|error| die(&format!("{doing}: {error}")))
}
