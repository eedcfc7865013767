//! NATS as a backplane (feature `nats`).
//!
//! ```text
//!   address      what a URL says: servers, who we are
//!   subject      channels as subjects
//!   connection   one connection, from its beginning to its end
//!   trust        whose certificates are believed
//! ```

mod address;
mod connection;
mod subject;
mod trust;

use self::address::Address;
use self::connection::Connection;
use self::subject::Subjects;
use self::trust::Trust;
use super::{Backplane, BackplaneError, Link};
use rustls::ClientConfig;
use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

/// Carries messages between nodes over NATS: a server or a cluster of them.
///
/// A node has one connection, with a subscription for each channel that it takes and one that its own confirmations come back on.
/// Nothing is kept: topics with a retention have the history of each node, as those of a relay without a backplane. (Streams of
/// JetStream count over all of their subjects, and a relay wants offsets of each topic, of which there may be a million.) Whoever
/// wants a history that all nodes share takes Redis.
///
/// A message is confirmed when the server has taken everything before it, which a message of ours that comes back tells. A server
/// that does not answer for 5 s is taken for gone. The reconnecting of `async-nats` is not used: a connection that was lost is
/// lost, and the node makes a new one. A subscription whose messages are not taken in time loses what comes beyond 8,192, which the
/// cluster finds and tells as it does any loss. What is longer than the server's `max_payload` is refused.
///
/// Whoever connects has to be allowed to publish and to subscribe to `PREFIX.>`, and to nothing else.
///
/// ```
/// use wireline::relay::backplane::Backplane;
/// use wireline::relay::backplane::nats::Nats;
///
/// let nats = Nats::new("nats://node:secret@10.0.0.5,10.0.0.6")?.prefix("chat");
/// assert_eq!(nats.name(), "nats");
/// assert!(!nats.keeps_history());
/// assert!(Nats::new("redis://10.0.0.5").is_err());
/// # Ok::<(), wireline::relay::backplane::BackplaneError>(())
/// ```
#[derive(Clone)]
pub struct Nats {
    address: Address,
    subjects: Subjects,
    trust: Trust,
}

impl Nats {
    /// A server at `nats://host`, or `tls://host` where nothing but TLS will do; several of a cluster with commas between them. The
    /// port is 4222 unless it is said, and who we are stands before the host: `user:password@` or `token@`, with `%40` and its
    /// like for what has a meaning in a URL. A server that wants TLS gets it with `nats://`, too.
    ///
    /// # Errors
    ///
    /// [`BackplaneError`] says what is wrong with the URL. It does not repeat any of it.
    pub fn new(url: &str) -> Result<Self, BackplaneError> {
        Ok(Self {
            address: Address::read(url)?,
            subjects: Subjects::new("wireline"),
            trust: Trust::default(),
        })
    }

    /// Signs in with a key, in place of what a URL can say: the seed of a user's key (NKey, it begins with `SU`), or what is in a
    /// credentials file, a JWT and the seed of its key. The seed does not leave the process: what the server says first is signed with
    /// it. Both are secrets, which [`Debug`](fmt::Debug) and errors never show.
    ///
    /// ```
    /// use wireline::relay::backplane::nats::Nats;
    ///
    /// let seed = "SUAG43ZANNSXSIDUNBQXIIDBNZ4WE33EPEQGQYLTFQQGM33SEBXW4ZIRJM";
    /// let nats = Nats::new("nats://10.0.0.5")?.credentials(seed)?;
    /// assert!(!format!("{nats:?}").contains("SU"));
    /// assert!(Nats::new("nats://me:secret@10.0.0.5")?.credentials(seed).is_err());
    /// # Ok::<(), wireline::relay::backplane::BackplaneError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BackplaneError`] for what is neither, and when the URL says who connects.
    pub fn credentials(mut self, secret: impl AsRef<str>) -> Result<Self, BackplaneError> {
        self.address.sign_in(secret.as_ref())?;
        Ok(self)
    }

    /// What all subjects begin with, `wireline` unless it is set: relays with different ones have nothing to do with each other.
    /// What is no letter, digit, `_` or `-` is written as `=` and two hexadecimal digits.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.subjects = Subjects::new(prefix);
        self
    }

    /// Trusts these authorities, certificates in PEM, in place of the system's.
    ///
    /// # Errors
    ///
    /// [`BackplaneError`] when there is no certificate, or one that cannot be read.
    pub fn roots(mut self, pem: impl AsRef<[u8]>) -> Result<Self, BackplaneError> {
        self.trust = Trust::of_pem(pem.as_ref())?;
        Ok(self)
    }

    /// Trusts the authorities in a file, certificates in PEM, in place of the system's. The file is read now, which blocks, and anew for a
    /// connection when it has changed; while there is nothing good in it, what was there before is trusted.
    ///
    /// ```
    /// use wireline::relay::backplane::nats::Nats;
    ///
    /// let nats = Nats::new("tls://nats.example")?;
    /// assert!(nats.roots_file("/no/such/file.pem").is_err());
    /// # Ok::<(), wireline::relay::backplane::BackplaneError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BackplaneError`] when it cannot be read, when there is no certificate in it, or one that cannot be read.
    pub fn roots_file(mut self, path: impl AsRef<Path>) -> Result<Self, BackplaneError> {
        self.trust = Trust::of_file(path.as_ref())?;
        Ok(self)
    }

    /// A configuration of rustls: other authorities, a client's certificate, other cryptography.
    #[must_use]
    pub fn tls(mut self, config: impl Into<Arc<ClientConfig>>) -> Self {
        self.trust = Trust::of(config.into());
        self
    }
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats")
            .field("servers", &self.address.servers())
            .field("prefix", &self.subjects.prefix())
            .finish_non_exhaustive()
    }
}

impl Backplane for Nats {
    fn name(&self) -> &'static str {
        "nats"
    }

    fn run(&self, link: Link) -> Pin<Box<dyn Future<Output = BackplaneError> + Send>> {
        let this = self.clone();
        Box::pin(async move {
            let connection = Connection::open(&this.address, this.subjects, &this.trust).await;
            match connection {
                Ok(connection) => connection.serve(link).await,
                Err(error) => error,
            }
        })
    }
}
