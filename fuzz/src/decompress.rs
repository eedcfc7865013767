//! A decoder never gives more than it may, and gives the same however its input is cut.

use wireline::layer::compression::{Coding, DecodeError, Decoder};

/// Input: two octets that choose the coding, the cap and the pieces, then coded content.
///
/// # Panics
///
/// When more is given than the cap or the ratio allows, when a decoder does not come to an end, or when the pieces in
/// which the input comes change what is given.
pub fn decompress(data: &[u8]) {
    let [which, size, coded @ ..] = data else {
        return;
    };
    let codings = [Coding::Brotli, Coding::Zstd, Coding::Gzip, Coding::Deflate];
    let coding = codings[usize::from(*which & 3)];
    let most = 1 << (which >> 2 & 31).min(24);
    let Some((whole, end)) = run(coding, most, coded, usize::MAX, 16 * 1024) else {
        return;
    };
    let piece = usize::from(*size % 16) + 1;
    let room = 1 << (size >> 4);
    if let Some((pieces, other_end)) = run(coding, most, coded, piece, room) {
        // What was given before an error depends on how much was asked for at a time; what is well does not.
        if end.is_ok() && other_end.is_ok() {
            assert!(whole == pieces, "{coding:?}");
        }
        // A ratio that is passed for a moment with one octet may be kept with the next.
        let is_large = |end: &Result<(), DecodeError>| *end == Err(DecodeError::TooLarge);
        if !is_large(&end) && !is_large(&other_end) {
            assert_eq!(end.is_ok(), other_end.is_ok(), "{coding:?}");
        }
    }
}

/// What is given, and how it ends.
fn run(
    coding: Coding,
    most: u64,
    coded: &[u8],
    piece: usize,
    room: usize,
) -> Option<(Vec<u8>, Result<(), DecodeError>)> {
    let mut decoder = Decoder::new(coding, most)?;
    let mut out = vec![0; room];
    let (mut content, mut at) = (Vec::new(), 0_usize);
    let mut stalls = 0;
    loop {
        let input = &coded[at..coded.len().min(at.saturating_add(piece))];
        let step = match decoder.decode(input, &mut out) {
            Ok(step) => step,
            Err(error) => return Some((content, Err(error))),
        };
        assert!(step.taken <= input.len() && step.given <= room);
        at += step.taken;
        content.extend_from_slice(&out[..step.given]);
        let given = content.len() as u64;
        assert!(given <= most, "{coding:?}: {given} of {most}");
        assert!(
            given <= 64 * 1024 || given / 100 <= at as u64,
            "{coding:?}: {given} for {at}"
        );
        let is_full = step.given == room && !step.ended;
        if at == coded.len() && !is_full {
            return Some((content, decoder.finish()));
        }
        stalls = if step.taken + step.given == 0 {
            stalls + 1
        } else {
            0
        };
        assert!(stalls < 3, "{coding:?} does not come to an end");
    }
}
