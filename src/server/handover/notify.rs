//! What the service manager is told: the protocol of systemd's `sd_notify`.

use crate::wire::number;
use socket2::{Domain, SockAddr, Socket, Type};
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

/// Tells it, when there is one that wants to know. That it cannot be told is no reason to fail: it will say so itself.
pub(super) fn tell(state: &str) {
    let Some(place) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let _ = say(place, state);
}

/// Tells it that this process is well.
pub(in crate::server) fn alive() {
    tell("WATCHDOG=1");
}

/// Within what time it wants to hear that each time, if it does (`WatchdogSec=`).
pub(in crate::server) fn watchdog() -> Option<Duration> {
    std::env::var_os("NOTIFY_SOCKET")?;
    let of = |name| std::env::var(name).ok();
    wanted(of("WATCHDOG_USEC")?, of("WATCHDOG_PID"))
}

/// Without a process it is meant for whoever reads it.
fn wanted(microseconds: String, process: Option<String>) -> Option<Duration> {
    let own = u64::from(std::process::id());
    let is_other = |process: String| number::decimal(process.as_bytes()) != Some(own);
    if process.is_some_and(is_other) {
        return None;
    }
    let interval = Duration::from_micros(number::decimal(microseconds.as_bytes())?);
    (!interval.is_zero()).then_some(interval)
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

    #[test]
    fn it_wants_to_hear_of_one_process() {
        let meant = |interval: &str, process: Option<u32>| {
            wanted(
                interval.to_owned(),
                process.map(|process| process.to_string()),
            )
        };
        let (own, second) = (std::process::id(), Some(Duration::from_secs(1)));
        assert_eq!(meant("1000000", None), second);
        assert_eq!(meant("1000000", Some(own)), second);
        assert_eq!(meant("1000000", Some(own + 1)), None);
        for interval in ["", "0", "-1", "1s"] {
            assert_eq!(meant(interval, None), None, "{interval}");
        }
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
