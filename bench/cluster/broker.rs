//! A broker, as a process.

use crate::{Failure, Kind};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

pub(crate) struct Broker {
    kind: Kind,
    pub(crate) port: u16,
    folder: PathBuf,
    child: Option<Child>,
}

impl Broker {
    /// Starts one at a free port; it keeps nothing on disk.
    pub(crate) async fn start(kind: Kind) -> Result<Self, Failure> {
        let port = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port();
        let folder = std::env::temp_dir().join(format!("wireline-broker-{port}"));
        std::fs::create_dir_all(&folder)?;
        let mut broker = Self {
            kind,
            port,
            folder,
            child: None,
        };
        broker.begin()?;
        broker.answers(Duration::from_secs(10)).await?;
        Ok(broker)
    }

    /// Starts the process, at the same port.
    pub(crate) fn begin(&mut self) -> Result<(), Failure> {
        let port = self.port.to_string();
        let mut command = match self.kind {
            Kind::Redis => {
                let mut command = Command::new("redis-server");
                command.args(["--port", &port, "--bind", "127.0.0.1", "--save", ""]);
                command.args(["--appendonly", "no"]);
                command
            }
            Kind::Nats => {
                let mut command = Command::new("nats-server");
                command.args(["--addr", "127.0.0.1", "--port", &port]);
                command
            }
        };
        command.current_dir(&self.folder).stdin(Stdio::null());
        let started = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.child = Some(started.map_err(|error| format!("the broker does not start: {error}"))?);
        Ok(())
    }

    /// Waits until it answers; gives when it did.
    pub(crate) async fn answers(&self, within: Duration) -> Result<Instant, Failure> {
        let asked = async {
            loop {
                if self.ask().await.is_ok() {
                    return Instant::now();
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        let answered = timeout(within, asked).await;
        answered.map_err(|_| "the broker does not answer".into())
    }

    async fn ask(&self) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        if self.kind == Kind::Redis {
            stream.write_all(b"PING\r\n").await?;
        }
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await?;
        Ok(())
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// `STOP` or `CONT`.
    pub(crate) fn signal(&self, name: &str) -> Result<(), Failure> {
        let child = self.child.as_ref().ok_or("the broker is not running")?;
        let id = child.id().to_string();
        let done = Command::new("kill")
            .args([&format!("-{name}"), &id])
            .status()?;
        done.success()
            .then_some(())
            .ok_or_else(|| "the broker cannot be signalled".into())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.signal("CONT");
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
