//! What the service manager is told: the protocol of systemd's `sd_notify`.

use socket2::{Domain, SockAddr, Socket, Type};
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Tells it, when there is one that wants to know. That it cannot be told is no reason to fail: it will say so itself.
pub(super) fn tell(state: &str) {
    let Some(place) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let _ = say(place, state);
}

fn say(place: OsString, state: &str) -> io::Result<()> {
    let mut name = place.into_vec();
    // A name that begins with `@` is in the abstract namespace, where it begins with a NUL.
    if let Some(first @ b'@') = name.first_mut() {
        *first = 0;
    }
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    let addr = SockAddr::unix(std::ffi::OsStr::from_bytes(&name))?;
    socket.send_to(state.as_bytes(), &addr)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn it_is_one_datagram() {
        let path = std::env::temp_dir().join(format!("wireline-notify-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let manager = UnixDatagram::bind(&path).unwrap();
        say(path.clone().into_os_string(), "READY=1").unwrap();
        let mut said = [0; 64];
        let len = manager.recv(&mut said).unwrap();
        assert_eq!(&said[..len], b"READY=1");
        std::fs::remove_file(&path).unwrap();
        assert!(say("/no/such/place".into(), "READY=1").is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_may_be_abstract() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("wireline-notify-{}", std::process::id());
        let addr = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&addr).unwrap();
        say(format!("@{name}").into(), "MAINPID=1").unwrap();
        let mut said = [0; 64];
        let len = manager.recv(&mut said).unwrap();
        assert_eq!(&said[..len], b"MAINPID=1");
    }
}
