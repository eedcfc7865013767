//! Connections that were not known to be HTTP/1.1 from their first octet on.

use crate::http1::driver::active::Active;
use crate::http1::driver::{Connection, HttpPhase, Stage};
use crate::resource::io::Io;
use crate::service::link::Link;
use bytes::BytesMut;

impl<P> Connection<P> {
    /// Takes over a connection that is registered already, and what was read of it.
    pub(crate) fn begin_after(io: Io, ahead: BytesMut, link: Link, permit: P) -> Self {
        let mut connection = Self::begin(io, link, permit);
        if let Stage::Http(http) = &mut connection.stage {
            let mut active = Active::take();
            active.read = ahead;
            http.phase = HttpPhase::Active(active);
            http.served = true;
        }
        connection
    }
}
