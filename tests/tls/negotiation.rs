//! What is negotiated, and that handlers are told: versions, ALPN, names, sessions, client certificates.

use crate::common::{Authority, any_client, ask, client, connect, get, routes, secure_addr};
use rustls::version::{TLS12, TLS13};
use std::net::SocketAddr;
use std::sync::Arc;
use wireline::Server;
use wireline::resource::counters::Counter;
use wireline::server::TlsConfig;
use wireline::test::TestServer;

fn serve(tls: TlsConfig) -> (TestServer, SocketAddr) {
    let server = TestServer::start(Server::new(routes()).bind_tls("127.0.0.1:0", tls));
    let addr = secure_addr(server.handle());
    (server, addr)
}

#[tokio::test]
async fn handlers_are_told_version_suite_name_and_protocol() {
    let authority = Authority::new();
    let (server, addr) = serve(authority.tls("localhost"));
    for (version, expected) in [
        (&TLS13, "TLSv1.3 TLS13_AES_256_GCM_SHA384 localhost"),
        (
            &TLS12,
            "TLSv1.2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 localhost",
        ),
    ] {
        // TL-9: with and without protocols that we do not speak.
        for (offer, chosen) in [
            (&[][..], "-"),
            (&["http/1.1"], "http/1.1"),
            (&["h9", "http/1.1"], "http/1.1"),
        ] {
            let mut config = client(&authority, &[version], None);
            config.alpn_protocols = offer.iter().map(|name| name.as_bytes().to_vec()).collect();
            let told = get(addr, "localhost", &Arc::new(config), "/tls")
                .await
                .unwrap();
            assert_eq!(told, format!("{expected} {chosen} full []"));
        }
        let mut config = client(&authority, &[version], None);
        config.alpn_protocols = vec![b"h9".to_vec()];
        let error = get(addr, "localhost", &Arc::new(config), "/tls")
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("NoApplicationProtocol"),
            "{error}"
        );
    }
    let metrics = server.handle().metrics();
    assert_eq!(metrics.get(Counter::TlsHandshakes), 6);
    assert_eq!(metrics.get(Counter::TlsFailures), 2);
    assert_eq!(metrics.get(Counter::IoErrors), 0);
}

#[tokio::test]
async fn without_tls_there_is_nothing_to_tell() {
    let (server, _) = serve(TlsConfig::self_signed("localhost").unwrap());
    let mut plain = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
    assert_eq!(ask(&mut plain, "/maybe").await.unwrap(), "none");
    let mut answer = String::new();
    let mut plain = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    plain
        .write_all(b"GET /tls HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    plain.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
}

/// TL-10, TL-11: sessions resume in both versions, each with tickets of its own, and early data is not taken.
#[tokio::test]
async fn sessions_are_resumed_and_early_data_is_off() {
    let authority = Authority::new();
    let (server, addr) = serve(authority.tls("localhost"));
    for version in [&TLS13, &TLS12] {
        let mut config = client(&authority, &[version], None);
        config.enable_early_data = true;
        let config = Arc::new(config);
        let first = get(addr, "localhost", &config, "/tls").await.unwrap();
        assert!(first.contains(" localhost - full []"), "{first}");
        for _ in 0..3 {
            let mut stream = connect(addr, "localhost", &config).await.unwrap();
            assert!(!stream.get_ref().1.is_early_data_accepted());
            let again = ask(&mut stream, "/tls").await.unwrap();
            assert!(again.contains(" localhost - resumed []"), "{again}");
        }
    }
    assert_eq!(server.handle().metrics().get(Counter::TlsResumed), 6);
}

#[tokio::test]
async fn names_choose_certificates() {
    let authority = Authority::new();
    let add = |tls: TlsConfig, name: &str| {
        let pair = authority.sign(name);
        tls.sni_bytes(name, pair.certificate, pair.key).unwrap()
    };
    let tls = authority.tls("default.example");
    let (_server, addr) = serve(
        ["*.org.example", "www.org.example", "Org.Example."]
            .iter()
            .fold(tls, |tls, name| add(tls, name.trim_end_matches('.'))),
    );
    let config = any_client(&authority);
    // The client checks that the certificate is for the name: each of these has one of its own.
    for name in [
        "default.example",
        "org.example",
        "www.org.example",
        "any.org.example",
        "OTHER.org.example",
    ] {
        let told = get(addr, name, &config, "/tls").await;
        let told = told.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(
            told.contains(&format!(" {} - ", name.to_ascii_lowercase())),
            "{told}"
        );
    }
    // A star is one label; nobody else's name; and an address is no name.
    for name in ["a.b.org.example", "other.example", "127.0.0.1"] {
        let error = get(addr, name, &config, "/tls").await.unwrap_err();
        assert!(
            error.to_string().contains("not valid for name"),
            "{name}: {error}"
        );
    }
    let address = authority.sign("127.0.0.1");
    let (_server, addr) =
        serve(TlsConfig::from_pem_bytes(address.certificate, address.key).unwrap());
    let told = get(addr, "127.0.0.1", &config, "/tls").await.unwrap();
    assert!(told.contains(" - - full"), "{told}");
}

#[tokio::test]
async fn clients_show_their_certificates() {
    let (authority, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let (own, foreign) = (
        clients.sign("client.example"),
        strangers.sign("client.example"),
    );
    for version in [&TLS13, &TLS12] {
        for required in [true, false] {
            let tls = authority.tls("localhost");
            let tls = if required {
                tls.client_ca_bytes(clients.pem())
            } else {
                tls.client_ca_optional_bytes(clients.pem())
            };
            let (server, addr) = serve(tls.unwrap());
            let with = |pair| Arc::new(client(&authority, &[version], pair));

            let config = with(Some(&own));
            let told = get(addr, "localhost", &config, "/tls").await.unwrap();
            let length = der_len(&own.certificate);
            assert!(told.ends_with(&format!(" full [{length}]")), "{told}");
            let again = get(addr, "localhost", &config, "/tls").await.unwrap();
            assert!(again.ends_with(&format!(" resumed [{length}]")), "{again}");

            let nobody = get(addr, "localhost", &with(None), "/tls").await;
            assert_eq!(nobody.is_ok(), !required, "{nobody:?}");
            let wrong = get(addr, "localhost", &with(Some(&foreign)), "/tls").await;
            assert!(wrong.is_err(), "{wrong:?}");
            let failures = server.handle().metrics().get(Counter::TlsFailures);
            assert_eq!(failures, 1 + u64::from(required));
        }
    }
}

/// The octets of a certificate, from its PEM.
fn der_len(pem: &str) -> usize {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    CertificateDer::from_pem_slice(pem.as_bytes())
        .unwrap()
        .len()
}
