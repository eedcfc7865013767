//! What there is to throw at a server, by the catalogue's ids.

mod connections;
mod peers;
mod pipelines;
mod sockets;
mod web;

use crate::Context;
use crate::outcome::Outcome;
use crate::target::Options;
use crate::{certificates, dribble, fan, files, floods, limits, stall, streams, transcript};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub(crate) type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A recipe of the catalogue.
pub(crate) struct Attack {
    pub(crate) id: &'static str,
    pub(crate) what: &'static str,
    pub(crate) small: usize,
    pub(crate) full: usize,
    pub(crate) options: fn(&mut Options),
    /// How much more memory than before the server may have, in MiB.
    pub(crate) memory: Option<u64>,
    /// How long one request of a hundred of the probe may take, where that is more than usual.
    pub(crate) probe_p99: f64,
    /// Which part of the probe's requests may fail.
    pub(crate) probe_failures: f64,
    /// For how long it may go on, with so much to do.
    pub(crate) longest: fn(usize) -> Duration,
    pub(crate) run: fn(Arc<Context>) -> Running,
}

/// All of them, family by family.
pub(crate) fn all() -> impl Iterator<Item = &'static Attack> {
    [
        pipelines::ATTACKS,
        connections::ATTACKS,
        ATTACKS,
        sockets::ATTACKS,
        web::ATTACKS,
        peers::ATTACKS,
    ]
    .into_iter()
    .flatten()
}

/// What most have in common: HTTP/2 beside HTTP/1.1 without TLS, 64 MiB, and a probe that is always answered in time.
const PLAIN: Attack = Attack {
    id: "",
    what: "",
    small: 1,
    full: 1,
    options: |options| options.h2c = true,
    memory: Some(64),
    probe_p99: 0.0,
    probe_failures: 0.0,
    longest: |_| Duration::from_secs(1_920),
    run: |_| Box::pin(std::future::ready(Outcome::default())),
};

const ATTACKS: &[Attack] = &[
    Attack {
        id: "TL-1",
        what: "handshakes that stall: nothing, half a ClientHello, an octet a second, a whole one and then nothing",
        small: 80,
        full: 10_000,
        options: |_| (),
        memory: None,
        run: |context| Box::pin(stall::silence(context)),
        ..PLAIN
    },
    Attack {
        id: "TL-2",
        what: "ClientHellos in pieces: of segments, of records, of both",
        small: 30,
        full: 1_000,
        options: |_| (),
        memory: None,
        run: |context| Box::pin(dribble::pieces(context)),
        ..PLAIN
    },
    Attack {
        id: "TL-3",
        what: "renegotiation, warning alerts, ChangeCipherSpec and empty records without end",
        small: 24,
        full: 1_000,
        options: |_| (),
        memory: None,
        run: |context| Box::pin(transcript::records_without_end(context)),
        ..PLAIN
    },
    Attack {
        id: "TL-4",
        what: "a handshake message of 16 MiB",
        small: 20,
        full: 1_000,
        options: |_| (),
        memory: None,
        run: |context| Box::pin(transcript::message_without_end(context)),
        ..PLAIN
    },
    Attack {
        id: "TL-5",
        what: "full handshakes, 500 a second",
        small: 300,
        full: 15_000,
        options: |_| (),
        memory: None,
        run: |context| Box::pin(stall::handshakes(context)),
        ..PLAIN
    },
    Attack {
        id: "TL-6",
        what: "certificates swapped under handshakes, every tenth broken",
        small: 30,
        full: 10_000,
        options: |_| (),
        memory: None,
        run: |context| Box::pin(certificates::swapped(context)),
        ..PLAIN
    },
    Attack {
        id: "TL-7",
        what: "close_notify inside the handshake; bodies cut off without it",
        small: 40,
        full: 2_000,
        options: |_| (),
        memory: None,
        run: |context| Box::pin(transcript::truncated(context)),
        ..PLAIN
    },
    Attack {
        id: "TL-8",
        what: "client certificates in chains of a hundred",
        small: 20,
        full: 1_000,
        options: |options| options.client_certificates = true,
        memory: None,
        run: |context| Box::pin(certificates::endless_chains(context)),
        ..PLAIN
    },
    Attack {
        id: "TL-9",
        what: "ALPN: none, usual, unknown only",
        small: 30,
        full: 3_000,
        options: |_| (),
        memory: None,
        run: |context| Box::pin(dribble::protocols(context)),
        ..PLAIN
    },
    Attack {
        id: "TL-10",
        what: "early data",
        small: 20,
        full: 1_000,
        options: |_| (),
        memory: None,
        run: |context| Box::pin(dribble::early_data(context)),
        ..PLAIN
    },
    Attack {
        id: "TL-11",
        what: "tickets: used again, and those of another process",
        small: 20,
        full: 1_000,
        options: |_| (),
        memory: None,
        run: |context| Box::pin(dribble::tickets(context)),
        ..PLAIN
    },
    Attack {
        id: "H2-1",
        what: "rapid reset, pairs: 300 in a burst, and ten each 10 ms",
        small: 3000,
        full: 1_000_000,
        run: |context| Box::pin(floods::rapid_resets(context)),
        ..PLAIN
    },
    Attack {
        id: "H2-2",
        what: "streams that the server is made to reset, in six ways",
        small: 3600,
        full: 600_000,
        run: |context| Box::pin(floods::made_resets(context)),
        ..PLAIN
    },
    Attack {
        id: "H2-3",
        what: "CONTINUATION frames without end, of 0, 1 and 16,384 octets",
        small: 6000,
        full: 1_000_000,
        run: |context| Box::pin(floods::endless_sections(context)),
        ..PLAIN
    },
    Attack {
        id: "H2-4",
        what: "HPACK: references, sizes of the table, Huffman's shortest code, crumbs of cookies; connections",
        small: 20,
        full: 5000,
        run: |context| Box::pin(floods::bombs(context)),
        ..PLAIN
    },
    Attack {
        id: "H2-5",
        what: "PING and SETTINGS beside a hundred streams, read and not read",
        small: 12_000,
        full: 2_000_000,
        run: |context| Box::pin(floods::control_frames(context)),
        ..PLAIN
    },
    Attack {
        id: "H2-6",
        what: "empty DATA, padding alone, content octet by octet",
        small: 41_800,
        full: 1_000_000,
        run: |context| Box::pin(floods::empty_frames(context)),
        ..PLAIN
    },
    Attack {
        id: "H2-7",
        what: "PRIORITY and PRIORITY_UPDATE",
        small: 6000,
        full: 2_000_000,
        run: |context| Box::pin(floods::priorities(context)),
        ..PLAIN
    },
    Attack {
        id: "H2-8",
        what: "WINDOW_UPDATE by one, and unknown frames of 16 KiB",
        small: 6560,
        full: 1_000_000,
        run: |context| Box::pin(floods::updates(context)),
        ..PLAIN
    },
    Attack {
        id: "H2-9",
        what: "windows of 0 and 1, a hundred responses of 10 MB each; connections",
        small: 4,
        full: 200,
        memory: Some(256),
        run: |context| Box::pin(streams::stalled(context)),
        ..PLAIN
    },
    Attack {
        id: "H2-10",
        what: "content and header sections, an octet each four seconds; connections",
        small: 4,
        full: 1000,
        run: |context| Box::pin(streams::slow(context)),
        ..PLAIN
    },
    Attack {
        id: "H2-11",
        what: "stream identifiers: even, falling, the last one, too many, idle, after the end; connections",
        small: 12,
        full: 3000,
        run: |context| Box::pin(streams::identifiers(context)),
        ..PLAIN
    },
    Attack {
        id: "H2-12",
        what: "the preface in two pieces, with a fault, with 10,000 settings, without any; connections",
        small: 28,
        full: 2800,
        run: |context| Box::pin(streams::prefaces(context)),
        ..PLAIN
    },
    Attack {
        id: "H2-13",
        what: "extended CONNECT: a hundred WebSockets, malformed ones, one that nobody reads; connections",
        small: 6,
        full: 600,
        run: |context| Box::pin(streams::tunnels(context)),
        ..PLAIN
    },
    Attack {
        id: "H2-14",
        what: "GOAWAY from clients; drains with a hundred responses under way",
        small: 2,
        full: 50,
        run: |context| Box::pin(streams::farewells(context)),
        ..PLAIN
    },
    Attack {
        id: "ST-1",
        what: "static files: traversals, encoded and not; links out of the directory; devices",
        small: 1000,
        full: 100_000,
        options: |options| (options.h2c, options.files) = (true, true),
        run: |context| Box::pin(files::traversed(context)),
        ..PLAIN
    },
    Attack {
        id: "ST-1-race",
        what: "static files: names that change places with links out of the directory; seconds",
        small: 3,
        full: 600,
        options: |options| (options.h2c, options.files) = (true, true),
        run: |context| Box::pin(files::raced(context)),
        ..PLAIN
    },
    Attack {
        id: "ST-1-paths",
        what: "static files: three encoded octets, against a model and against the system",
        small: 200_000,
        full: 1 << 24,
        options: |options| (options.h2c, options.files) = (true, true),
        run: |context| Box::pin(files::enumerated(context)),
        ..PLAIN
    },
    Attack {
        id: "RL-1",
        what: "addresses that a client makes up: X-Forwarded-For, Forwarded and their like, against a limit by client",
        small: 20_000,
        full: 100_000,
        run: |context| Box::pin(limits::spoofed(context)),
        ..PLAIN
    },
    Attack {
        id: "RL-3",
        what: "keys without end for the table of rate limits, in the driver's own process",
        small: 1_000_000,
        full: 10_000_000,
        run: |context| Box::pin(limits::keys(context)),
        ..PLAIN
    },
    Attack {
        id: "RL-5",
        what: "one client over many connections at the same time, against its limit",
        small: 20_000,
        full: 1_000_000,
        run: |context| Box::pin(limits::together(context)),
        ..PLAIN
    },
    Attack {
        id: "CR-1",
        what: "origins that are nearly allowed ones, in requests and preflights",
        small: 10_000,
        full: 100_000,
        run: |context| Box::pin(limits::origins(context)),
        ..PLAIN
    },
    Attack {
        id: "R24",
        what: "subscribers of a topic, every twentieth of which never reads; 10,000 and five minutes when it is full",
        small: 200,
        full: 10_000,
        // It has its own, after all of them have subscribed.
        memory: None,
        run: |context| Box::pin(fan::deaf_subscribers(context)),
        ..PLAIN
    },
];
