//! What a proxy adds to a field is read the same whatever a client wrote before it.

use std::str::FromStr;
use wireline::wire::forwarded::{Node, elements, members};

/// Input: what a client wrote.
///
/// # Panics
///
/// When it changes what comes behind it, or when an address is read that the standard library does not read.
pub fn forwarded(data: &[u8]) {
    for added in [
        &b"for=192.0.2.1;proto=https"[..],
        b"for=\"[2001:db8::1]:80\";x=\"a,\\\"b\"",
    ] {
        let alone = elements(added).next();
        assert!(matches!(alone, Some(Some(_))));
        let line = [data, b", ", added].concat();
        let mut found = elements(&line);
        assert_eq!(found.next(), alone);
        // The rest is what the client's words are alone.
        assert!(found.eq(elements(data)));
    }
    for added in ["192.0.2.1", "[2001:db8::1]:80"] {
        let line = [data, b",", added.as_bytes()].concat();
        let mut found = members(&line);
        assert_eq!(found.next(), members(added.as_bytes()).next());
        assert!(found.eq(members(data)));
    }
    let count = members(data).count();
    assert!(count <= data.len());
    for member in data.split(|octet| *octet == b',') {
        let text = String::from_utf8_lossy(member);
        let text = text.trim_matches([' ', '\t']);
        let read = members(member).next();
        if let Ok(address) = std::net::IpAddr::from_str(text) {
            assert_eq!(read, Some(Some(Node::Address(address, None))), "{text}");
        }
        if let Ok(address) = std::net::SocketAddr::from_str(text)
            && !text.contains('%')
            // A port of ours has no leading zeros.
            && text.ends_with(&format!(":{}", address.port()))
        {
            let node = Node::Address(address.ip(), Some(address.port()));
            assert_eq!(read, Some(Some(node)), "{text}");
        }
    }
    // As far as elements are well-formed, each is its own reading.
    for element in elements(data).map_while(|element| element) {
        if let Node::Obfuscated(name) = &element.node {
            assert!(name.starts_with(b"_") && name.len() > 1);
        }
    }
}
