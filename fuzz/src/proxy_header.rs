//! A header of the PROXY protocol is read as its specification reads it, however it is cut, and nothing behind it is
//! touched.

use super::input::{Input, pieces};
use bytes::BytesMut;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use wireline::wire::number;
use wireline::wire::proxy::{ProxyDecoder, ProxyError, ProxyHeader};

/// Input: one octet (how many cut lengths follow), the cut lengths, what a proxy sends.
///
/// # Panics
///
/// When a plain reading gives other addresses or another end of the header, or when a cut matters.
pub fn proxy_header(data: &[u8]) {
    let mut input = Input(data);
    let lengths = input.string(8);
    let octets = input.0;
    let whole = decode(&[octets]);
    let lengths = if lengths.is_empty() { &[1] } else { lengths };
    assert_eq!(
        decode(&pieces(octets, lengths)),
        whole,
        "cut by {lengths:?}"
    );
    assert_eq!(as_it_is_read(octets), whole, "read by what is missing");
    match whole {
        Ok(Some((header, len))) => {
            let expected = plain(octets);
            assert_eq!(Some((header, len)), expected);
            // The same again, and nothing of what comes behind.
            assert_eq!(decode(&[&octets[..len]]), whole);
            assert!(matches!(decode(&[&octets[..len - 1]]), Ok(None)));
        }
        Ok(None) => assert!(octets.len() < 4096),
        // A plain reading does not know checksums; there may be something else that it refuses.
        Err(ProxyError::Checksum) => {}
        Err(_) => assert_eq!(plain(octets), None),
    }
}

/// What a header says, and where it ends.
type Found = Result<Option<(ProxyHeader, usize)>, ProxyError>;

fn decode(pieces: &[&[u8]]) -> Found {
    let (mut decoder, mut octets, mut received) = (ProxyDecoder::default(), BytesMut::new(), 0);
    for piece in pieces {
        octets.extend_from_slice(piece);
        received += piece.len();
        if let Some(header) = decoder.decode(&mut octets)? {
            return Ok(Some((header, received - octets.len())));
        }
        assert_eq!(octets.len(), received);
    }
    Ok(None)
}

/// As a connection reads: never more than is missing.
fn as_it_is_read(all: &[u8]) -> Found {
    let (mut decoder, mut octets, mut received) = (ProxyDecoder::default(), BytesMut::new(), 0);
    loop {
        if let Some(header) = decoder.decode(&mut octets)? {
            assert!(octets.is_empty(), "it read further");
            return Ok(Some((header, received)));
        }
        let missing = ProxyDecoder::missing(&octets);
        assert!(missing > 0);
        let piece = &all[received..all.len().min(received + missing)];
        if piece.is_empty() {
            return Ok(None);
        }
        octets.extend_from_slice(piece);
        received += piece.len();
    }
}

/// Sections 2.1 and 2.2 of the specification, for a header that is here whole; its checksum is not verified.
fn plain(octets: &[u8]) -> Option<(ProxyHeader, usize)> {
    if let Some(rest) = octets.strip_prefix(b"\r\n\r\n\0\r\nQUIT\n") {
        let [command @ (0x20 | 0x21), family, high, low, rest @ ..] = rest else {
            return None;
        };
        let len = usize::from(*high) << 8 | usize::from(*low);
        let block = rest.get(..len).filter(|_| len <= 4080)?;
        return Some((plain_block(*command, *family, block)?, 16 + len));
    }
    let line = &octets[..octets.len().min(107)];
    let end = line.iter().position(|octet| *octet == b'\n')?;
    let line = std::str::from_utf8(&line[..end]);
    let unknown = octets.starts_with(b"PROXY UNKNOWN") && matches!(octets[13], b' ' | b'\r');
    if unknown && octets[end - 1] == b'\r' && (octets[13] == b' ' || end == 14) {
        return Some((ProxyHeader::Own, end + 1));
    }
    let words: Vec<&str> = line
        .ok()?
        .strip_prefix("PROXY ")?
        .strip_suffix('\r')?
        .split(' ')
        .collect();
    let [family, source, destination, from, to] = words[..] else {
        return None;
    };
    let address = |text: &str| {
        let is_of_family = match family {
            "TCP4" => |ip: &IpAddr| ip.is_ipv4(),
            "TCP6" => |ip: &IpAddr| ip.is_ipv6(),
            _ => return None,
        };
        IpAddr::from_str(text).ok().filter(is_of_family)
    };
    let port = |text: &str| u16::try_from(number::decimal(text.as_bytes())?).ok();
    let header = ProxyHeader::Inet {
        source: SocketAddr::new(address(source)?, port(from)?),
        destination: SocketAddr::new(address(destination)?, port(to)?),
    };
    Some((header, end + 1))
}

fn plain_block(command: u8, family: u8, block: &[u8]) -> Option<ProxyHeader> {
    if command == 0x20 || family == 0 {
        return Some(ProxyHeader::Own);
    }
    let port = |at: usize| u16::from(block[at]) << 8 | u16::from(block[at + 1]);
    let (header, mut tlvs) = match (family, block.len()) {
        (0x11 | 0x12, 12..) => {
            let ip = |at: usize| {
                IpAddr::V4(Ipv4Addr::new(
                    block[at],
                    block[at + 1],
                    block[at + 2],
                    block[at + 3],
                ))
            };
            let (source, destination) = ((ip(0), port(8)).into(), (ip(4), port(10)).into());
            (
                ProxyHeader::Inet {
                    source,
                    destination,
                },
                &block[12..],
            )
        }
        (0x21 | 0x22, 36..) => {
            let ip = |at: usize| {
                let groups: [u16; 8] = std::array::from_fn(|group| port(at + 2 * group));
                IpAddr::V6(Ipv6Addr::from(groups))
            };
            let (source, destination) = ((ip(0), port(32)).into(), (ip(16), port(34)).into());
            (
                ProxyHeader::Inet {
                    source,
                    destination,
                },
                &block[36..],
            )
        }
        (0x31 | 0x32, 216..) => (ProxyHeader::Unix, &block[216..]),
        _ => return None,
    };
    while !tlvs.is_empty() {
        let [kind, high, low, rest @ ..] = tlvs else {
            return None;
        };
        let len = usize::from(*high) << 8 | usize::from(*low);
        if rest.len() < len || (*kind == 3 && len != 4) {
            return None;
        }
        tlvs = &rest[len..];
    }
    Some(header)
}
