//! HAProxy before two servers. It takes a client to the one that its cookie names, and one without to each in turn.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::time::Instant;

pub(crate) struct Balancer {
    folder: PathBuf,
    port: u16,
    child: Child,
}

impl Balancer {
    /// Starts it before these servers. It answers who has no `x-key` with 403.
    pub(crate) fn before(places: [&str; 2]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("wireline-balancer-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        // Whoever takes the port in between makes the start fail, and another one is taken.
        let mut tries = 0;
        loop {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            drop(listener);
            let [one, two] = places;
            let config = format!(
                "defaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n timeout tunnel 60s\n\
                 frontend all\n bind 127.0.0.1:{port}\n http-request deny unless {{ req.hdr(x-key) swordfish }}\n default_backend nodes\n\
                 backend nodes\n balance roundrobin\n cookie NODE insert indirect nocache\n server one {one} cookie one\n server two {two} cookie two\n"
            );
            fs::write(folder.join("haproxy.cfg"), config).unwrap();
            if let Some(child) = run(&folder, port) {
                return Self {
                    folder,
                    port,
                    child,
                };
            }
            tries += 1;
            assert!(tries < 5, "HAProxy does not start");
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// It is killed, with every connection over it.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// And comes back in its place.
    pub(crate) fn start_again(&mut self) {
        self.child = run(&self.folder, self.port).expect("HAProxy starts again");
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Gives it once it takes connections.
fn run(folder: &std::path::Path, port: u16) -> Option<Child> {
    let mut child = Command::new("haproxy")
        .args(["-db", "-f"])
        .arg(folder.join("haproxy.cfg"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("haproxy runs: `bash tests/tools.sh` installs it");
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(10) {
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Some(child);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}
