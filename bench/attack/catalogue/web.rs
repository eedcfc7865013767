//! Content codings, fields, forms, ranges.

use super::{Attack, PLAIN};
use crate::{coded, forms};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        id: "CO-1",
        what: "guesses at a secret by the length of what is compressed",
        small: 80,
        full: 10_000,
        run: |context| Box::pin(coded::oracle(context)),
        ..PLAIN
    },
    Attack {
        id: "CO-2",
        what: "content that becomes too much, in every coding and in several",
        small: 28,
        full: 10_000,
        memory: Some(244),
        run: |context| Box::pin(coded::bombs(context)),
        ..PLAIN
    },
    Attack {
        id: "CO-3",
        what: "clients that are gone while something is compressed for them",
        small: 12,
        full: 5_000,
        run: |context| Box::pin(coded::gone(context)),
        ..PLAIN
    },
    Attack {
        id: "CO-4",
        what: "Accept-Encoding with thousands of codings, and weights that are none",
        small: 12,
        full: 2_000,
        run: |context| Box::pin(coded::choices(context)),
        ..PLAIN
    },
    Attack {
        id: "HD-1",
        what: "line ends in fields, cookies and locations of responses",
        small: 28,
        full: 2_000,
        run: |context| Box::pin(forms::split_responses(context)),
        ..PLAIN
    },
    Attack {
        id: "HD-2",
        what: "thousands of cookies",
        small: 8,
        full: 2_000,
        run: |context| Box::pin(forms::cookies(context)),
        ..PLAIN
    },
    Attack {
        id: "MP-1",
        what: "forms without a boundary, with parts, sections and fields without end",
        small: 11,
        full: 1_100,
        run: |context| Box::pin(forms::forms(context)),
        ..PLAIN
    },
    Attack {
        id: "ST-3",
        what: "ranges: a thousand, overlapping, backwards, beyond the end",
        small: 18,
        full: 5_000,
        options: |options| (options.h2c, options.files) = (true, true),
        run: |context| Box::pin(forms::ranges(context)),
        ..PLAIN
    },
];
