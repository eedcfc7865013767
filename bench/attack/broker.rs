//! A Redis of an attack's own, which is killed and comes back.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

/// It ends when this is dropped.
pub(crate) struct Broker {
    port: u16,
    folder: PathBuf,
    child: Mutex<Option<Child>>,
}

impl Broker {
    /// One at a free port, with nothing kept; `None` where there is no such program.
    pub(crate) fn start(folder: &Path) -> io::Result<Option<Self>> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = free.local_addr()?.port();
        drop(free);
        let broker = Self {
            port,
            folder: folder.to_owned(),
            child: Mutex::new(None),
        };
        match broker.begin() {
            Ok(()) => Ok(Some(broker)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts it, and waits until it takes connections.
    pub(crate) fn begin(&self) -> io::Result<()> {
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        *self.child() = Some(command.spawn()?);
        for _ in 0..100 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return Ok(());
            }
            sleep(Duration::from_millis(50));
        }
        Err(io::Error::other("redis-server takes no connections"))
    }

    /// Kills it.
    pub(crate) fn kill(&self) {
        if let Some(mut child) = self.child().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}
