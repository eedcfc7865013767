//! What might lead out of a directory that is served: links, names that change places with links, all paths of three octets.
//!
//! The tests and `bench-attack` share it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::{fs, io, thread};

/// What no response may have in it.
pub(crate) const SECRET: &str = "SECRET-OUTSIDE";

/// Whether something is from outside.
pub(crate) fn is_secret(content: &[u8]) -> bool {
    let text = String::from_utf8_lossy(content);
    text.contains(SECRET) || text.contains("root:")
}

/// Makes `public`, the directory that is served, and secrets beside it and in places of it that are not shown.
pub(crate) fn lay_out(folder: &Path) -> io::Result<()> {
    for name in ["outside", "public/css", "public/.git", "public/empty"] {
        fs::create_dir_all(folder.join(name))?;
    }
    for path in [
        "index.html",
        "outside/secret.txt",
        "public/css/.hidden",
        "public/.git/config",
    ] {
        fs::write(folder.join(path), SECRET)?;
    }
    Ok(())
}

/// Links out of the directory, and to what is no file.
pub(crate) fn link_out(root: &Path) -> io::Result<()> {
    for (target, link) in [
        ("../outside", "out"),
        ("../outside/secret.txt", "out-file"),
        ("out", "out-twice"),
        ("..", "out-by-parent"),
        ("../..", "css/up-and-out"),
        ("/etc/passwd", "absolute"),
        ("/etc", "absolute-folder"),
        ("/proc/self/root", "proc"),
        ("/proc/self/fd/0", "self-fd"),
        ("loop", "loop"),
        ("nowhere", "dangling"),
        ("/dev/zero", "device"),
    ] {
        symlink(target, root.join(link))?;
    }
    Ok(())
}

/// A file and a directory that change places with links out of the directory, on a thread, until it ends.
pub(crate) struct Swaps {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Swaps {
    /// What is to be asked for meanwhile: [`INSIDE`](Self::INSIDE) or nothing comes.
    pub(crate) const PATHS: [&'static str; 4] = [
        "swap/secret.txt",
        "swapped.txt",
        "link/secret.txt",
        "link.txt",
    ];
    pub(crate) const INSIDE: &'static str = "inside";

    pub(crate) fn begin(root: PathBuf) -> io::Result<Self> {
        fs::create_dir(root.join("swap"))?;
        fs::write(root.join("swap/secret.txt"), Self::INSIDE)?;
        fs::write(root.join("swapped.txt"), Self::INSIDE)?;
        symlink("../outside", root.join("link"))?;
        symlink("../outside/secret.txt", root.join("link.txt"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            let swap = |one: &str, other: &str| {
                let _ = fs::rename(root.join(one), root.join("spare"));
                let _ = fs::rename(root.join(other), root.join(one));
                let _ = fs::rename(root.join("spare"), root.join(other));
            };
            let mut count = 0;
            while !stopped.load(Ordering::Relaxed) {
                swap("swap", "link");
                swap("swapped.txt", "link.txt");
                count += 1;
            }
            count
        });
        Ok(Self { stop, thread })
    }

    /// How many there were.
    pub(crate) fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// A path of three octets, each of them percent-encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Three([u8; 3]);

impl Three {
    /// How many there are.
    pub(crate) const ALL: usize = 1 << 24;

    pub(crate) fn new(number: usize) -> Self {
        Self([16, 8, 0].map(|shift| (number >> shift & 0xff) as u8))
    }

    /// Those that lead upwards.
    pub(crate) const STEPS: [Self; 4] =
        [Self(*b"../"), Self(*b"..\\"), Self(*b"./."), Self(*b"/..")];

    /// With capital and with small digits.
    pub(crate) fn encoded(&self) -> [[u8; 9]; 2] {
        [b"0123456789ABCDEF", b"0123456789abcdef"].map(|digits| {
            let mut path = [b'%'; 9];
            for (place, octet) in self.0.iter().enumerate() {
                path[3 * place + 1] = digits[usize::from(octet >> 4)];
                path[3 * place + 2] = digits[usize::from(octet & 15)];
            }
            path
        })
    }

    /// The name of a file that the path is, if it is one: no dot and nothing else that needs no escape, no separator.
    pub(crate) fn name(&self) -> Option<&str> {
        let is_bad = |octet: u8| octet.is_ascii_control() || b"/\\".contains(&octet);
        let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._".contains(&octet);
        let name = std::str::from_utf8(&self.0).ok()?;
        (!name.bytes().any(|octet| is_bad(octet) || is_plain(octet))).then_some(name)
    }

    /// Puts in the directory what bears the name: in turns a file, a link to a secret, links to where it is, and nothing.
    pub(crate) fn plant(&self, root: &Path, turn: usize) -> io::Result<()> {
        let Some(name) = self.name() else {
            return Ok(());
        };
        match turn % 4 {
            0 => fs::write(root.join(name), name),
            1 => symlink("../outside/secret.txt", root.join(name)),
            2 => {
                symlink("../outside", root.join(format!("{name}outside")))?;
                symlink("../outside", root.join(name))
            }
            _ => Ok(()),
        }
    }

    /// What is to be asked for: itself in both ways to write it, and what would be the secret if it were a directory or a step upwards.
    pub(crate) fn paths(&self) -> [String; 4] {
        let [capital, small] = self.encoded();
        [
            (capital, ""),
            (small, ""),
            (small, "/secret.txt"),
            (capital, "outside/secret.txt"),
        ]
        .map(|(path, rest)| format!("{}{rest}", path.escape_ascii()))
    }

    /// Whether the answers to [`paths`](Self::paths) are right; how many were files. The oracle is the system: a path is decoded and
    /// no more, and what it finds there comes from the directory or does not come.
    pub(crate) fn judge(&self, root: &Path, answers: &[(u16, Vec<u8>)]) -> Result<usize, String> {
        let mut found = 0;
        let rests: [&[u8]; 4] = [b"", b"", b"/secret.txt", b"outside/secret.txt"];
        for ((status, content), rest) in answers.iter().zip(rests) {
            let decoded = [&self.0[..], rest].concat();
            let path = [root.as_os_str().as_bytes(), b"/", &decoded].concat();
            let inside = fs::canonicalize(OsStr::from_bytes(&path))
                .ok()
                .filter(|path| path.starts_with(root) && path.is_file())
                .and_then(|path| fs::read(path).ok());
            let is_right = match (status, &inside) {
                (200, Some(inside)) => content == inside,
                (404, Some(_)) => self.name().is_none(),
                (404, None) => true,
                _ => false,
            };
            if !is_right || is_secret(content) {
                return Err(format!(
                    "{}: {status} {}, the system finds {inside:?}",
                    decoded.escape_ascii(),
                    content.escape_ascii()
                ));
            }
            found += usize::from(*status == 200);
        }
        Ok(found)
    }
}
