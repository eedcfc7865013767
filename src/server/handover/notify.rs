//! What the service manager is told: the protocol of systemd's `sd_notify`.

use crate::wire::number;
use socket2::{Domain, SockAddr, Socket, Type};
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::thread;
use std::time::Duration;

/// Tells it, when there is one that wants to know, and does not wait: when it has no room it is told from a thread of its own. That it cannot be
/// told is no reason to fail: it will say so itself.
pub(super) fn tell(state: &'static str) {
    if said(state, Duration::ZERO).is_err_and(|error| is_full(&error)) {
        let _ = thread::Builder::new()
            .name("wireline-notify".to_owned())
            .spawn(move || said(state, PATIENCE));
    }
}

/// The same, and waits until it has room: for a thread that has time.
pub(super) fn tell_in_turn(state: &str) {
    let _ = said(state, PATIENCE);
}

/// Tells it that this process is well, and does not wait. `false` when it has no room now.
pub(super) fn alive() -> bool {
    !said("WATCHDOG=1", Duration::ZERO).is_err_and(|error| is_full(&error))
}

/// Within what time it wants to hear that each time, if it does (`WatchdogSec=`).
pub(super) fn watchdog() -> Option<Duration> {
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

fn said(state: &str, patience: Duration) -> io::Result<()> {
    match std::env::var_os("NOTIFY_SOCKET") {
        Some(place) => say(place, state, patience),
        None => Ok(()),
    }
}

/// A manager that does not read fills its socket: whoever writes then would stand still with it.
fn say(place: OsString, state: &str, patience: Duration) -> io::Result<()> {
    let mut name = place.into_vec();
    // A name that begins with `@` is in the abstract namespace, where it begins with a NUL.
    if let Some(first @ b'@') = name.first_mut() {
        *first = 0;
    }
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    if patience.is_zero() {
        socket.set_nonblocking(true)?;
    } else {
        socket.set_write_timeout(Some(patience))?;
    }
    let addr = SockAddr::unix(std::ffi::OsStr::from_bytes(&name))?;
    socket.send_to(state.as_bytes(), &addr)?;
    Ok(())
}

fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// How long a manager that has no room is waited for, where anybody waits.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn it_is_one_datagram() {
        let path = std::env::temp_dir().join(format!("wireline-notify-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let manager = UnixDatagram::bind(&path).unwrap();
        say(path.clone().into_os_string(), "READY=1", Duration::ZERO).unwrap();
        let mut said = [0; 64];
        let len = manager.recv(&mut said).unwrap();
        assert_eq!(&said[..len], b"READY=1");
        std::fs::remove_file(&path).unwrap();
        assert!(say("/no/such/place".into(), "READY=1", Duration::ZERO).is_err());
    }

    #[test]
    fn a_manager_that_does_not_read_keeps_nobody_waiting() {
        let path = std::env::temp_dir().join(format!("wireline-full-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let manager = UnixDatagram::bind(&path).unwrap();
        let say = |patience| say(path.clone().into_os_string(), "WATCHDOG=1", patience);
        // As many as the kernel keeps for it (`net.unix.max_dgram_qlen`), and it would wait for ever.
        let full = (0..100_000).find_map(|_| say(Duration::ZERO).err());
        assert!(is_full(&full.unwrap()));
        let waited = say(Duration::from_millis(50)).unwrap_err();
        assert!(is_full(&waited), "{waited}");
        // Whoever waits is heard once it reads.
        let waits = thread::scope(|scope| {
            let waits = scope.spawn(|| say(Duration::from_secs(30)));
            manager.recv(&mut [0; 64]).unwrap();
            waits.join().unwrap()
        });
        waits.unwrap();
        std::fs::remove_file(&path).unwrap();
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
        say(format!("@{name}").into(), "MAINPID=1", Duration::ZERO).unwrap();
        let mut said = [0; 64];
        let len = manager.recv(&mut said).unwrap();
        assert_eq!(&said[..len], b"MAINPID=1");
    }
}
