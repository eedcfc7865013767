//! HTTP/1.1: requests behind requests.

use super::{Attack, PLAIN};
use crate::pipelines;

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        id: "H1-12",
        what: "content that no handler wants, with a request in it",
        small: 32,
        full: 5_000,
        run: |context| Box::pin(pipelines::unused_content(context)),
        ..PLAIN
    },
    Attack {
        id: "H1-13",
        what: "expectations: answered early, unknown, twice, without content",
        small: 25,
        full: 5_000,
        run: |context| Box::pin(pipelines::expectations(context)),
        ..PLAIN
    },
    Attack {
        id: "H1-14",
        what: "switches of protocol that are not made, with requests behind the offer",
        small: 24,
        full: 5_000,
        run: |context| Box::pin(pipelines::switches(context)),
        ..PLAIN
    },
    Attack {
        id: "H1-16",
        what: "a hundred thousand requests in one write, whose answers nobody reads; connections",
        small: 2,
        full: 100,
        run: |context| Box::pin(pipelines::unread(context)),
        ..PLAIN
    },
    Attack {
        id: "H1-17",
        what: "good requests before bad ones, and others behind them, whole and octet by octet",
        small: 32,
        full: 5_000,
        run: |context| Box::pin(pipelines::good_and_bad(context)),
        ..PLAIN
    },
    Attack {
        id: "H1-19",
        what: "the preface of HTTP/2 in two pieces, TLS and noise where HTTP/1.1 is spoken",
        small: 72,
        full: 5_000,
        run: |context| Box::pin(pipelines::other_protocols(context)),
        ..PLAIN
    },
];
