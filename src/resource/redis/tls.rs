//! TLS under a connection to Redis.

use crate::resource::authorities::File;
use crate::resource::io::Io;
use crate::resource::redis::{RedisError, RedisServer};
use crate::resource::trust::{self, Insecure};
use rustls::ClientConfig;
use std::path::Path;
use std::sync::Arc;

impl RedisServer {
    /// Trusts these authorities, certificates in PEM, in place of the system's. Turns TLS on.
    ///
    /// ```
    /// use wireline::resource::redis::RedisServer;
    ///
    /// # let made = rcgen::generate_simple_self_signed(["redis.example".to_owned()]).unwrap();
    /// # let pem = made.cert.pem();
    /// let server = RedisServer::new("rediss://redis.example")?.roots(pem)?;
    /// # let _ = server;
    /// # Ok::<(), wireline::resource::redis::RedisError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RedisError`] when there is no certificate, or one that cannot be read.
    pub fn roots(mut self, pem: impl AsRef<[u8]>) -> Result<Self, RedisError> {
        let trust = trust::Trust::roots(pem.as_ref()).map_err(RedisError::new)?;
        self.trust = Some(Trust::Known(trust));
        Ok(self)
    }

    /// Trusts the authorities in a file, certificates in PEM, in place of the system's. Turns TLS on. The file is read now, which blocks,
    /// and anew for a connection when it has changed; while there is nothing good in it, what was there before is trusted.
    ///
    /// ```
    /// use wireline::resource::redis::RedisServer;
    ///
    /// let server = RedisServer::new("rediss://redis.example")?;
    /// assert!(server.roots_file("/no/such/file.pem").is_err());
    /// # Ok::<(), wireline::resource::redis::RedisError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RedisError`] when it cannot be read, when there is no certificate in it, or one that cannot be read.
    pub fn roots_file(mut self, path: impl AsRef<Path>) -> Result<Self, RedisError> {
        let file = File::read(path.as_ref()).map_err(RedisError::new)?;
        self.trust = Some(Trust::File(file));
        Ok(self)
    }

    /// A configuration of rustls: other authorities, a client's certificate, other cryptography. Turns TLS on.
    #[must_use]
    pub fn tls(mut self, config: impl Into<Arc<ClientConfig>>) -> Self {
        self.trust = Some(Trust::Known(trust::Trust::with(config.into())));
        self
    }
}

/// Whom one trusts: the system's authorities unless told.
#[derive(Clone, Debug)]
pub(super) enum Trust {
    Known(trust::Trust),
    File(File),
}

impl Trust {
    #[expect(clippy::unnecessary_wraps, reason = "without TLS there is none")]
    pub(super) fn system() -> Result<Self, RedisError> {
        Ok(Self::Known(trust::Trust::default()))
    }

    /// Makes a TLS connection of a connection. Dropping the future drops it.
    pub(super) async fn secure(&self, io: Io, host: &str) -> Result<Io, RedisError> {
        let of_file;
        let trust = match self {
            Self::Known(trust) => trust,
            Self::File(file) => {
                of_file = trust::Trust::with(file.config().await);
                &of_file
            }
        };
        let secured = trust.secure(io, host, None).await;
        secured.map_err(|error| match error {
            Insecure::Io(error) => RedisError::new(error),
            Insecure::Tls(error) => RedisError::new(error),
        })
    }
}
