//! The system's authorities.

use rustls::RootCertStore;

/// Reads them; those that cannot be read are passed over while there are others. Blocks.
pub(super) fn read() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(found.certs);
    if store.is_empty() {
        return Err(match found.errors.first() {
            Some(error) => format!("the system's authorities cannot be read: {error}"),
            None => "the system has no authorities".to_owned(),
        });
    }
    Ok(store)
}
