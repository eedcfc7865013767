//! Where a server listens.

use crate::server::handover::{self, Asked};
use crate::server::proxied::ProxyProtocol;
use crate::server::unsent;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// One place to listen at.
///
/// ```
/// use wireline::server::bind::{Bind, IntoBind};
///
/// assert!(matches!("127.0.0.1:8000".into_bind(), Bind::Tcp(addresses) if addresses.len() == 1));
/// assert!(matches!("unix:/run/app.sock".into_bind(), Bind::Unix(_)));
/// assert!(matches!("systemd".into_bind(), Bind::Inherited));
/// // A server says so when it is started.
/// assert!(matches!("127.0.0.1:many".into_bind(), Bind::Invalid(_)));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Bind {
    /// TCP at one of these addresses, the first that this machine has. One that is in use is an error,
    /// also to a server of the same user whose workers share it.
    Tcp(Vec<SocketAddr>),
    /// A Unix domain socket at this path. A socket that nobody listens at any more is replaced.
    Unix(PathBuf),
    /// A listener that is open already.
    Listener(std::net::TcpListener),
    /// A Unix listener that is open already.
    UnixListener(std::os::unix::net::UnixListener),
    /// The listeners that the process inherited, as systemd hands them over (`LISTEN_FDS`).
    Inherited,
    /// One of these where every connection comes from a proxy and says who its client is.
    Proxied(Box<Self>, ProxyProtocol),
    /// A text that names no place; starting the server tells.
    Invalid(String),
}

/// What names a place to listen at: `"127.0.0.1:8000"`, `"localhost:8000"`, `":8000"`,
/// `"unix:/run/app.sock"`, `"systemd"`, a [`SocketAddr`], `([127, 0, 0, 1], 8000)`, a path, or an open
/// listener.
pub trait IntoBind {
    /// The place.
    fn into_bind(self) -> Bind;

    /// The same place, where every connection comes from a proxy and begins with a header of the PROXY protocol.
    ///
    /// ```
    /// use wireline::server::{IntoBind, ProxyProtocol};
    /// # use wireline::{Router, Server};
    ///
    /// let place = ":8000".behind_proxy(ProxyProtocol::from_sources(["10.0.0.0/8"])?);
    /// let server = Server::new(Router::new().build().unwrap()).bind(place);
    /// # drop(server);
    /// # Ok::<(), wireline::service::trusted::InvalidNetwork>(())
    /// ```
    fn behind_proxy(self, proxy: ProxyProtocol) -> Bind
    where
        Self: Sized,
    {
        Bind::Proxied(Box::new(self.into_bind()), proxy)
    }
}

impl IntoBind for Bind {
    fn into_bind(self) -> Bind {
        self
    }
}

impl IntoBind for &str {
    fn into_bind(self) -> Bind {
        if let Some(path) = self.strip_prefix("unix:") {
            return Bind::Unix(path.into());
        }
        if self == "systemd" {
            return Bind::Inherited;
        }
        // `:8000` listens everywhere, as it does in Go.
        let everywhere = self.strip_prefix(':').map(|port| format!("0.0.0.0:{port}"));
        match everywhere.as_deref().unwrap_or(self).to_socket_addrs() {
            Ok(addrs) => Bind::Tcp(addrs.collect()),
            Err(_) => Bind::Invalid(self.to_owned()),
        }
    }
}

impl IntoBind for String {
    fn into_bind(self) -> Bind {
        self.as_str().into_bind()
    }
}

impl IntoBind for SocketAddr {
    fn into_bind(self) -> Bind {
        Bind::Tcp(vec![self])
    }
}

impl IntoBind for ([u8; 4], u16) {
    fn into_bind(self) -> Bind {
        SocketAddr::from(self).into_bind()
    }
}

impl IntoBind for (&str, u16) {
    fn into_bind(self) -> Bind {
        self.to_socket_addrs().map_or_else(
            |_| Bind::Invalid(self.0.to_owned()),
            |addrs| Bind::Tcp(addrs.collect()),
        )
    }
}

impl IntoBind for &Path {
    fn into_bind(self) -> Bind {
        Bind::Unix(self.to_owned())
    }
}

impl IntoBind for std::net::TcpListener {
    fn into_bind(self) -> Bind {
        Bind::Listener(self)
    }
}

impl IntoBind for std::os::unix::net::UnixListener {
    fn into_bind(self) -> Bind {
        Bind::UnixListener(self)
    }
}

/// A listener that is open.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) socket: Listening,
    pub(super) asked: Asked,
}

#[derive(Debug)]
pub(super) enum Listening {
    Tcp(std::net::TcpListener),
    /// It has its address, and nobody can connect yet: it is to listen with this backlog when it is this process's turn.
    Later(std::net::TcpListener, i32),
    /// With the path that is to be removed at the end.
    Unix(std::os::unix::net::UnixListener, Option<PathBuf>),
}

/// Where an open listener listens, for people: `http://127.0.0.1:8000`, `https://127.0.0.1:8443`, `unix:/run/app.sock`.
///
/// ```
/// use wireline::server::bind::Bound;
///
/// let bound = Bound::Tcp(([127, 0, 0, 1], 8000).into());
/// assert_eq!(bound.to_string(), "http://127.0.0.1:8000");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bound {
    /// A TCP address, with the port that was given when 0 was asked for.
    Tcp(SocketAddr),
    /// A TCP address where TLS is spoken, with the port that was given when 0 was asked for.
    Tls(SocketAddr),
    /// A Unix domain socket, and its path when it has one.
    Unix(Option<PathBuf>),
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => write!(f, "http://{addr}"),
            Self::Tls(addr) => write!(f, "https://{addr}"),
            Self::Unix(Some(path)) => write!(f, "unix:{}", path.display()),
            Self::Unix(None) => f.write_str("unix"),
        }
    }
}

impl Bind {
    /// Opens the listeners of this place, or takes them as the process before this one has left them. Each group
    /// listens at one address; there are several groups only when they are inherited.
    pub(super) fn open(self, backlog: u32, reuse_port: bool) -> io::Result<Vec<Vec<Listener>>> {
        let asked = Asked::of(&self);
        let left = handover::take(&asked)?;
        let sockets = if left.is_empty() {
            self.open_with(i32::try_from(backlog).unwrap_or(i32::MAX), reuse_port)?
        } else {
            let path = self.path();
            let listening = left.into_iter().map(|left| Listening::left(left, path));
            listening.collect::<io::Result<_>>()?
        };
        let mut groups: Vec<(Bound, Vec<Listener>)> = Vec::new();
        for socket in sockets {
            let (bound, asked) = (socket.bound()?, asked.clone());
            let listener = Listener { socket, asked };
            match groups.iter_mut().find(|(of, _)| *of == bound) {
                Some((_, group)) => group.push(listener),
                None => groups.push((bound, vec![listener])),
            }
        }
        Ok(groups.into_iter().map(|(_, group)| group).collect())
    }

    /// The socket file that this place has.
    fn path(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) => Some(path),
            Self::Proxied(place, _) => place.path(),
            _ => None,
        }
    }

    /// The protocol that proxies speak there before anything else, if they do.
    pub(super) fn proxy(&self) -> Option<&ProxyProtocol> {
        match self {
            Self::Proxied(_, proxy) => Some(proxy),
            _ => None,
        }
    }

    fn open_with(self, backlog: i32, reuse_port: bool) -> io::Result<Vec<Listening>> {
        match self {
            Self::Tcp(addrs) => {
                let mut last = io::Error::new(io::ErrorKind::InvalidInput, "no address");
                for addr in addrs {
                    match alone(addr, reuse_port).and_then(|()| tcp(addr, backlog, reuse_port)) {
                        Ok(listener) => return Ok(vec![Listening::Tcp(listener)]),
                        Err(error) => last = named(&error, addr),
                    }
                    if last.kind() == io::ErrorKind::AddrInUse {
                        // Another address of the same name would hide that somebody has the port.
                        break;
                    }
                }
                Err(last)
            }
            Self::Unix(path) => Ok(vec![
                unix(&path, backlog).map_err(|error| named_file(&error, &path))?,
            ]),
            Self::Listener(listener) => {
                listener.set_nonblocking(true)?;
                unsent::limit(&listener);
                Ok(vec![Listening::Tcp(listener)])
            }
            Self::UnixListener(listener) => {
                listener.set_nonblocking(true)?;
                Ok(vec![Listening::Unix(listener, None)])
            }
            Self::Inherited => inherited(),
            Self::Proxied(place, _) => place.open_with(backlog, reuse_port),
            Self::Invalid(text) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "`{text}` is no address to listen at: not HOST:PORT, :PORT or unix:PATH, or a host that is not known here"
                ),
            )),
        }
    }
}

impl Listener {
    /// Whether it is not to listen before it is this process's turn.
    pub(super) const fn is_later(&self) -> bool {
        matches!(self.socket, Listening::Later(..))
    }

    /// One more listener at the address of this one, for another worker, if the two can share it. Who comes to it can be served by this
    /// process alone, so that it listens no earlier than that.
    pub(super) fn beside(&self, backlog: u32) -> io::Result<Option<Self>> {
        let Listening::Tcp(listener) = &self.socket else {
            return Ok(None);
        };
        if !SockRef::from(listener).reuse_port().unwrap_or(false) {
            return Ok(None);
        }
        let addr = listener.local_addr()?;
        let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
        let socket = bound(addr, true).map_err(|error| named(&error, addr))?;
        let socket = if handover::is_waiting() {
            Listening::Later(socket.into(), backlog)
        } else {
            socket
                .listen(backlog)
                .map_err(|error| named(&error, addr))?;
            Listening::Tcp(socket.into())
        };
        Ok(Some(Self {
            socket,
            asked: self.asked.clone(),
        }))
    }
}

impl Listening {
    /// What another process has left, of whatever kind it is.
    fn left(socket: OwnedFd, path: Option<&Path>) -> io::Result<Self> {
        let is_unix = SockRef::from(&socket).local_addr()?.is_unix();
        let socket = Socket::from(socket);
        socket.set_nonblocking(true)?;
        Ok(if is_unix {
            Self::Unix(socket.into(), path.map(Path::to_owned))
        } else {
            unsent::limit(&socket);
            Self::Tcp(socket.into())
        })
    }

    pub(super) fn bound(&self) -> io::Result<Bound> {
        Ok(match self {
            Self::Tcp(listener) | Self::Later(listener, _) => Bound::Tcp(listener.local_addr()?),
            Self::Unix(listener, _) => {
                Bound::Unix(listener.local_addr()?.as_pathname().map(Path::to_owned))
            }
        })
    }
}

/// Whether nobody has the port yet. With `SO_REUSEPORT` a second server of the same user would quietly
/// take a share of the first one's connections, so a socket without it asks before.
fn alone(addr: SocketAddr, reuse_port: bool) -> io::Result<()> {
    if !reuse_port || addr.port() == 0 {
        return Ok(());
    }
    let probe = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    probe.set_reuse_address(true)?;
    probe.bind(&addr.into())
}

fn tcp(addr: SocketAddr, backlog: i32, reuse_port: bool) -> io::Result<std::net::TcpListener> {
    let socket = bound(addr, reuse_port)?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// A socket that has its address and does not listen yet.
fn bound(addr: SocketAddr, reuse_port: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    unsent::limit(&socket);
    socket.bind(&addr.into())?;
    Ok(socket)
}

fn unix(path: &Path, backlog: i32) -> io::Result<Listening> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let addr = SockAddr::unix(path)?;
    if let Err(error) = socket.bind(&addr) {
        // A socket that a process left behind refuses connections; a live one does not.
        let stale = error.kind() == io::ErrorKind::AddrInUse
            && std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
            && std::os::unix::net::UnixStream::connect(path)
                .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        if !stale {
            return Err(error);
        }
        std::fs::remove_file(path)?;
        socket.bind(&addr)?;
    }
    socket.set_nonblocking(true)?;
    socket.listen(backlog)?;
    Ok(Listening::Unix(socket.into(), Some(path.to_owned())))
}

fn inherited() -> io::Result<Vec<Listening>> {
    let mut handed = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for place in 0..handed.len() {
        // A descriptor is taken whatever it is, so look at TCP first and leave it for the other on a mismatch.
        if let Ok(Some(listener)) = handed.take_tcp_listener(place) {
            listener.set_nonblocking(true)?;
            unsent::limit(&listener);
            listeners.push(Listening::Tcp(listener));
        } else if let Ok(Some(listener)) = handed.take_unix_listener(place) {
            listener.set_nonblocking(true)?;
            listeners.push(Listening::Unix(listener, None));
        }
    }
    if listeners.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "no listener was inherited (LISTEN_FDS is not set for this process)",
        ));
    }
    Ok(listeners)
}

fn named(error: &io::Error, place: impl fmt::Display) -> io::Error {
    let reason = match error.kind() {
        io::ErrorKind::AddrInUse => "the address is in use".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "permission denied (ports below 1024 need a privilege)".to_owned()
        }
        _ => error.to_string(),
    };
    io::Error::new(error.kind(), format!("cannot listen at {place}: {reason}"))
}

/// The same of a socket's file, of which other things are true.
fn named_file(error: &io::Error, path: &Path) -> io::Error {
    let is_socket = || {
        let found = std::fs::symlink_metadata(path);
        found.is_ok_and(|found| found.file_type().is_socket())
    };
    let reason = match error.kind() {
        io::ErrorKind::AddrInUse if is_socket() => {
            "in use: another program listens there".to_owned()
        }
        io::ErrorKind::AddrInUse => "in use: what is there is no socket".to_owned(),
        io::ErrorKind::NotFound => "its directory is not there".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "permission denied (whoever listens writes to its directory)".to_owned()
        }
        _ => error.to_string(),
    };
    let place = path.display();
    io::Error::new(error.kind(), format!("cannot listen at {place}: {reason}"))
}
