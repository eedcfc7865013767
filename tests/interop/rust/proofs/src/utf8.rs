//! R2: the check of text that comes in pieces, over every four octets, cut at every place, beside the standard library's.

use crate::row::Row;
use wireline::ws::utf8::Utf8;

/// The first octets that are tried: all of them, or those where something else begins.
pub(crate) fn utf8(full: bool) -> Row {
    let mut row = Row::new(
        "R2",
        "UTF-8: every four octets, in one piece and cut at each of three places",
        (1 << 32) * 4,
    );
    let firsts: Vec<u8> = if full {
        (0..=255).collect()
    } else {
        vec![0x7f, 0xc1, 0xe0, 0xf4]
    };
    let seconds: Vec<u8> = if full {
        (0..=255).collect()
    } else {
        vec![0x00, 0x80, 0x8f, 0x90, 0xa0, 0xbf, 0xc2, 0xff]
    };
    // Two threads: everything is in the octets, nothing is shared.
    let half = firsts.len().div_ceil(2);
    let found: Vec<(u64, Vec<String>)> = std::thread::scope(|scope| {
        let threads: Vec<_> = firsts
            .chunks(half)
            .map(|firsts| {
                let seconds = &seconds;
                scope.spawn(move || every(firsts, seconds))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a thread that ends"))
            .collect()
    });
    for (count, faults) in found {
        row.figure += count;
        for fault in faults {
            row.fault(|| fault);
        }
    }
    row
}

/// Valid so far, with or without a character that has begun; or not.
fn verdict(check: Option<Utf8>) -> Option<bool> {
    check.map(|check| check.is_complete())
}

fn pushed(check: Option<Utf8>, piece: &[u8]) -> Option<Utf8> {
    let mut check = check?;
    check.push(piece).is_ok().then_some(check)
}

fn every(firsts: &[u8], seconds: &[u8]) -> (u64, Vec<String>) {
    let (mut count, mut faults) = (0, Vec::new());
    for first in firsts {
        let one = pushed(Some(Utf8::default()), &[*first]);
        for second in seconds {
            let two = pushed(Some(Utf8::default()), &[*first, *second]);
            for third in 0..=255 {
                let three = pushed(Some(Utf8::default()), &[*first, *second, third]);
                for fourth in 0..=255 {
                    let octets = [*first, *second, third, fourth];
                    let expected = match std::str::from_utf8(&octets) {
                        Ok(_) => Some(true),
                        Err(error) => error.error_len().is_none().then_some(false),
                    };
                    let found = [
                        verdict(pushed(Some(Utf8::default()), &octets)),
                        verdict(pushed(one, &octets[1..])),
                        verdict(pushed(two, &octets[2..])),
                        verdict(pushed(three, &octets[3..])),
                    ];
                    count += 4;
                    if found != [expected; 4] && faults.len() < 20 {
                        faults.push(format!("{octets:x?}: {found:?}, not {expected:?}"));
                    }
                }
            }
        }
    }
    (count, faults)
}

#[cfg(test)]
mod tests {
    #[test]
    fn leads_that_decide_with_every_end() {
        let row = super::utf8(false);
        assert!(row.faults.is_empty(), "{:#?}", row.faults);
        assert_eq!(row.figure, 4 * 8 * 65_536 * 4);
    }
}
