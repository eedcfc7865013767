//! How a successor knows a listener again.

use crate::server::bind::Bind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a listener was asked for as. Its address is not enough: port 0 has become another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct Asked {
    /// The place in words. Two of a process may be the same.
    pub(super) place: Arc<str>,
    /// Which of them came first.
    pub(super) order: u64,
}

impl Asked {
    pub(in crate::server) fn of(bind: &Bind) -> Self {
        Self {
            place: place(bind).into(),
            order: NEXT.fetch_add(1, Ordering::Relaxed),
        }
    }
}

fn place(bind: &Bind) -> String {
    match bind {
        Bind::Tcp(addrs) => format!("tcp {addrs:?}"),
        Bind::Unix(path) => unix(path),
        // Whoever listened there by himself may leave it to us the next time.
        Bind::Listener(listener) => {
            let addrs: Vec<_> = listener.local_addr().into_iter().collect();
            format!("tcp {addrs:?}")
        }
        Bind::UnixListener(listener) => {
            let addr = listener.local_addr().ok();
            let path = addr.as_ref().and_then(|addr| addr.as_pathname());
            path.map_or_else(|| "unix".to_owned(), unix)
        }
        Bind::Inherited => "inherited".to_owned(),
        Bind::Proxied(bind, _) => place(bind),
        Bind::Invalid(text) => format!("invalid {text:?}"),
    }
}

/// Quoted, so that it is one line whatever is in it.
fn unix(path: &Path) -> String {
    format!("unix {path:?}")
}

static NEXT: AtomicU64 = AtomicU64::new(0);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::bind::IntoBind;
    use crate::server::proxied::ProxyProtocol;

    #[test]
    fn places_are_lines_and_know_their_order() {
        for (bind, place) in [
            ("127.0.0.1:0".into_bind(), "tcp [127.0.0.1:0]"),
            (":80".into_bind(), "tcp [0.0.0.0:80]"),
            ("unix:/a\nb".into_bind(), "unix \"/a\\nb\""),
            ("systemd".into_bind(), "inherited"),
            (
                "[::1]:9".behind_proxy(ProxyProtocol::from_sources(["::1"]).unwrap()),
                "tcp [[::1]:9]",
            ),
        ] {
            assert_eq!(&*Asked::of(&bind).place, place);
        }
        let open = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = open.local_addr().unwrap();
        let (first, second) = (Asked::of(&open.into_bind()), Asked::of(&addr.into_bind()));
        assert_eq!(first.place, second.place);
        assert!(first.order < second.order);
    }
}
