//! Authorities in a file of their own.

use crate::resource::authorities::{TlsError, trusting};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Certificates in PEM, which are read anew for a connection when the file has changed.
#[derive(Clone, Debug)]
pub(crate) struct File(Arc<Known>);

#[derive(Debug)]
struct Known {
    path: PathBuf,
    last: Mutex<(Stamp, Arc<ClientConfig>)>,
}

/// What tells a file from what it was: when it was written, and how long it is.
type Stamp = (Option<SystemTime>, u64);

impl File {
    /// Reads it. Blocks.
    pub(crate) fn read(path: &Path) -> Result<Self, TlsError> {
        // What is written in between is read again.
        let stamp = stamp(path)?;
        let config = read(path)?;
        Ok(Self(Arc::new(Known {
            path: path.to_owned(),
            last: Mutex::new((stamp, config)),
        })))
    }

    /// For a connection. While there is nothing good in the file, what was there before is taken.
    pub(crate) async fn config(&self) -> Arc<ClientConfig> {
        let known = self.0.clone();
        let looked = tokio::task::spawn_blocking(move || known.look()).await;
        looked.unwrap_or_else(|_| self.0.last().1.clone())
    }
}

impl Known {
    fn look(&self) -> Arc<ClientConfig> {
        let stamp = stamp(&self.path).ok();
        let is_other = |now: &Stamp| self.last().0 != *now;
        if let Some(now) = stamp.filter(is_other)
            && let Ok(config) = read(&self.path)
        {
            *self.last() = (now, config);
        }
        self.last().1.clone()
    }

    fn last(&self) -> std::sync::MutexGuard<'_, (Stamp, Arc<ClientConfig>)> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    let about = fs::metadata(path)?;
    Ok((about.modified().ok(), about.len()))
}

fn read(path: &Path) -> Result<Arc<ClientConfig>, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&fs::read(path)?) {
        store.add(certificate?)?;
    }
    if store.is_empty() {
        return Err("there is no certificate in PEM".into());
    }
    Ok(Arc::new(trusting(store)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(name: &str) -> String {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        made.cert.pem()
    }

    #[tokio::test]
    async fn a_file_that_was_replaced_is_read_again_and_one_that_is_broken_is_not() {
        let name = format!("wireline-authorities-{}.pem", std::process::id());
        let path = std::env::temp_dir().join(name);
        assert!(File::read(&path).is_err());
        fs::write(&path, "no certificate").unwrap();
        assert!(File::read(&path).is_err());
        fs::write(&path, pem("one.example")).unwrap();
        let file = File::read(&path).unwrap();
        let first = file.config().await;
        assert!(Arc::ptr_eq(&first, &file.config().await));
        fs::write(&path, "halfway").unwrap();
        assert!(Arc::ptr_eq(&first, &file.config().await));
        fs::write(&path, pem("another-one.example")).unwrap();
        let second = file.config().await;
        assert!(!Arc::ptr_eq(&first, &second));
        fs::remove_file(&path).unwrap();
        assert!(Arc::ptr_eq(&second, &file.config().await));
    }
}
