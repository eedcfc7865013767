//! IP addresses and networks as text (RFC 3986 §3.2.2, RFC 4291 §2.2, RFC 4632 §3.1).

use crate::wire::number;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Reads an address of either version, without brackets, port or zone (RFC 3986 §3.2.2).
///
/// ```
/// use wireline::wire::ip::ip;
///
/// assert_eq!(ip(b"192.0.2.1"), Some([192, 0, 2, 1].into()));
/// assert_eq!(ip(b"192.0.2.01"), None);
/// ```
pub fn ip(text: &[u8]) -> Option<IpAddr> {
    if text.contains(&b':') {
        ipv6(text).map(IpAddr::V6)
    } else {
        ipv4(text).map(IpAddr::V4)
    }
}

/// Reads four decimal numbers from 0 to 255 without leading zeros, which some read as octal (RFC 3986 §3.2.2).
///
/// ```
/// use wireline::wire::ip::ipv4;
///
/// assert_eq!(ipv4(b"192.0.2.1"), Some([192, 0, 2, 1].into()));
/// assert_eq!(ipv4(b"192.0.2.01"), None);
/// assert_eq!(ipv4(b"192.0.513"), None);
/// ```
pub fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut parts = text.split(|octet| *octet == b'.');
    for octet in &mut octets {
        *octet = u8::try_from(number::decimal(parts.next()?)?).ok()?;
    }
    parts.next().is_none().then(|| octets.into())
}

/// Reads eight groups of hexadecimal digits, of which a run of zeros may be `::` and the last two an IPv4 address
/// (RFC 4291 §2.2).
///
/// ```
/// use wireline::wire::ip::ipv6;
///
/// assert_eq!(ipv6(b"::1").unwrap().to_string(), "::1");
/// assert_eq!(ipv6(b"2001:db8::192.0.2.1").unwrap().to_string(), "2001:db8::c000:201");
/// // Without brackets, and without a zone.
/// assert_eq!(ipv6(b"fe80::1%eth0"), None);
/// ```
pub fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    let mut all = [0; GROUPS];
    let Some(gap) = text.windows(2).position(|pair| pair == b"::") else {
        return (groups(text, true, &mut all)? == GROUPS).then(|| all.into());
    };
    let (before, after) = (&text[..gap], &text[gap + 2..]);
    let mut tail = [0; GROUPS];
    let (first, last) = (
        groups(before, false, &mut all)?,
        groups(after, true, &mut tail)?,
    );
    // `::` stands for one group at the least.
    if first + last >= GROUPS {
        return None;
    }
    all[GROUPS - last..].copy_from_slice(&tail[..last]);
    Some(all.into())
}

/// Reads groups with colons between them; gives how many there are. Nothing at all is none.
fn groups(text: &[u8], may_end_in_ipv4: bool, into: &mut [u16; GROUPS]) -> Option<usize> {
    if text.is_empty() {
        return Some(0);
    }
    let mut count = 0;
    let mut rest = Some(text);
    while let Some(text) = rest {
        let colon = text.iter().position(|octet| *octet == b':');
        let (group, after) = match colon {
            Some(colon) => (&text[..colon], Some(&text[colon + 1..])),
            None => (text, None),
        };
        if after.is_none() && may_end_in_ipv4 && group.contains(&b'.') {
            let [a, b, c, d] = ipv4(group)?.octets();
            *into.get_mut(count)? = u16::from_be_bytes([a, b]);
            *into.get_mut(count + 1)? = u16::from_be_bytes([c, d]);
            return Some(count + 2);
        }
        if group.is_empty() || group.len() > 4 {
            return None;
        }
        let mut value = 0;
        for digit in group {
            value = value << 4 | u16::from(number::hex_digit(*digit)?);
        }
        *into.get_mut(count)? = value;
        count += 1;
        rest = after;
    }
    Some(count)
}

/// A port: decimal, at most 65,535 (RFC 3986 §3.2.3, RFC 9293 §3.1).
///
/// ```
/// use wireline::wire::ip::port;
///
/// assert_eq!(port(b"8000"), Some(8000));
/// assert_eq!(port(b"65536"), None);
/// assert_eq!(port(b"+80"), None);
/// ```
pub fn port(text: &[u8]) -> Option<u16> {
    u16::try_from(number::decimal(text)?).ok()
}

/// What one client has of the network at the least, as the first address of it: an IPv4 address, or the first 64 bits of an IPv6 address,
/// of which one customer has all others.
pub(crate) fn client(address: IpAddr) -> IpAddr {
    beginning(address, 32, 64)
}

/// An address with so many of its first bits alone. One that is mapped into IPv6 is the IPv4 address.
pub(crate) fn beginning(address: IpAddr, of_ipv4: u32, of_ipv6: u32) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(of_ipv4));
            Ipv4Addr::from_bits(address.to_bits() & mask.unwrap_or_default()).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(of_ipv6));
            Ipv6Addr::from_bits(address.to_bits() & mask.unwrap_or_default()).into()
        }
    }
}

/// The addresses that begin with the same bits (RFC 4632 §3.1, RFC 4291 §2.3).
///
/// IPv4 addresses that are mapped into IPv6 (`::ffff:192.0.2.1`), as a listener for both versions sees them, are the
/// IPv4 addresses that they stand for.
///
/// ```
/// use wireline::wire::ip::Network;
///
/// let network = Network::read(b"10.0.0.0/8").unwrap();
/// assert!(network.contains([10, 1, 2, 3].into()));
/// assert!(!network.contains([11, 1, 2, 3].into()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads `address/bits`, or an address, which is a network of its own. Bits of the address beyond those that
    /// count mean nothing.
    pub fn read(text: &[u8]) -> Option<Self> {
        let slash = text.iter().position(|octet| *octet == b'/');
        let (address, bits) = match slash {
            Some(slash) => (&text[..slash], Some(number::decimal(&text[slash + 1..])?)),
            None => (text, None),
        };
        let address = ip(address)?;
        let bits = match bits {
            Some(bits) => u8::try_from(bits)
                .ok()
                .filter(|bits| *bits <= width(address))?,
            None => width(address),
        };
        Some(match (address, address.to_canonical()) {
            (IpAddr::V6(_), first @ IpAddr::V4(_)) if bits >= MAPPED => Self {
                first,
                bits: bits - MAPPED,
            },
            (first, _) => Self { first, bits },
        })
    }

    /// Whether the address is one of this network.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let differing = first.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let differing = first.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

const GROUPS: usize = 8;

/// How many bits of a mapped address come before those of IPv4 (RFC 4291 §2.5.5.2).
const MAPPED: u8 = 96;

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    #[test]
    fn a_client_has_64_bits_of_ipv6() {
        let read = |text: &str| ip(text.as_bytes()).unwrap();
        for (address, of_client, beginning_of) in [
            ("192.0.2.1", "192.0.2.1", "192.0.0.0"),
            ("::ffff:192.0.2.1", "192.0.2.1", "192.0.0.0"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::", "2001:db8::"),
            ("::1", "::", "::"),
        ] {
            assert_eq!(client(read(address)), read(of_client), "{address}");
            assert_eq!(
                beginning(read(address), 16, 32),
                read(beginning_of),
                "{address}"
            );
        }
        assert_eq!(beginning(read("192.0.2.1"), 0, 0), read("0.0.0.0"));
        assert_eq!(beginning(read("2001:db8::1"), 0, 0), read("::"));
        assert_eq!(beginning(read("2001:db8::1"), 32, 128), read("2001:db8::1"));
    }

    #[test]
    fn the_standard_library_reads_the_same() {
        // All texts up to five characters of these, and longer ones made of pieces.
        let mut texts = vec![String::new()];
        let mut from = 0;
        for _ in 0..5 {
            let to = texts.len();
            for at in from..to {
                for character in [":", ".", "0", "7", "f"] {
                    let text = format!("{}{character}", texts[at]);
                    texts.push(text);
                }
            }
            from = to;
        }
        for before in 0..10 {
            for after in 0..10 {
                for end in ["", "1.2.3.4", ":1.2.3.4", "1.2.3.4:", "12345", "%1", "::"] {
                    let (left, right) = (vec!["ab"; before].join(":"), vec!["cd"; after].join(":"));
                    texts.push(format!("{left}::{right}{end}"));
                    texts.push(format!("{left}:{right}{end}"));
                }
            }
        }
        for text in [
            "255.255.255.255",
            "256.0.0.1",
            "1.2.3",
            "1.2.3.4.5",
            "+1.2.3.4",
            "01.2.3.4",
            "1.2.3.4 ",
            "::ffff:1.2.3.4",
            "1.2.3.4::",
            "[::1]",
            "١.2.3.4",
        ] {
            texts.push(text.to_owned());
        }
        for text in texts {
            assert_eq!(ip(text.as_bytes()), IpAddr::from_str(&text).ok(), "{text}");
        }
    }

    #[test]
    fn networks_hold_what_begins_like_them() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.1.2.3/8", "10.255.0.1", "11.0.0.0"),
            ("192.0.2.128/25", "192.0.2.255", "192.0.2.127"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("0.0.0.0/0", "255.1.2.3", "::1"),
            ("::/0", "2001:db8::1", "1.2.3.4"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
            ("::1", "::1", "::2"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::10.1.2.3"),
            ("::ffff:10.0.0.0/104", "10.1.2.3", "11.1.2.3"),
        ] {
            let read = Network::read(network.as_bytes()).unwrap();
            assert!(
                read.contains(IpAddr::from_str(inside).unwrap()),
                "{network} {inside}"
            );
            assert!(
                !read.contains(IpAddr::from_str(outside).unwrap()),
                "{network} {outside}"
            );
        }
        for text in [
            "",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "10/8",
            "a",
            "10.0.0.0/8/8",
        ] {
            assert_eq!(Network::read(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn ports() {
        for (text, value) in [
            ("0", Some(0)),
            ("65535", Some(65535)),
            ("65536", None),
            ("", None),
            ("080", None),
        ] {
            assert_eq!(port(text.as_bytes()), value, "{text}");
        }
    }
}
