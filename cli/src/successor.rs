//! A new version, or new settings, in this process's place: what SIGUSR2 asks for.

use crate::tell::{complain, say};
use std::io;
use tokio::signal::unix::{SignalKind, signal};
use wireline::server::{Handle, Successor};

/// Starts the program again at each SIGUSR2, until one has taken over these servers. Must be called inside a runtime.
pub(crate) fn watch(handle: &Handle, other: Option<&Handle>) -> io::Result<()> {
    let mut asked = signal(SignalKind::user_defined2())?;
    let (handle, other) = (handle.clone(), other.cloned());
    tokio::spawn(async move {
        while asked.recv().await.is_some() && handle.is_ready() {
            let successor = Successor::of(&handle);
            let successor = match &other {
                Some(other) => successor.along(other),
                None => successor,
            };
            match successor.take_over().await {
                Ok(process) => say(&format!("wireline goes on in process {process}")),
                Err(error) => complain(&format!("wireline: error: {error}; this process goes on")),
            }
        }
    });
    Ok(())
}
