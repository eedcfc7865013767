//! A network of an attack's own: the server in a namespace, a link to it for honest clients, and one that is taken away.
//!
//! The driver starts itself anew in a namespace of its own first, so that no link is ever in the machine's.

use crate::pki::Failure;
use std::ffi::OsString;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};

/// It goes when it is dropped, and its links with it.
pub(crate) struct Network {
    space: String,
}

impl Network {
    /// A namespace with two links to this one.
    pub(crate) fn new(number: u32) -> io::Result<Self> {
        let space = format!("wireline-attack-{}-{number}", std::process::id());
        ip(&["link", "set", "lo", "up"])?;
        ip(&["netns", "add", &space])?;
        let made = Self { space };
        let space = made.space.as_str();
        for (link, net) in [(HONEST, 1), (CUT, 2)] {
            let (here, there) = (format!("10.213.{net}.1/24"), format!("10.213.{net}.2/24"));
            let peer = ["peer", "name", link, "netns", space];
            ip(&[&["link", "add", link, "type", "veth"], &peer[..]].concat())?;
            ip(&["addr", "add", &here, "dev", link])?;
            ip(&["link", "set", link, "up"])?;
            ip(&["-n", space, "addr", "add", &there, "dev", link])?;
            ip(&["-n", space, "link", "set", link, "up"])?;
        }
        ip(&["-n", space, "link", "set", "lo", "up"])?;
        Ok(made)
    }

    /// A program in it.
    pub(crate) fn inside(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.space]).arg(program);
        command
    }

    /// Where a server in it is for honest clients.
    pub(crate) const fn honest(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, 1, 2)
    }

    /// Where it is for those whose link is taken away.
    pub(crate) const fn lost(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, 2, 2)
    }

    /// Takes that link away: neither side hears of the other from now on.
    pub(crate) fn cut(&self) -> io::Result<()> {
        ip(&["link", "set", CUT, "down"])
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = ip(&["netns", "del", &self.space]);
    }
}

/// Whether this process is in a namespace of its own.
pub(crate) fn is_apart() -> bool {
    std::env::var_os(APART).is_some()
}

/// Runs an attack in a process that is; `asked` is what this one was started for. Says whether it held.
pub(crate) fn apart(id: &str, asked: &str) -> Result<bool, Failure> {
    let words = std::env::args_os().skip(1);
    let words = words.map(|word| {
        if word == asked {
            OsString::from(id)
        } else {
            word
        }
    });
    let done = Command::new("unshare")
        .arg("-n")
        .arg(std::env::current_exe()?)
        .args(words)
        .env(APART, "1")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output();
    let done = done.map_err(|error| format!("{ROOT}: {error}"))?;
    io::stdout().write_all(&done.stdout)?;
    match done.status.code() {
        Some(0) if !done.stdout.is_empty() => Ok(true),
        Some(1) if !done.stdout.is_empty() => Ok(false),
        _ => Err(ROOT.into()),
    }
}

fn ip(words: &[&str]) -> io::Result<()> {
    let done = Command::new("ip").args(words).output()?;
    if done.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&done.stderr).into_owned();
    Err(io::Error::other(format!("ip {}: {why}", words.join(" "))))
}

const ROOT: &str = "this attack wants root, and the programs unshare and ip";
const APART: &str = "WIRELINE_ATTACK_APART";
const HONEST: &str = "honest";
const CUT: &str = "cut";
