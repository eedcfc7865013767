//! The header of the PROXY protocol, versions 1 and 2: who the client of a proxy is, said once, before anything else.
//!
//! ```text
//!   version 1   PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 CRLF
//!   version 2   signature (12) | version, command | family, transport | length (2) | addresses | TLVs
//!                                                                                    '-- length octets --'
//! ```
//!
//! The header comes from a proxy that is trusted, and decides whom everything after it is charged to: it is read
//! strictly, and what is no header ends the connection. Where a rule is cited, "the specification" is "The PROXY
//! protocol, versions 1 & 2", section 2.

use crate::wire::ip;
use bytes::BytesMut;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Reads one header, however it was cut into reads.
///
/// ```
/// use bytes::BytesMut;
/// use wireline::wire::proxy::{ProxyDecoder, ProxyHeader};
///
/// let mut octets = BytesMut::from("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET / ");
/// let Ok(Some(ProxyHeader::Inet { source, .. })) = ProxyDecoder::default().decode(&mut octets) else { panic!() };
/// assert_eq!(source.to_string(), "192.0.2.1:56324");
/// assert_eq!(&octets[..], b"GET / ");
/// ```
#[derive(Debug)]
pub struct ProxyDecoder {
    /// How many octets have been looked at, all of them part of the header.
    seen: usize,
    most: usize,
}

/// What a header says.
///
/// ```
/// use bytes::BytesMut;
/// use wireline::wire::proxy::{ProxyDecoder, ProxyHeader};
///
/// let mut octets = BytesMut::from("PROXY UNKNOWN\r\n");
/// // A health check of the proxy itself: the socket's addresses count.
/// assert_eq!(ProxyDecoder::default().decode(&mut octets), Ok(Some(ProxyHeader::Own)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// The addresses of the connection are those of the socket: the proxy speaks for itself (`LOCAL`, a health check
    /// for one), or does not know them (`UNKNOWN`, `AF_UNSPEC`).
    Own,
    /// The client's address, and the one that it connected to.
    Inet {
        /// The client's.
        source: SocketAddr,
        /// Where the client connected to.
        destination: SocketAddr,
    },
    /// The client connected to a Unix domain socket.
    Unix,
}

/// Why a header is none.
///
/// ```
/// use bytes::BytesMut;
/// use wireline::wire::proxy::{ProxyDecoder, ProxyError};
///
/// let decode = |octets: &str| ProxyDecoder::default().decode(&mut BytesMut::from(octets));
/// assert_eq!(decode("GET / HTTP/1.1\r\n"), Err(ProxyError::NoHeader));
/// assert_eq!(decode("PROXY TCP4 192.0.2.01 198.51.100.7 1 2\r\n"), Err(ProxyError::Malformed));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyError {
    /// It begins with neither version's signature.
    NoHeader,
    /// It begins like one and goes on otherwise.
    Malformed,
    /// It is longer than it may be.
    TooLong,
    /// Its checksum is not that of its octets.
    Checksum,
}

impl ProxyDecoder {
    /// Headers of version 2 may have at most so many octets, 16 to 65,551. Default 4,096. Those of version 1 have at
    /// most 107.
    pub const fn new(most: usize) -> Self {
        Self { seen: 0, most }
    }

    /// How many octets the header still has at the least, when `octets` are here and [`decode`](Self::decode) wants
    /// more: whoever reads no more than that never reads what comes after it.
    pub fn missing(octets: &[u8]) -> usize {
        let whole = match octets {
            [b'\r', ..] => match octets.get(LENGTH_AT..FIXED) {
                Some(length) => FIXED + usize::from(u16::from_be_bytes([length[0], length[1]])),
                None => FIXED,
            },
            // Whoever sees a family knows what its shortest addresses are.
            [b'P', ..] if octets.starts_with(b"PROXY TCP4 ") => SHORTEST_TCP4,
            [b'P', ..] if octets.starts_with(b"PROXY TCP6 ") => SHORTEST_TCP6,
            _ => SHORTEST,
        };
        let end = if octets.ends_with(b"\r") { 1 } else { 2 };
        whole
            .saturating_sub(octets.len())
            .max(if octets.first() == Some(&b'\r') {
                1
            } else {
                end
            })
    }

    /// Takes the header from the front of `octets`, and nothing else; `None` when it is not here whole, and nothing
    /// is taken.
    ///
    /// # Errors
    ///
    /// As soon as it is clear that there is no header that is to be taken.
    pub fn decode(&mut self, octets: &mut BytesMut) -> Result<Option<ProxyHeader>, ProxyError> {
        let found = match octets.first() {
            None => return Ok(None),
            Some(b'P') => self.version_1(octets)?,
            Some(_) => self.version_2(octets)?,
        };
        Ok(found.map(|(header, len)| {
            drop(octets.split_to(len));
            self.seen = 0;
            header
        }))
    }

    fn version_1(&mut self, octets: &[u8]) -> Result<Option<(ProxyHeader, usize)>, ProxyError> {
        let known = octets.len().min(PROXY.len());
        if octets[..known] != PROXY[..known] {
            return Err(ProxyError::NoHeader);
        }
        let from = self.seen.max(1);
        let line_end = octets
            .iter()
            .take(LONGEST_LINE)
            .skip(from)
            .position(|octet| *octet == b'\n')
            .map(|at| from + at);
        let Some(end) = line_end else {
            self.seen = octets.len();
            return if octets.len() >= LONGEST_LINE {
                Err(ProxyError::TooLong)
            } else {
                Ok(None)
            };
        };
        let line = octets[..end]
            .strip_suffix(b"\r")
            .and_then(|line| line.strip_prefix(PROXY));
        let header = line.and_then(read_line).ok_or(ProxyError::Malformed)?;
        Ok(Some((header, end + 1)))
    }

    fn version_2(&mut self, octets: &[u8]) -> Result<Option<(ProxyHeader, usize)>, ProxyError> {
        let known = octets.len().min(SIGNATURE.len());
        if octets[..known] != SIGNATURE[..known] {
            return Err(ProxyError::NoHeader);
        }
        let Some((fixed, rest)) = octets.split_at_checked(FIXED) else {
            return Ok(None);
        };
        let is_local = match fixed[COMMAND_AT] {
            0x20 => true,
            0x21 => false,
            _ => return Err(ProxyError::Malformed),
        };
        let length = usize::from(u16::from_be_bytes([fixed[LENGTH_AT], fixed[LENGTH_AT + 1]]));
        if FIXED + length > self.most {
            return Err(ProxyError::TooLong);
        }
        // Whatever the rest is, this is known already.
        let addresses = match fixed[FAMILY_AT] {
            // "The receiver must accept ... and must use the real connection endpoints and must discard the protocol
            // block, including the family which is ignored."
            _ if is_local => 0,
            UNSPEC => 0,
            TCP_IPV4 | UDP_IPV4 => 12,
            TCP_IPV6 | UDP_IPV6 => 36,
            UNIX_STREAM | UNIX_DATAGRAM => 216,
            _ => return Err(ProxyError::Malformed),
        };
        if length < addresses {
            return Err(ProxyError::Malformed);
        }
        let Some(block) = rest.get(..length) else {
            self.seen = octets.len();
            return Ok(None);
        };
        let header = if is_local {
            ProxyHeader::Own
        } else {
            read_block(fixed[FAMILY_AT], block).ok_or(ProxyError::Malformed)?
        };
        if !is_local {
            // Addresses of no family have no end of their own: what TLVs they may have, nobody can find.
            let is_unspecified = fixed[FAMILY_AT] == UNSPEC;
            let tlvs = if is_unspecified {
                &[]
            } else {
                &block[addresses..]
            };
            check_tlvs(tlvs, &octets[..FIXED + length])?;
        }
        Ok(Some((header, FIXED + length)))
    }
}

impl Default for ProxyDecoder {
    fn default() -> Self {
        Self::new(4096)
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoHeader => "no header of the PROXY protocol",
            Self::Malformed => "a malformed header of the PROXY protocol",
            Self::TooLong => "a header of the PROXY protocol that is too long",
            Self::Checksum => "a header of the PROXY protocol with a wrong checksum",
        })
    }
}

impl std::error::Error for ProxyError {}

/// What stands behind `PROXY ` (the specification, 2.1).
fn read_line(line: &[u8]) -> Option<ProxyHeader> {
    // "The receiver must ignore anything presented before the CRLF is found" behind UNKNOWN.
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Some(ProxyHeader::Own);
    }
    let mut words = line.split(|octet| *octet == b' ');
    let family = words.next()?;
    let address = |text: &[u8]| match family {
        b"TCP4" => ip::ipv4(text).map(IpAddr::V4),
        b"TCP6" => ip::ipv6(text).map(IpAddr::V6),
        _ => None,
    };
    let (source, destination) = (address(words.next()?)?, address(words.next()?)?);
    let (from, to) = (ip::port(words.next()?)?, ip::port(words.next()?)?);
    words.next().is_none().then(|| ProxyHeader::Inet {
        source: (source, from).into(),
        destination: (destination, to).into(),
    })
}

/// The addresses of version 2. Those of datagrams stand for clients of QUIC, whose streams come over a connection.
fn read_block(family: u8, block: &[u8]) -> Option<ProxyHeader> {
    let port = |at: usize| Some(u16::from_be_bytes(block.get(at..at + 2)?.try_into().ok()?));
    match family {
        TCP_IPV4 | UDP_IPV4 => {
            let address = |at: usize| {
                let octets: [u8; 4] = block.get(at..at + 4)?.try_into().ok()?;
                Some(Ipv4Addr::from(octets))
            };
            Some(ProxyHeader::Inet {
                source: (address(0)?, port(8)?).into(),
                destination: (address(4)?, port(10)?).into(),
            })
        }
        TCP_IPV6 | UDP_IPV6 => {
            let address = |at: usize| {
                let octets: [u8; 16] = block.get(at..at + 16)?.try_into().ok()?;
                Some(Ipv6Addr::from(octets))
            };
            Some(ProxyHeader::Inet {
                source: (address(0)?, port(32)?).into(),
                destination: (address(16)?, port(34)?).into(),
            })
        }
        UNIX_STREAM | UNIX_DATAGRAM => Some(ProxyHeader::Unix),
        _ => Some(ProxyHeader::Own),
    }
}

/// Goes over the TLVs, which have to fill what they stand in, and verifies the checksum if there is one (the
/// specification, 2.2.3). Nothing else in them is of use here.
fn check_tlvs(mut tlvs: &[u8], header: &[u8]) -> Result<(), ProxyError> {
    while let [kind, high, low, rest @ ..] = tlvs {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((value, after)) = rest.split_at_checked(length) else {
            return Err(ProxyError::Malformed);
        };
        if *kind == TLV_CRC32C {
            let told: [u8; 4] = value.try_into().map_err(|_| ProxyError::Malformed)?;
            let (before, after) = (header.len() - rest.len(), after.len());
            let parts = [&header[..before], &[0; 4], &header[header.len() - after..]];
            if crc32c(&parts) != u32::from_be_bytes(told) {
                return Err(ProxyError::Checksum);
            }
        }
        tlvs = after;
    }
    if tlvs.is_empty() {
        Ok(())
    } else {
        Err(ProxyError::Malformed)
    }
}

/// The checksum of RFC 9260, appendix A, over the parts in a row.
fn crc32c(parts: &[&[u8]]) -> u32 {
    let mut crc = u32::MAX;
    for octet in parts.iter().copied().flatten() {
        crc ^= u32::from(*octet);
        for _ in 0..8 {
            let carry = (crc & 1).wrapping_neg();
            crc = crc >> 1 ^ CASTAGNOLI & carry;
        }
    }
    !crc
}

const PROXY: &[u8] = b"PROXY ";
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// With its CRLF (the specification, 2.1).
const LONGEST_LINE: usize = 107;

/// `PROXY UNKNOWN` and its CRLF; a header of version 2 is longer.
const SHORTEST: usize = 15;
/// `PROXY TCP4 1.1.1.1 1.1.1.1 1 1` and its CRLF.
const SHORTEST_TCP4: usize = 32;
/// `PROXY TCP6 :: :: 1 1` and its CRLF.
const SHORTEST_TCP6: usize = 22;

const COMMAND_AT: usize = 12;
const FAMILY_AT: usize = 13;
const LENGTH_AT: usize = 14;
const FIXED: usize = 16;

const UNSPEC: u8 = 0x00;
const TCP_IPV4: u8 = 0x11;
const UDP_IPV4: u8 = 0x12;
const TCP_IPV6: u8 = 0x21;
const UDP_IPV6: u8 = 0x22;
const UNIX_STREAM: u8 = 0x31;
const UNIX_DATAGRAM: u8 = 0x32;

const TLV_CRC32C: u8 = 0x03;

/// The polynomial, its lowest bit first.
const CASTAGNOLI: u32 = 0x82f6_3b78;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_rfcs() {
        // RFC 3720, B.4.
        assert_eq!(crc32c(&[&[0; 32]]), 0x8a91_36aa);
        assert_eq!(crc32c(&[&[0xff; 16], &[0xff; 16]]), 0x62a8_ab43);
        let rising: Vec<u8> = (0..32).collect();
        assert_eq!(crc32c(&[&rising]), 0x46dd_794e);
        assert_eq!(crc32c(&[b"1234", b"56789"]), 0xe306_9283);
    }

    #[test]
    fn what_is_missing_is_never_more_than_there_is() {
        let mut version_2 = SIGNATURE.to_vec();
        version_2.extend_from_slice(&[0x21, 0x11, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4]);
        for whole in [
            b"PROXY UNKNOWN\r\n".to_vec(),
            b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n".to_vec(),
            b"PROXY TCP6 :: :: 1 1\r\n".to_vec(),
            b"PROXY TCP4 192.168.100.100 192.168.100.101 56324 443\r\n".to_vec(),
            version_2,
        ] {
            let (mut here, mut reads) = (BytesMut::new(), 0);
            let mut decoder = ProxyDecoder::default();
            while decoder.decode(&mut here).unwrap().is_none() {
                let (from, missing) = (here.len(), ProxyDecoder::missing(&here));
                assert!(missing > 0);
                here.extend_from_slice(&whole[from..from + missing]);
                reads += 1;
            }
            assert!(here.is_empty() && reads <= 24, "{reads}");
        }
    }
}
