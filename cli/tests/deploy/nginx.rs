//! nginx with `deploy/nginx.conf`, where nothing but places is another.

use crate::brokers;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running nginx in front of two nodes.
pub(crate) struct Nginx {
    child: Child,
    folder: PathBuf,
    pub(crate) place: String,
}

impl Nginx {
    pub(crate) fn start(nodes: [&str; 2]) -> Self {
        let place = format!("127.0.0.1:{}", brokers::free_port().unwrap());
        let folder =
            std::env::temp_dir().join(format!("wireline-nginx-{}", place.replace(':', "-")));
        fs::create_dir_all(&folder).unwrap();
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/nginx.conf");
        let mut written = fs::read_to_string(file).unwrap();
        let listens = format!("listen {place};");
        let inside = format!("http {{\n{}access_log off;\n", temporary(&folder));
        for (there, here, times) in [
            ("listen 80;", &*listens, 1),
            (
                "server 10.0.0.11:8000 ",
                &format!("server {} ", nodes[0]),
                2,
            ),
            (
                "server 10.0.0.12:8000 ",
                &format!("server {} ", nodes[1]),
                2,
            ),
            ("http {\n", &*inside, 1),
            // More than a test may have.
            ("worker_rlimit_nofile 65536;", "", 1),
            ("worker_connections 32768;", "worker_connections 512;", 1),
            // Whoever ends it does not wait.
            ("worker_shutdown_timeout 1h;", "", 1),
        ] {
            assert_eq!(written.matches(there).count(), times, "{there}");
            written = written.replace(there, here);
        }
        let configuration = folder.join("nginx.conf");
        fs::write(&configuration, written).unwrap();
        let globals = format!("daemon off; pid {};", folder.join("pid").display());
        let log = folder.join("error.log");
        let child = Command::new(program())
            .arg("-p")
            .arg(&folder)
            .arg("-c")
            .arg(&configuration)
            .arg("-e")
            .arg(&log)
            .args(["-g", &globals])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut nginx = Self {
            child,
            folder,
            place,
        };
        let begun = Instant::now();
        while TcpStream::connect(&nginx.place).is_err() {
            let ended = nginx.child.try_wait().unwrap();
            assert!(
                ended.is_none() && begun.elapsed() < Duration::from_secs(10),
                "nginx: {}",
                fs::read_to_string(&log).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        nginx
    }
}

impl Drop for Nginx {
    /// Its workers end with it when it is asked to end, not when it is killed.
    fn drop(&mut self) {
        let asked = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Its own folders for what it puts aside: those of the system are root's.
fn temporary(folder: &Path) -> String {
    ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {};\n", folder.join(kind).display()))
        .concat()
}

/// Debian puts it where only root looks for programs.
fn program() -> &'static str {
    if Path::new("/usr/sbin/nginx").exists() {
        "/usr/sbin/nginx"
    } else {
        "nginx"
    }
}
