//! Slow connections, and floods of them.

use super::{Attack, PLAIN};
use crate::{churn, slow};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        id: "SL-1",
        what: "header sections that grow by a line each two seconds; connections",
        small: 40,
        full: 15_000,
        memory: Some(85),
        options: |options| {
            (options.h2c, options.max_connections) = (true, Some(18_000));
        },
        run: |context| Box::pin(slow::heads(context)),
        ..PLAIN
    },
    Attack {
        id: "SL-2",
        what: "content, declared and chunked, an octet each four seconds; connections",
        small: 30,
        full: 10_000,
        memory: Some(114),
        options: |options| {
            (options.h2c, options.max_connections) = (true, Some(18_000));
        },
        run: |context| Box::pin(slow::bodies(context)),
        ..PLAIN
    },
    Attack {
        id: "SL-3",
        what: "100 MB for each, five octets each five seconds, or none; connections",
        small: 10,
        full: 5_000,
        memory: Some(152),
        options: |options| {
            (options.h2c, options.max_connections) = (true, Some(18_000));
        },
        run: |context| Box::pin(slow::readers(context)),
        ..PLAIN
    },
    Attack {
        id: "SL-4",
        what: "connections on which nothing is said",
        small: 40,
        full: 15_000,
        memory: Some(85),
        options: |options| {
            (options.h2c, options.max_connections) = (true, Some(18_000));
        },
        run: |context| Box::pin(slow::silence(context)),
        ..PLAIN
    },
    Attack {
        id: "SL-5",
        what: "connections that are reset at once, 5,000 a second",
        small: 2_000,
        full: 1_500_000,
        run: |context| Box::pin(churn::resets(context)),
        ..PLAIN
    },
    Attack {
        id: "SL-6",
        what: "ten times as many connections as there is room for",
        small: 300,
        full: 100_000,
        options: |options| {
            (options.h2c, options.max_connections) = (true, Some(churn::cap(options.count)));
        },
        // It finds no place, as everybody does who comes too late.
        probe_failures: 1.0,
        probe_p99: 10_000.0,
        run: |context| Box::pin(churn::over_the_cap(context)),
        ..PLAIN
    },
    Attack {
        id: "SL-8",
        what: "256 descriptors, of which 200 are taken, and others that want one",
        small: 300,
        full: 1_000,
        options: |options| {
            (options.h2c, options.descriptors) = (true, Some(256));
        },
        // It finds no place, as everybody does who comes too late.
        probe_failures: 1.0,
        probe_p99: 10_000.0,
        run: |context| Box::pin(churn::descriptors(context)),
        ..PLAIN
    },
    Attack {
        id: "SL-9",
        what: "clients that close their side: after a request, in a head, in content",
        small: 40,
        full: 10_000,
        run: |context| Box::pin(slow::half_closed(context)),
        ..PLAIN
    },
    Attack {
        id: "SL-10",
        what: "windows of zero: what they cost; connections",
        small: 10,
        full: 1_000,
        run: |context| Box::pin(slow::closed_windows(context)),
        ..PLAIN
    },
];
