//! However a conversation is cut into reads, its events and its end are the same.

use super::conversation::Record;
use super::input::{Input, pieces};
use wireline::http1::limits::Limits;

/// Input: one octet (odd: tight limits), one octet (how many cut lengths follow), the cut lengths, the
/// conversation. Whole, octet by octet, and cut, it must come to the same record.
///
/// # Panics
///
/// When it does not.
pub fn splits(data: &[u8]) {
    let mut input = Input(data);
    let limits = if input.flag() {
        tight()
    } else {
        Limits::default()
    };
    let mut lengths = input.string(8).to_vec();
    if lengths.is_empty() {
        lengths.push(7);
    }
    let conversation = input.0;
    let whole = Record::of([conversation], &limits);
    assert_eq!(
        Record::of(conversation.chunks(1), &limits),
        whole,
        "octet by octet"
    );
    assert_eq!(
        Record::of(pieces(conversation, &lengths), &limits),
        whole,
        "cut by {lengths:?}"
    );
}

/// Limits that short inputs reach.
pub(crate) fn tight() -> Limits {
    Limits {
        request_line: 40,
        header_section: 80,
        header_fields: 4,
        chunk: 32,
        chunk_extension: 6,
        chunk_extensions: 10,
        trailer_section: 40,
        trailer_fields: 3,
        chunk_overhead: 1,
    }
}
