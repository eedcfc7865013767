//! Just enough of RFC 6455 for a floor: the accept key, the frame header, unmasking.

/// A complete masked frame at the start of a buffer.
pub struct Frame {
    /// The first byte: FIN, the reserved bits and the opcode.
    pub first: u8,
    pub mask: [u8; 4],
    /// Where the payload begins.
    pub payload: usize,
    /// Where the frame ends.
    pub end: usize,
}

/// The frame at the start of `bytes`, when all of it is there (RFC 6455 §5.2).
pub fn next(bytes: &[u8]) -> Option<Frame> {
    if bytes.len() < 6 {
        return None;
    }
    let (at, length) = match bytes[1] & 127 {
        126 => (
            4,
            usize::from(u16::from_be_bytes(*bytes[2..].first_chunk()?)),
        ),
        127 => (
            10,
            usize::try_from(u64::from_be_bytes(*bytes[2..].first_chunk()?)).ok()?,
        ),
        short => (2, usize::from(short)),
    };
    let mask = *bytes.get(at..)?.first_chunk()?;
    let payload = at + 4;
    let end = payload.checked_add(length)?;
    (bytes.len() >= end).then_some(Frame {
        first: bytes[0],
        mask,
        payload,
        end,
    })
}

/// The number that the first four octets of a masked payload are.
pub fn topic(payload: &[u8], mask: [u8; 4]) -> usize {
    let digits = payload.iter().zip(mask).map(|(octet, key)| octet ^ key);
    digits.fold(0, |number, digit| {
        number * 10 + usize::from(digit.wrapping_sub(b'0') % 10)
    })
}

/// Appends an unmasked frame whose payload is `payload` xor `mask`.
pub fn push(out: &mut Vec<u8>, first: u8, mask: [u8; 4], payload: &[u8]) {
    out.push(first);
    match payload.len() {
        short @ 0..126 => out.push(short as u8),
        medium @ 126..65_536 => {
            out.push(126);
            out.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            out.push(127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    let at = out.len();
    out.extend_from_slice(payload);
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = out[at..].as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

/// The value of Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 §4.2.2).
pub fn accept(key: &str) -> String {
    base64(&sha1(
        format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes(),
    ))
}

fn sha1(data: &[u8]) -> [u8; 20] {
    let mut state = [
        0x6745_2301_u32,
        0xEFCD_AB89,
        0x98BA_DCFE,
        0x1032_5476,
        0xC3D2_E1F0,
    ];
    let mut message = data.to_vec();
    message.push(0x80);
    while message.len() % 64 != 56 {
        message.push(0);
    }
    message.extend_from_slice(&(data.len() as u64 * 8).to_be_bytes());
    let (words, _) = message.as_chunks::<4>();
    for block in words.chunks_exact(16) {
        let mut schedule = [0_u32; 80];
        for (word, bytes) in schedule.iter_mut().zip(block) {
            *word = u32::from_be_bytes(*bytes);
        }
        for at in 16..80 {
            schedule[at] =
                (schedule[at - 3] ^ schedule[at - 8] ^ schedule[at - 14] ^ schedule[at - 16])
                    .rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (at, word) in schedule.iter().enumerate() {
            let (mix, constant) = match at / 20 {
                0 => ((b & c) | (!b & d), 0x5A82_7999),
                1 => (b ^ c ^ d, 0x6ED9_EBA1),
                2 => ((b & c) | (b & d) | (c & d), 0x8F1B_BCDC),
                _ => (b ^ c ^ d, 0xCA62_C1D6),
            };
            let next = a
                .rotate_left(5)
                .wrapping_add(mix)
                .wrapping_add(e)
                .wrapping_add(constant)
                .wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (sum, value) in state.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(value);
        }
    }
    let mut digest = [0; 20];
    for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    digest
}

fn base64(data: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in data.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let sextet = (bits >> (18 - 6 * at)) as usize & 63;
            text.push(if at <= three.len() {
                char::from(ALPHABET[sextet])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rfc_key_gives_the_rfc_answer() {
        assert_eq!(
            accept("dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn a_masked_frame_comes_back_unmasked() {
        let masked = [
            0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ];
        let frame = next(&masked).expect("a whole frame");
        let mut out = Vec::new();
        push(
            &mut out,
            frame.first,
            frame.mask,
            &masked[frame.payload..frame.end],
        );
        assert_eq!(out, b"\x81\x05Hello");
        assert!(next(&masked[..masked.len() - 1]).is_none());
    }
}
