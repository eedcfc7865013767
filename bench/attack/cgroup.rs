//! A memory cgroup of the first version, in which a server is killed when it wants more.

use std::path::{Path, PathBuf};
use std::{fs, io};
use wireline::wire::number;

/// It is removed when it is dropped, for which the server has to have ended.
pub(crate) struct Cgroup {
    folder: PathBuf,
}

impl Cgroup {
    /// A new one with room for so many MiB.
    pub(crate) fn new(number: u32, mib: u64) -> io::Result<Self> {
        let folder =
            Path::new(ROOT).join(format!("wireline-attack-{}-{number}", std::process::id()));
        let told = |error: io::Error| {
            io::Error::other(format!(
                "no memory cgroup can be made at {ROOT} ({error}): this attack wants root and cgroups of version 1"
            ))
        };
        fs::create_dir(&folder).map_err(told)?;
        let made = Self { folder };
        fs::write(
            made.folder.join("memory.limit_in_bytes"),
            (mib << 20).to_string(),
        )
        .map_err(told)?;
        Ok(made)
    }

    /// The file that a process writes its id into to be in it.
    pub(crate) fn joining(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }

    /// How often somebody in it was killed.
    pub(crate) fn kills(&self) -> Option<u64> {
        let text = fs::read_to_string(self.folder.join("memory.oom_control")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        number::decimal(line?.as_bytes())
    }

    /// The most that it ever held, in MiB: the kernel's buffers are not in it.
    pub(crate) fn most_mib(&self) -> Option<f64> {
        let text = fs::read_to_string(self.folder.join("memory.max_usage_in_bytes")).ok()?;
        let octets = number::decimal(text.trim_end().as_bytes())?;
        Some(octets as f64 / 1024.0 / 1024.0)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // The last process leaves it a moment after it was waited for.
        for _ in 0..50 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

const ROOT: &str = "/sys/fs/cgroup/memory";
