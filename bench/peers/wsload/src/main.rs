//! WebSocket load, and connections that only wait, from one thread.
//!
//!     wsload echo PORT [-c CONNECTIONS] [-s SIZE] [-d DEPTH] [-t SECONDS] [-w WARM-UP] [-n MESSAGES] [--path /ws | --sio]
//!         every connection keeps DEPTH binary messages of SIZE bytes in flight; with -n until so many came back, without a warm-up; with --sio
//!         they are events of Socket.IO and their answers
//!     wsload rate PORT -r MESSAGES [-c CONNECTIONS] [-s SIZE] [-t SECONDS] [-w WARM-UP] [--path /ws]
//!         so many messages a second leave when they are due, and come back; latencies begin when they were due
//!     wsload fan PORT [-n SUBSCRIBERS] [--topics N] [--deaf N] [-s SIZE] [-k WINDOW] [-t SECONDS] [-w WARM-UP] [-m MESSAGES] [--sub /sub] [--pub /pub] [--sio | --relay PATH | --as-relay] [--and PORT]
//!         one publisher keeps WINDOW messages in flight; a message has landed when every subscriber of its topic has it that reads; --deaf of the
//!         subscribers never do; with -m until so many have landed, without a warm-up; with --sio in Socket.IO, with --relay in the JSON of docs/relay_protocol.md, where the first subscriber of each topic publishes to it;
//!         with --as-relay messages are as long as those of the relay would be; with --and every second subscriber is at a second node
//!     wsload idle PORT [-n CONNECTIONS] [--path /ws [--deflate] | --http | --subscribed [--sub /sub | --sio | --relay PATH [--each N]]]
//!         opens the connections, prints READY and holds them until its standard input ends; with --http each has had one GET / answered, with
//!         --deflate one compressed message sent back; with --each every client of the relay subscribes to so many topics
//!
//! Prints `MARK start` when measuring begins, `MARK end` when it ends, and one line of JSON. On a fault the JSON is `{"error": ...}` and the
//! exit status 3.

#![forbid(unsafe_code)]

mod connect;
mod echo;
mod fan;
mod frame;
mod idle;
mod out;
mod poll;
mod rate;
mod speak;

use std::str::FromStr;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let options = Options {
        words: words.get(2..).unwrap_or_default().to_vec(),
    };
    let Some(port) = words.get(1).and_then(|word| word.parse().ok()) else {
        usage()
    };
    match words[0].as_str() {
        "echo" => echo::run(&echo::Echo {
            port,
            connections: options.number("-c", 64),
            size: options.number("-s", 16),
            depth: options.number("-d", 1),
            seconds: options.number("-t", 3.0),
            warm_up: options.number("-w", 0.5),
            messages: options.number("-n", 0),
            path: options.text("--path", "/ws"),
            socket_io: options.has("--sio"),
        }),
        "rate" => rate::run(&rate::Rate {
            port,
            connections: options.number("-c", 64),
            size: options.number("-s", 16),
            per_second: options.number("-r", 0.0),
            seconds: options.number("-t", 3.0),
            warm_up: options.number("-w", 0.5),
            path: options.text("--path", "/ws"),
        }),
        "fan" => fan::run(&fan::Fan {
            port,
            other: options.number("--and", port),
            speaks: options.speaks(),
            subscribers: options.number("-n", 1000),
            deaf: options.number("--deaf", 0),
            topics: options.number("--topics", 1),
            size: options.number("-s", 128) + options.longer(),
            window: options.number("-k", 16),
            seconds: options.number("-t", 3.0),
            warm_up: options.number("-w", 0.5),
            messages: options.number("-m", 0),
        }),
        "idle" if options.has("--subscribed") => {
            let each = options.number("--each", 1);
            idle::subscribed(port, options.number("-n", 10_000), each, &options.speaks());
        }
        "idle" => {
            let http = options.has("--http");
            idle::run(
                port,
                options.number("-n", 10_000),
                (!http).then(|| options.text("--path", "/ws")),
                options.has("--deflate"),
            );
        }
        _ => usage(),
    }
}

struct Options {
    words: Vec<String>,
}

impl Options {
    fn has(&self, name: &str) -> bool {
        self.words.iter().any(|word| word == name)
    }

    fn speaks(&self) -> speak::Speaks {
        if self.has("--sio") {
            speak::Speaks::SocketIo
        } else if self.has("--relay") {
            speak::Speaks::Relay {
                path: self.text("--relay", "/relay"),
            }
        } else {
            speak::Speaks::Plain {
                sub: self.text("--sub", "/sub"),
                publish: self.text("--pub", "/pub"),
            }
        }
    }

    /// By how much a push of the relay is longer than its payload.
    fn longer(&self) -> usize {
        if self.has("--as-relay") {
            speak::PUSH.len()
        } else {
            0
        }
    }

    fn text(&self, name: &str, default: &str) -> String {
        let at = self.words.iter().position(|word| word == name);
        at.map_or_else(
            || default.to_owned(),
            |at| self.words.get(at + 1).cloned().unwrap_or_else(|| usage()),
        )
    }

    fn number<T: FromStr>(&self, name: &str, default: T) -> T {
        let at = self.words.iter().position(|word| word == name);
        at.map_or(default, |at| {
            self.words
                .get(at + 1)
                .and_then(|word| word.parse().ok())
                .unwrap_or_else(|| usage())
        })
    }
}

fn usage() -> ! {
    eprintln!(
        "usage: wsload echo|rate|fan|idle PORT [options]; the head of wsload's main.rs lists them"
    );
    std::process::exit(2)
}

/// Ends the run: the load could not be carried out as asked.
pub fn die(message: &str) -> ! {
    println!("{{\"error\":\"{}\"}}", message.replace(['"', '\\'], "'"));
    std::process::exit(3)
}

/// Ends the run on an error, naming what was being done.
pub fn or_die<T, E: std::fmt::Display>(result: Result<T, E>, doing: &str) -> T {
    result.unwrap_or_else(|error| die(&format!("{doing}: {error}")))
}
