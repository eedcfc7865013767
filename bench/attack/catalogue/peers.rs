//! The relay, Socket.IO, everything at once, one thing after the other, and more than there is room for.

use super::{Attack, PLAIN};
use crate::{events, overload, soak, together, topics};
use std::time::Duration;

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
        ..PLAIN
    },
    Attack {
        id: "R36",
        what: "a fault each ten seconds: attackers, reloads, hand-overs, panics, a broker that is killed; seconds",
        small: 30,
        full: 3_600,
        memory: None,
        options: |options| {
            (options.h2c, options.secured, options.broker) = (true, true, true);
        },
        probe_p99: 250.0,
        probe_failures: 0.000_1,
        longest: |count| Duration::from_secs(count as u64 + 600),
        run: |context| Box::pin(soak::faults(context)),
    },
    Attack {
        id: "R38",
        what: "five times as many requests as there is capacity for; seconds",
        small: 3,
        full: 600,
        memory: None,
        options: |options| {
            options.h2c = true;
            (options.max_connections, options.max_in_flight) =
                (Some(1_024), Some(overload::IN_FLIGHT));
        },
        // It is refused as everybody is.
        probe_failures: 1.0,
        probe_p99: 10_000.0,
        run: |context| Box::pin(overload::five_times(context)),
        ..PLAIN
    },
];
