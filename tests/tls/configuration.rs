//! What a program may say, and what it is told when that cannot be used.

use crate::common::{Authority, Folder, Pair, any_client, get, routes, secure_addr};
use std::fmt::Display;
use std::sync::Arc;
use wireline::Server;
use wireline::server::{TlsConfig, TlsError};
use wireline::test::TestServer;

#[test]
fn every_mistake_is_one_line_that_names_the_culprit() {
    let authority = Authority::new();
    let (good, other) = (authority.sign("localhost"), authority.sign("localhost"));
    let folder = Folder::new("mistakes");
    let (cert, key) = folder.write_pair(&good);
    let missing = folder.path("missing.pem");
    let given = |certificate: &str, key: &str| TlsConfig::from_pem_bytes(certificate, key);
    let tls = || given(&good.certificate, &good.key).unwrap();
    let expired = authority.sign_between("localhost", 2001, 2002);
    let future = authority.sign_between("localhost", 3000, 3001);
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let damaged = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let half = &good.certificate[..good.certificate.len() / 2];
    for (outcome, expected) in [
        (
            TlsConfig::from_pem(&missing, &key),
            &["missing.pem", "certificate", "No such file"][..],
        ),
        (
            TlsConfig::from_pem(&cert, &missing),
            &["missing.pem", "private key", "No such file"],
        ),
        (TlsConfig::from_pem(&key, &cert), &["key.pem", "mixed up"]),
        (TlsConfig::from_pem(&cert, &cert), &["cert.pem", "mixed up"]),
        (given(&good.certificate, &other.key), &["does not belong"]),
        (
            given("", &good.key),
            &["no certificate", "BEGIN CERTIFICATE"],
        ),
        (
            given(&good.certificate, ""),
            &["no private key", "BEGIN PRIVATE KEY"],
        ),
        (given(half, &good.key), &["certificate", "cut off"]),
        (
            given(damaged, &good.key),
            &["certificate", "or a damaged one"],
        ),
        (given(&good.certificate, encrypted), &["encrypted"]),
        (
            given(&expired.certificate, &expired.key),
            &["expired on Tue, 01 Jan 2002"],
        ),
        (
            given(&future.certificate, &future.key),
            &["not valid before", "3000"],
        ),
        (tls().sni("not a name", &cert, &key), &["not a name"]),
        (tls().sni("a.example", &missing, &key), &["missing.pem"]),
        (
            tls().sni_bytes("localhost", &good.certificate, &other.key),
            &["does not belong"],
        ),
        (
            tls().sni_bytes("a.example", &good.certificate, &good.key),
            &["is not for `a.example`"],
        ),
        (
            tls().sni("*.localhost", &cert, &key),
            &["cert.pem is not for `*.localhost`"],
        ),
        (
            tls()
                .sni("localhost", &cert, &key)
                .and_then(|tls| tls.sni("LocalHost.", &cert, &key)),
            &["`localhost` was given two certificates"],
        ),
        (tls().client_ca(&missing), &["missing.pem", "authorities"]),
        (
            tls().client_ca_bytes(&good.key),
            &["authorities", "mixed up"],
        ),
        (TlsConfig::self_signed("not a name"), &["not a name"]),
    ] {
        let Err(error) = outcome else {
            panic!("{expected:?} was taken")
        };
        assert_names(&error, expected);
    }
}

fn assert_names(error: &dyn Display, expected: &[&str]) {
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    for part in expected {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

#[test]
fn what_is_given_whole_cannot_be_changed_and_what_has_gone_keeps_the_server_from_starting() {
    let authority = Authority::new();
    let folder = Folder::new("gone");
    let (cert, key) = folder.write_pair(&authority.sign("localhost"));
    let tls = TlsConfig::from_pem(&cert, &key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let started = Server::new(routes())
        .bind_tls("127.0.0.1:0", tls)
        .run()
        .map_err(|error| error.to_string());
    let error = started.unwrap_err();
    assert!(
        error.contains("key.pem") && error.contains("No such file"),
        "{error}"
    );

    let made = TlsConfig::from_config(rustls_config(&authority.sign("localhost")));
    assert!(matches!(
        made.sni("a.example", &cert, &key),
        Err(TlsError::Unusable(_))
    ));
}

/// An embedder's own, with another provider than ours and protocols that we do not speak.
fn rustls_config(pair: &Pair) -> rustls::ServerConfig {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"gopher".to_vec()];
    config.max_early_data_size = 16 * 1024;
    config
}

#[tokio::test]
async fn an_existing_configuration_of_rustls_serves_with_our_alpn_and_its_names() {
    let authority = Authority::new();
    let tls = TlsConfig::from_config(rustls_config(&authority.sign("localhost")));
    let server = TestServer::start(Server::new(routes()).bind_tls("127.0.0.1:0", tls));
    let addr = secure_addr(server.handle());
    let mut config = crate::common::client(&authority, rustls::ALL_VERSIONS, None);
    config.alpn_protocols = vec![b"gopher".to_vec(), b"http/1.1".to_vec()];
    let told = get(addr, "localhost", &Arc::new(config), "/tls")
        .await
        .unwrap();
    assert!(told.ends_with(" localhost http/1.1 full []"), "{told}");
}

#[tokio::test]
async fn a_certificate_for_development_takes_one_call() {
    let tls = TlsConfig::self_signed("localhost").unwrap();
    let server = TestServer::start(Server::new(routes()).bind_tls("127.0.0.1:0", tls));
    let addr = secure_addr(server.handle());
    assert_eq!(
        server.handle().bound()[0].to_string(),
        format!("https://{addr}")
    );
    // Nobody vouches for it.
    let stranger = any_client(&Authority::new());
    let error = get(addr, "localhost", &stranger, "/hello")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}
