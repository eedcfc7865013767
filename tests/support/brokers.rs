//! Real brokers, each a process of its own on a free port with a folder of its own: they can be killed, frozen and started again,
//! and they end with whoever holds them.
//!
//! Everything here blocks, for some tens of milliseconds where something starts.

#![allow(dead_code, reason = "each test file uses its part")]

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// What redis-server is started with: nothing is written to disk, and everybody may do everything, unless this says otherwise.
#[derive(Clone, Debug, Default)]
pub(crate) struct Redis {
    tls: bool,
    append_only: bool,
    in_cluster: bool,
    arguments: Vec<String>,
}

impl Redis {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The password of the user `default`.
    pub(crate) fn password(self, password: &str) -> Self {
        self.setting("requirepass", &[password])
    }

    /// A user with rules as `ACL SETUSER` takes them, `["on", ">secret", "~*", "&*", "+@all"]` say.
    pub(crate) fn user(self, name: &str, rules: &[&str]) -> Self {
        let words: Vec<&str> = [name].into_iter().chain(rules.iter().copied()).collect();
        self.setting("user", &words)
    }

    /// TLS alone, with a certificate for `localhost` and 127.0.0.1 under [`Broker::authority`].
    pub(crate) fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Everything is written before it is answered, and there again after a restart that keeps it.
    pub(crate) fn append_only(mut self) -> Self {
        self.append_only = true;
        self
    }

    /// As many of these as are asked for, as a Redis Cluster, with an equal part of the slots each.
    pub(crate) fn cluster(mut self, count: usize) -> io::Result<Vec<Broker>> {
        self.in_cluster = true;
        let servers: Vec<Broker> = (0..count)
            .map(|_| self.clone().start())
            .collect::<io::Result<_>>()?;
        let places = servers.iter().map(|server| server.address().to_string());
        let made = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(places)
            .args(["--cluster-replicas", "0", "--cluster-yes"])
            .output()?;
        if !made.status.success() {
            let why = String::from_utf8_lossy(&made.stdout).into_owned();
            return Err(io::Error::other(why));
        }
        Ok(servers)
    }

    /// It has what that one has.
    pub(crate) fn replica_of(self, master: &Broker) -> Self {
        self.setting("replicaof", &["127.0.0.1", &master.port.to_string()])
            .setting("repl-diskless-sync-delay", &["0"])
    }

    /// Any line of redis.conf.
    pub(crate) fn setting(mut self, name: &str, values: &[&str]) -> Self {
        self.arguments.push(format!("--{name}"));
        self.arguments
            .extend(values.iter().map(|value| (*value).to_owned()));
        self
    }

    /// Starts it, and waits until it takes connections.
    pub(crate) fn start(self) -> io::Result<Broker> {
        let folder = Folder::new()?;
        if self.tls {
            make_certificates(folder.path())?;
        }
        let log = Arc::<Mutex<String>>::default();
        Broker::start(Kind::Redis(self), folder, log)
    }

    fn command(&self, port: u16, folder: &Path) -> io::Result<Command> {
        let mut command = Command::new("redis-server");
        if self.in_cluster {
            // The same one each time: the others know it.
            let file = folder.join("bus");
            if !file.exists() {
                fs::write(&file, free_port()?.to_string())?;
            }
            command.args(["--cluster-enabled", "yes", "--cluster-port"]);
            command.arg(fs::read_to_string(file)?);
            command.args(["--cluster-node-timeout", "2000"]);
        }
        let (plain, tls) = if self.tls { (0, port) } else { (port, 0) };
        command
            .args(["--port", &plain.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--dir"])
            .arg(folder);
        if tls != 0 {
            command.args(["--tls-port", &tls.to_string(), "--tls-auth-clients", "no"]);
            for (name, file) in CERTIFICATES {
                command.arg(format!("--{name}")).arg(folder.join(file));
            }
        }
        if self.append_only {
            command.args(["--appendonly", "yes", "--appendfsync", "always"]);
        }
        command.args(&self.arguments);
        Ok(command)
    }
}

/// What a Redis Sentinel is started with: it watches over one master, and replaces it by itself after a second of silence.
#[derive(Clone, Debug)]
pub(crate) struct Sentinel {
    master: u16,
    password: Option<String>,
    own: Option<(String, String)>,
    /// Where the certificates are, if it speaks TLS.
    certificates: Option<PathBuf>,
}

impl Sentinel {
    /// For this master, which it calls `main`. It speaks TLS, with the same certificate, if the master does.
    pub(crate) fn of(master: &Broker) -> Self {
        let folder = master.folder.path();
        Self {
            master: master.port,
            password: None,
            own: None,
            certificates: folder.join(KEY).exists().then(|| folder.to_owned()),
        }
    }

    /// The password of the master.
    pub(crate) fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// A user who alone may ask it, and his password.
    pub(crate) fn asked_by(mut self, user: &str, password: &str) -> Self {
        self.own = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// Starts it, and waits until it takes connections.
    pub(crate) fn start(self) -> io::Result<Broker> {
        let log = Arc::<Mutex<String>>::default();
        Broker::start(Kind::Sentinel(self), Folder::new()?, log)
    }

    /// It wants a file, which it writes to.
    fn command(&self, port: u16, folder: &Path) -> io::Result<Command> {
        let file = folder.join("sentinel.conf");
        let (plain, tls) = match self.certificates {
            None => (port, 0),
            Some(_) => (0, port),
        };
        let mut lines = vec![
            format!("port {plain}"),
            "bind 127.0.0.1".to_owned(),
            format!("dir {}", folder.display()),
            format!("sentinel monitor main 127.0.0.1 {} 1", self.master),
            "sentinel down-after-milliseconds main 1000".to_owned(),
            "sentinel failover-timeout main 5000".to_owned(),
        ];
        if let Some(certificates) = &self.certificates {
            lines.push(format!("tls-port {tls}"));
            lines.push("tls-auth-clients no".to_owned());
            lines.push("tls-replication yes".to_owned());
            for (name, file) in CERTIFICATES {
                lines.push(format!("{name} {}", certificates.join(file).display()));
            }
        }
        if let Some(password) = &self.password {
            lines.push(format!("sentinel auth-pass main {password}"));
        }
        if let Some((user, password)) = &self.own {
            lines.push("user default off".to_owned());
            lines.push(format!("user {user} on >{password} ~* &* +@all"));
        }
        fs::write(&file, lines.join("\n"))?;
        let mut command = Command::new("redis-server");
        command.arg(file).arg("--sentinel");
        Ok(command)
    }
}

/// What nats-server is started with: everybody may do everything, and nothing is kept, unless this says otherwise.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nats {
    tls: bool,
    config: Option<String>,
    arguments: Vec<String>,
}

impl Nats {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// One user with a password.
    pub(crate) fn user(self, name: &str, password: &str) -> Self {
        self.arguments(&["--user", name, "--pass", password])
    }

    /// One token for everybody.
    pub(crate) fn token(self, token: &str) -> Self {
        self.arguments(&["--auth", token])
    }

    /// TLS alone, with a certificate for `localhost` and 127.0.0.1 under [`Broker::authority`].
    pub(crate) fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// What a configuration file says.
    pub(crate) fn config(mut self, text: &str) -> Self {
        self.config = Some(text.to_owned());
        self
    }

    /// Streams, which are there again after a restart that keeps them.
    pub(crate) fn jetstream(self) -> Self {
        self.arguments(&["--jetstream"])
    }

    /// Any words of its command line.
    pub(crate) fn arguments(mut self, words: &[&str]) -> Self {
        self.arguments
            .extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// Starts it, and waits until it takes connections.
    pub(crate) fn start(self) -> io::Result<Broker> {
        let folder = Folder::new()?;
        if self.tls {
            make_certificates(folder.path())?;
        }
        if let Some(config) = &self.config {
            fs::write(folder.path().join(CONFIG), config)?;
        }
        let log = Arc::<Mutex<String>>::default();
        Broker::start(Kind::Nats(self), folder, log)
    }

    fn command(&self, port: u16, folder: &Path) -> Command {
        let mut command = Command::new("nats-server");
        command
            .args(["--addr", "127.0.0.1", "--port", &port.to_string()])
            .arg("--store_dir")
            .arg(folder);
        if self.config.is_some() {
            command.arg("--config").arg(folder.join(CONFIG));
        }
        if self.tls {
            command.arg("--tls");
            command.arg("--tlscert").arg(folder.join(CERTIFICATE));
            command.arg("--tlskey").arg(folder.join(KEY));
        }
        command.args(&self.arguments);
        command
    }
}

/// The configuration file of a NATS.
const CONFIG: &str = "nats.conf";

/// A broker that runs, or was killed and can run again on its port.
#[derive(Debug)]
pub(crate) struct Broker {
    kind: Kind,
    port: u16,
    folder: Folder,
    child: Option<Child>,
    log: Arc<Mutex<String>>,
}

#[derive(Clone, Debug)]
enum Kind {
    Redis(Redis),
    Sentinel(Sentinel),
    Nats(Nats),
}

impl Broker {
    fn start(kind: Kind, folder: Folder, log: Arc<Mutex<String>>) -> io::Result<Self> {
        let mut broker = Self {
            kind,
            port: 0,
            folder,
            child: None,
            log,
        };
        // Somebody else may take a port between the look and the start.
        let mut tries = 0;
        loop {
            broker.port = free_port()?;
            match broker.run() {
                Ok(()) => return Ok(broker),
                Err(error) if error.kind() == io::ErrorKind::NotFound || tries == 5 => {
                    return Err(error);
                }
                Err(_) => tries += 1,
            }
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The file with the certificate of the authority, for one with TLS.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join(AUTHORITY)
    }

    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What a Redis answers to lines of commands.
    pub(crate) fn ask(&self, lines: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.address())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(lines.as_bytes())?;
        stream.write_all(b"QUIT\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let length = answer.len().saturating_sub("+OK\r\n".len());
        answer.truncate(length);
        Ok(answer)
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops it with SIGSTOP: its sockets stay, and nobody answers.
    pub(crate) fn freeze(&self) -> io::Result<()> {
        self.signal("STOP")
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) -> io::Result<()> {
        self.signal("CONT")
    }

    /// Starts it on the same port with whatever it had written down, and waits until it takes connections. Kills it before, if it runs.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        self.kill();
        self.run()
    }

    /// As [`restart`](Self::restart), with nothing in it.
    pub(crate) fn restart_empty(&mut self) -> io::Result<()> {
        self.kill();
        for entry in fs::read_dir(self.folder.path())? {
            let path = entry?.path();
            let is_of_tls = path.extension().is_some_and(|end| end == "pem");
            if path.is_dir() {
                fs::remove_dir_all(path)?;
            } else if !is_of_tls {
                fs::remove_file(path)?;
            }
        }
        self.run()
    }

    fn signal(&self, name: &str) -> io::Result<()> {
        let Some(child) = &self.child else {
            return Err(io::Error::other("it does not run"));
        };
        let order = format!("kill -{name} {}", child.id());
        let status = Command::new("sh").args(["-c", &order]).status()?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!("{order}: {status}")))
        }
    }

    fn run(&mut self) -> io::Result<()> {
        let (mut command, ready) = match &self.kind {
            Kind::Redis(redis) => (
                redis.command(self.port, self.folder.path())?,
                REDIS_IS_READY,
            ),
            Kind::Sentinel(sentinel) => (
                sentinel.command(self.port, self.folder.path())?,
                SENTINEL_IS_READY,
            ),
            Kind::Nats(nats) => (nats.command(self.port, self.folder.path()), NATS_IS_READY),
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            let program = command.get_program().display();
            io::Error::new(error.kind(), format!("{program}: {error}"))
        })?;
        let (said, is_ready) = mpsc::channel();
        // One says it on its output, the other one as an error.
        if let Some(output) = child.stdout.take() {
            follow(output, self.log.clone(), ready, said.clone());
        }
        if let Some(output) = child.stderr.take() {
            follow(output, self.log.clone(), ready, said);
        }
        self.child = Some(child);
        // It ends without a word when both outputs have ended.
        if is_ready.recv_timeout(PATIENCE).is_ok() {
            return Ok(());
        }
        self.kill();
        Err(io::Error::other(format!(
            "it did not start:\n{}",
            self.log()
        )))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Writes down what a process says, and tells when it is ready.
fn follow(
    output: impl Read + Send + 'static,
    log: Arc<Mutex<String>>,
    ready: &'static str,
    said: mpsc::Sender<()>,
) {
    thread::spawn(move || {
        let mut lines = BufReader::new(output);
        let mut line = Vec::new();
        while lines
            .read_until(b'\n', &mut line)
            .is_ok_and(|octets| octets > 0)
        {
            let text = String::from_utf8_lossy(&line);
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            if log.len() < LONGEST_LOG {
                log.push_str(&text);
            }
            if text.contains(ready) {
                let _ = said.send(());
            }
            line.clear();
        }
    });
}

/// A folder that goes with its owner.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("wireline-broker-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // A process that had this number may have been killed.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A port that nobody listens on, below those that systems give to whoever connects: one that is free while its broker is away stays so.
pub(crate) fn free_port() -> io::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes that run beside each other begin at different places.
    let begin = u16::try_from(std::process::id().wrapping_mul(97) % u32::from(PORTS)).unwrap_or(0);
    for _ in 0..PORTS {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST_PORT + (begin.wrapping_add(next)) % PORTS;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other("no port is free"))
}

/// An authority, and a certificate of it for this machine.
fn make_certificates(folder: &Path) -> io::Result<()> {
    let name = "/CN=wireline tests";
    openssl(
        folder,
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            CURVE,
            "-nodes",
            "-days",
            "2",
            "-subj",
            name,
            "-keyout",
            "ca.key.pem",
            "-out",
            AUTHORITY,
        ],
    )?;
    openssl(
        folder,
        &[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            CURVE,
            "-nodes",
            "-subj",
            "/CN=localhost",
            "-keyout",
            KEY,
            "-out",
            "request.pem",
        ],
    )?;
    fs::write(
        folder.join("extensions.pem"),
        "subjectAltName=DNS:localhost,IP:127.0.0.1\n",
    )?;
    openssl(
        folder,
        &[
            "x509",
            "-req",
            "-days",
            "2",
            "-in",
            "request.pem",
            "-CA",
            AUTHORITY,
            "-CAkey",
            "ca.key.pem",
            "-CAcreateserial",
            "-extfile",
            "extensions.pem",
            "-out",
            CERTIFICATE,
        ],
    )
}

fn openssl(folder: &Path, words: &[&str]) -> io::Result<()> {
    let output = Command::new("openssl")
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(io::Error::other(format!("openssl {words:?}: {said}")))
}

/// What Redis calls them.
const CERTIFICATES: [(&str, &str); 3] = [
    ("tls-cert-file", CERTIFICATE),
    ("tls-key-file", KEY),
    ("tls-ca-cert-file", AUTHORITY),
];

const AUTHORITY: &str = "ca.pem";
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";
const CURVE: &str = "ec_paramgen_curve:prime256v1";

const REDIS_IS_READY: &str = "Ready to accept connections";
const SENTINEL_IS_READY: &str = "+monitor master main";
const NATS_IS_READY: &str = "Server is ready";
const PATIENCE: Duration = Duration::from_secs(15);
const LONGEST_LOG: usize = 1 << 20;

const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 12_000;
