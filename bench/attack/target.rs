//! The server under attack: a process of its own, and what honest clients of it look like.

use crate::broker::Broker;
use crate::cgroup::Cgroup;
use crate::network::Network;
use crate::pki::{Authority, Failure, NAME, Pair};
use crate::talk::{Talk, get, post};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wireline::wire::number;

/// How the server is started.
#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) server: Option<PathBuf>,
    /// Whether clients have to show a certificate.
    pub(crate) client_certificates: bool,
    /// No TLS, and HTTP/2 by prior knowledge.
    pub(crate) h2c: bool,
    /// Static files with links out of their directory.
    pub(crate) files: bool,
    /// How often the attack is to be made.
    pub(crate) count: usize,
    /// The most connections, where it is not the bench server's own.
    pub(crate) max_connections: Option<usize>,
    /// The most descriptors.
    pub(crate) descriptors: Option<usize>,
    /// A memory cgroup of so many MiB.
    pub(crate) cgroup: Option<u64>,
    /// A network of its own, with a link that can be taken away.
    pub(crate) apart: bool,
    /// A listener with TLS beside the other one.
    pub(crate) secured: bool,
    /// A Redis that carries what is published, if there is a program of it.
    pub(crate) broker: bool,
    /// The most requests at the same time.
    pub(crate) max_in_flight: Option<usize>,
}

pub(crate) struct Target {
    pub(crate) addr: SocketAddr,
    /// Where it speaks TLS, if that is another place.
    pub(crate) secured: Option<SocketAddr>,
    pub(crate) authority: Authority,
    /// What an honest client says.
    pub(crate) honest: Arc<ClientConfig>,
    folder: PathBuf,
    options: Options,
    child: Mutex<Child>,
    /// Its process, or that of who has taken its place.
    process: AtomicU32,
    /// Whoever takes its place writes there, too.
    _said: Option<BufReader<ChildStdout>>,
    cgroup: Option<Cgroup>,
    network: Option<Network>,
    broker: Option<Broker>,
}

/// Resident memory in KiB: now, and the most that there was.
#[derive(Clone, Copy, Default)]
pub(crate) struct Memory {
    pub(crate) now: u64,
    pub(crate) peak: u64,
}

impl Target {
    /// Starts a server at a free port of 127.0.0.1, with certificates made now.
    pub(crate) fn start(options: &Options) -> Result<Self, Failure> {
        let server = match &options.server {
            Some(path) => path.clone(),
            None => std::env::current_exe()?.with_file_name("bench-server"),
        };
        let authority = Authority::new("bench-attack")?;
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("wireline-attack-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let pair = authority.sign(2000, 4000)?;
        fs::write(folder.join("cert.pem"), &pair.certificate)?;
        fs::write(folder.join("key.pem"), &pair.key)?;
        let cgroup = options.cgroup.map(|mib| Cgroup::new(number, mib));
        let cgroup = cgroup.transpose()?;
        let network = options.apart.then(|| Network::new(number)).transpose()?;
        let broker = match options.broker {
            true => Broker::start(&folder)?,
            false => None,
        };
        let mut command = match (&cgroup, options.descriptors, &network) {
            (None, None, None) => Command::new(&server),
            (_, _, Some(network)) => network.inside(&server),
            (cgroup, descriptors, _) => within_limits(&server, cgroup.as_ref(), descriptors),
        };
        let everywhere = if options.apart {
            "0.0.0.0:0"
        } else {
            "127.0.0.1:0"
        };
        command.args(["--addr", everywhere]);
        if let Some(most) = options.max_in_flight {
            command.args(["--max-in-flight", &most.to_string()]);
        }
        if let Some(broker) = &broker {
            command.args(["--backplane", &broker.url()]);
        }
        if let Some(most) = options.max_connections {
            command.args(["--max-connections", &most.to_string()]);
        }
        if options.h2c {
            command.arg("--h2c");
        }
        if options.secured {
            command.args(["--tls-addr", "127.0.0.1:0"]);
        }
        if !options.h2c || options.secured {
            command.args(["--max-handshakes", "512", "--tls-cert"]);
            command
                .arg(folder.join("cert.pem"))
                .arg("--tls-key")
                .arg(folder.join("key.pem"));
        }
        if options.files {
            crate::files::scene(&folder)?;
            command.arg("--files").arg(folder.join("public"));
        }
        let mut own = None;
        if options.client_certificates {
            fs::write(folder.join("clients.pem"), authority.pem())?;
            command
                .arg("--tls-client-ca")
                .arg(folder.join("clients.pem"));
            own = Some(authority.sign(2000, 4000)?.own()?);
        }
        let honest = Arc::new(authority.client(own)?);
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child =
            spawned.map_err(|error| format!("cannot start {}: {error}", server.display()))?;
        let (mut said, process) = (child.stdout.take().map(BufReader::new), child.id());
        let addr = network
            .as_ref()
            .map_or(Ipv4Addr::LOCALHOST, Network::honest);
        // From here on its end is seen to.
        let mut target = Self {
            addr: (addr, 0).into(),
            secured: None,
            authority,
            honest,
            folder,
            options: options.clone(),
            child: Mutex::new(child),
            process: AtomicU32::new(process),
            _said: None,
            cgroup,
            network,
            broker,
        };
        target.addr.set_port(listening(said.as_mut())?);
        if options.secured {
            let port = listening(said.as_mut())?;
            target.secured = Some((Ipv4Addr::LOCALHOST, port).into());
        }
        target._said = said;
        Ok(target)
    }

    /// Another process with the same program and certificates of its own.
    pub(crate) fn another(&self) -> Result<Self, Failure> {
        Self::start(&Options {
            client_certificates: false,
            ..self.options.clone()
        })
    }

    /// Another process with the same program, and other options.
    pub(crate) fn changed(&self, change: impl FnOnce(&mut Options)) -> Result<Self, Failure> {
        let mut options = self.options.clone();
        change(&mut options);
        Self::start(&options)
    }

    /// Has another process take its place, which is this target from then on.
    pub(crate) async fn succeed(&self) -> io::Result<()> {
        let mut talk = Talk::over(TcpStream::connect(self.addr).await?);
        let answer = talk.ask(&post("/successor", 0, "")).await?;
        let said = String::from_utf8_lossy(&answer.content).into_owned();
        match number::decimal(said.as_bytes()).and_then(|process| u32::try_from(process).ok()) {
            Some(process) if answer.status == 200 => {
                self.process.store(process, Ordering::SeqCst);
                Ok(())
            }
            _ => Err(io::Error::other(format!("no successor: {said}"))),
        }
    }

    /// Stops the process in the middle of whatever it does, for so long.
    pub(crate) async fn freeze(&self, while_: Duration) -> io::Result<()> {
        self.signal("-STOP")?;
        tokio::time::sleep(while_).await;
        self.signal("-CONT")
    }

    /// The network that it is in, if it has one of its own.
    pub(crate) const fn network(&self) -> Option<&Network> {
        self.network.as_ref()
    }

    /// What carries what is published, if there is something.
    pub(crate) const fn broker(&self) -> Option<&Broker> {
        self.broker.as_ref()
    }

    /// The number of the process.
    pub(crate) fn process(&self) -> u32 {
        self.process.load(Ordering::SeqCst)
    }

    /// The directory of the static files.
    pub(crate) fn files(&self) -> PathBuf {
        self.folder.join("public")
    }

    /// What an honest client says; `None` where nothing is said over TLS.
    pub(crate) fn honest(&self) -> Option<Arc<ClientConfig>> {
        (!self.options.h2c).then(|| self.honest.clone())
    }

    /// Tells the server to finish what it has begun, and to end.
    pub(crate) fn terminate(&self) -> io::Result<()> {
        self.signal("-TERM")
    }

    /// Whether it ends within five seconds, without an error.
    pub(crate) async fn has_ended_well(&self) -> bool {
        for _ in 0..100 {
            if let Ok(Some(status)) = self.child().try_wait() {
                return status.success();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }

    /// A connection from one of the loopback addresses that are not the probe's; the number chooses which.
    pub(crate) async fn connect_from(&self, number: usize) -> io::Result<TcpStream> {
        self.connect_taking(number, None).await
    }

    /// The same with a receive buffer of so many octets.
    pub(crate) async fn connect_taking(
        &self,
        number: usize,
        receive: Option<u32>,
    ) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if let Some(octets) = receive {
            socket.set_recv_buffer_size(octets)?;
        }
        let last = u8::try_from(2 + number % 200).unwrap_or(2);
        socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into())?;
        let stream = socket.connect(self.addr).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Puts files in the place of those that the server reads, and tells it to look; `None` leaves the one that is there.
    pub(crate) fn replace(&self, certificate: Option<&str>, key: Option<&str>) -> io::Result<()> {
        for (name, text) in [("cert.pem", certificate), ("key.pem", key)] {
            if let Some(text) = text {
                let next = self.folder.join("next");
                fs::write(&next, text)?;
                fs::rename(&next, self.folder.join(name))?;
            }
        }
        self.signal("-HUP")
    }

    fn signal(&self, signal: &str) -> io::Result<()> {
        let id = self.process().to_string();
        if Command::new("kill").args([signal, &id]).status()?.success() {
            Ok(())
        } else {
            Err(io::Error::other("the server cannot be told anything"))
        }
    }

    pub(crate) fn sign(&self) -> Result<Pair, Failure> {
        self.authority.sign(2000, 4000)
    }

    pub(crate) fn memory(&self) -> Memory {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.process())).unwrap_or_default();
        let read = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            number::decimal(line.split_whitespace().next()?.as_bytes())
        };
        Memory {
            now: read("VmRSS:").unwrap_or_default(),
            peak: read("VmHWM:").unwrap_or_default(),
        }
    }

    /// Its counters by name, and `connections` and `buffered` beside them, as they are now.
    pub(crate) async fn counters(&self) -> io::Result<BTreeMap<String, u64>> {
        let mut talk = Talk::over(TcpStream::connect(self.addr).await?);
        let answer = talk.ask(&get("/counters", "Connection: close\r\n")).await?;
        if answer.status != 200 {
            return Err(io::Error::other(
                "the server has no counters: it wants to be built with the feature attack",
            ));
        }
        serde_json::from_slice(&answer.content).map_err(io::Error::other)
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.process());
        fs::read_dir(folder).map_or(0, |entries| entries.count())
    }

    /// Milliseconds that it was on a core, all of its threads together.
    pub(crate) fn cpu_ms(&self) -> f64 {
        let folder = format!("/proc/{}/task", self.process());
        let Ok(threads) = fs::read_dir(folder) else {
            return 0.0;
        };
        let of = |thread: io::Result<fs::DirEntry>| {
            let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            number::decimal(text.split(' ').next()?.as_bytes())
        };
        threads.filter_map(of).sum::<u64>() as f64 / 1e6
    }

    /// What became of its memory cgroup.
    pub(crate) const fn cgroup(&self) -> Option<&Cgroup> {
        self.cgroup.as_ref()
    }

    pub(crate) fn is_running(&self) -> bool {
        let (mut child, process) = (self.child(), self.process());
        if process == child.id() {
            return matches!(child.try_wait(), Ok(None));
        }
        // Whoever has ended and was not waited for is a Z.
        let stat = fs::read_to_string(format!("/proc/{process}/stat"));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let mut child = self.child();
        if self.process() != child.id() {
            let _ = self.signal("-KILL");
        }
        let _ = child.kill();
        let _ = child.wait();
        drop(child);
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The port in the next line of what a server says.
fn listening(said: Option<&mut BufReader<ChildStdout>>) -> Result<u16, Failure> {
    let mut line = String::new();
    if let Some(said) = said {
        said.read_line(&mut line)?;
    }
    let place = line.trim_end().strip_prefix("listening on ");
    let port = place
        .and_then(|place| number::decimal(place.rsplit(':').next()?.as_bytes()))
        .and_then(|port| u16::try_from(port).ok());
    Ok(port.ok_or_else(|| format!("the server said {line:?}"))?)
}

/// The program, by a shell that has taken its place in the cgroup and lowered its limit first.
fn within_limits(server: &Path, cgroup: Option<&Cgroup>, descriptors: Option<usize>) -> Command {
    let mut script = String::new();
    if let Some(most) = descriptors {
        script.push_str(&format!("ulimit -n {most} && "));
    }
    if let Some(cgroup) = cgroup {
        script.push_str(&format!("echo $$ > '{}' && ", cgroup.joining().display()));
    }
    script.push_str("exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(server);
    command
}

/// A handshake over a connection.
pub(crate) async fn handshake(
    stream: TcpStream,
    config: Arc<ClientConfig>,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
    within(TlsConnector::from(config).connect(name, stream)).await
}

/// One request that closes its connection; gives the answer when it is a 200.
pub(crate) async fn ask(stream: &mut TlsStream<TcpStream>) -> io::Result<()> {
    let request = b"GET /plaintext HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await?;
    if answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(b"Hello, World!") {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "the answer is {}",
            answer.escape_ascii()
        )))
    }
}

/// As long as anything of an attack may take alone.
pub(crate) async fn within<T>(future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(Duration::from_secs(10), future).await?
}

/// Random numbers that follow from a seed: a linear congruence with Knuth's multiplier.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64, part: usize) -> Self {
        Self(
            seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .wrapping_add(part as u64),
        )
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % bound.max(1)
    }
}

static STARTED: AtomicU32 = AtomicU32::new(0);
