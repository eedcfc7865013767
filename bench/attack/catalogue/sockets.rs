//! WebSockets.

use super::{Attack, PLAIN};
use crate::{handshakes, lost, sockets};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        id: "WS-1",
        what: "frames that are not masked, and such whose mask is zero",
        small: 20,
        full: 10_000,
        run: |context| Box::pin(sockets::masks(context)),
        ..PLAIN
    },
    Attack {
        id: "WS-2",
        what: "heads that no peer may send, and such that promise 2^40 octets",
        small: 74,
        full: 10_000,
        memory: Some(15),
        run: |context| Box::pin(sockets::heads(context)),
        ..PLAIN
    },
    Attack {
        id: "WS-4",
        what: "messages of fragments of one octet without an end; connections",
        small: 2,
        full: 1_000,
        memory: None,
        run: |context| Box::pin(sockets::fragments(context)),
        ..PLAIN
    },
    Attack {
        id: "WS-5",
        what: "empty fragments, pings and pongs, read and not read; connections",
        small: 16,
        full: 1_000,
        memory: Some(15),
        run: |context| Box::pin(sockets::floods(context)),
        ..PLAIN
    },
    Attack {
        id: "WS-7",
        what: "compressed messages that become too much, or are none",
        small: 16,
        full: 10_000,
        memory: Some(244),
        run: |context| Box::pin(sockets::bombs(context)),
        ..PLAIN
    },
    Attack {
        id: "WS-8",
        what: "text and reasons that are no UTF-8, cut everywhere",
        small: 60,
        full: 10_000,
        memory: Some(15),
        run: |context| Box::pin(sockets::texts(context)),
        ..PLAIN
    },
    Attack {
        id: "WS-9",
        what: "clients that do not answer a ping; connections",
        small: 5,
        full: 5_000,
        memory: None,
        run: |context| Box::pin(sockets::silence(context)),
        ..PLAIN
    },
    Attack {
        id: "WS-9-cut",
        what: "clients whose network is taken away, with their presence; connections",
        small: 10,
        full: 5_000,
        options: |options| (options.h2c, options.apart) = (true, true),
        memory: None,
        run: |context| Box::pin(lost::sockets(context)),
        ..PLAIN
    },
    Attack {
        id: "WS-10",
        what: "clients that do not answer a Close, to half of which nothing more can be sent; connections",
        small: 10,
        full: 5_000,
        memory: None,
        run: |context| Box::pin(sockets::stalled_closes(context)),
        ..PLAIN
    },
    Attack {
        id: "WS-12",
        what: "pages of other origins with their visitor's cookie",
        small: 20,
        full: 5_000,
        run: |context| Box::pin(handshakes::origins(context)),
        ..PLAIN
    },
    Attack {
        id: "WS-13",
        what: "handshakes of other versions, with other keys, with lists without end",
        small: 24,
        full: 2_000,
        run: |context| Box::pin(handshakes::faults(context)),
        ..PLAIN
    },
];
