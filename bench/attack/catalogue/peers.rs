//! The relay, Socket.IO, and everything at once.

use super::{Attack, PLAIN};
use crate::{events, together, topics};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        id: "RY-1",
        what: "subscriptions to a thousand topics for each connection, and their churn",
        small: 2_000,
        full: 100_000,
        run: |context| Box::pin(topics::subscriptions(context)),
        ..PLAIN
    },
    Attack {
        id: "RY-2",
        what: "names of topics that are none",
        small: 46,
        full: 5_000,
        run: |context| Box::pin(topics::names(context)),
        ..PLAIN
    },
    Attack {
        id: "SI-1",
        what: "packets of Socket.IO that are none: attachments, names, depth",
        small: 28,
        full: 10_000,
        memory: Some(30),
        run: |context| Box::pin(events::packets(context)),
        ..PLAIN
    },
    Attack {
        id: "SI-3",
        what: "a megabyte of packets in a POST, and content of other types",
        small: 6,
        full: 600,
        memory: Some(30),
        run: |context| Box::pin(events::posts(context)),
        ..PLAIN
    },
    Attack {
        id: "SI-5",
        what: "guesses at the ids of sessions",
        small: 5_000,
        full: 1_000_000,
        memory: Some(30),
        run: |context| Box::pin(events::guesses(context)),
        ..PLAIN
    },
    Attack {
        id: "R28",
        what: "all attackers at once, against 512 MiB of a memory cgroup and 10,000 connections; seconds",
        small: 10,
        full: 1_800,
        memory: None,
        options: |options| {
            options.h2c = true;
            (options.max_connections, options.cgroup) = (Some(10_000), Some(512));
        },
        probe_p99: 250.0,
        probe_failures: 0.001,
        run: |context| Box::pin(together::everything(context)),
    },
];
