//! Certificates change while connections go on and handshakes come in.

use crate::common::{
    Authority, Folder, Pair, any_client, client, connect, get, replace, routes, say_hello,
    secure_addr, until,
};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use wireline::Server;
use wireline::resource::counters::Counter;
use wireline::server::{Handle, TlsConfig};
use wireline::test::TestServer;

/// TL-6: half of a file, another's key, an expired certificate and an empty file are never installed, and no handshake
/// fails meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_reloads_with_broken_ones_in_between_fail_no_handshake() {
    let authority = Authority::new();
    let folder = Folder::new("hundred");
    let (cert, key) = folder.write_pair(&authority.sign("localhost"));
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = told.clone();
    let tls = TlsConfig::from_pem(&cert, &key)
        .unwrap()
        .reload_interval(None)
        .on_reload(move |outcome| {
            telling
                .lock()
                .unwrap()
                .push(outcome.map_err(ToString::to_string));
        });
    let server = TestServer::start(Server::new(routes()).bind_tls("127.0.0.1:0", tls));
    let addr = secure_addr(server.handle());
    let config = any_client(&authority);
    let mut lasting = connect(addr, "localhost", &config).await.unwrap();
    say_hello(&mut lasting).await;

    let (stop, done) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let load: Vec<_> = (0..2)
        .map(|_| {
            let (stop, done) = (stop.clone(), done.clone());
            // One resumes when it can, one never.
            let mut config = client(&authority, rustls::ALL_VERSIONS, None);
            config.resumption = rustls::client::Resumption::disabled();
            let configs = [any_client(&authority), Arc::new(config)];
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    for config in &configs {
                        get(addr, "localhost", config, "/hello").await.unwrap();
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();

    let (good, other) = (authority.sign("localhost"), authority.sign("localhost"));
    let expired = authority.sign_between("localhost", 2001, 2002);
    for round in 0..100_u32 {
        let next = if round % 2 == 0 { &good } else { &other };
        match round % 10 {
            3 => replace(&cert, &next.certificate[..next.certificate.len() / 2]),
            // The key of the certificate before this one.
            5 => replace(&cert, &next.certificate),
            7 => {
                replace(&cert, &expired.certificate);
                replace(&key, &expired.key);
            }
            9 => replace(&key, ""),
            _ => {
                replace(&cert, &next.certificate);
                replace(&key, &next.key);
            }
        }
        let broken = matches!(round % 10, 3 | 5 | 7 | 9);
        let reloaded = server.handle().reload();
        assert_eq!(reloaded.is_err(), broken, "round {round}: {reloaded:?}");
        if round % 10 == 0 {
            say_hello(&mut lasting).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    say_hello(&mut lasting).await;
    until("50 handshakes", || done.load(Ordering::Relaxed) >= 50).await;
    stop.store(true, Ordering::Relaxed);
    for task in load {
        task.await.expect("a handshake failed");
    }
    let metrics = server.handle().metrics();
    assert_eq!(metrics.get(Counter::TlsFailures), 0);
    assert_eq!(metrics.get(Counter::CertificateReloadFailures), 40);
    let told = told.lock().unwrap();
    assert_eq!(told.iter().filter(|outcome| outcome.is_err()).count(), 40);
    for part in ["cut off", "does not belong", "expired on", "no private key"] {
        let said = told.iter().filter_map(|outcome| outcome.as_ref().err());
        assert_eq!(
            said.filter(|text| text.contains(part)).count(),
            10,
            "{part}"
        );
    }
}

#[tokio::test]
async fn changed_files_are_found_by_their_time_stamps() {
    let (before, after) = (Authority::new(), Authority::new());
    let folder = Folder::new("stamps");
    let (cert, key) = folder.write_pair(&before.sign("localhost"));
    let tls = TlsConfig::from_pem(&cert, &key)
        .unwrap()
        .reload_interval(Some(Duration::from_millis(20)))
        .on_reload(|_| ());
    let server = TestServer::start(Server::new(routes()).bind_tls("127.0.0.1:0", tls));
    let addr = secure_addr(server.handle());
    let (old, new) = (any_client(&before), any_client(&after));
    let mut lasting = connect(addr, "localhost", &old).await.unwrap();

    // The certificate first: for a while the key is another's.
    let next = after.sign("localhost");
    let metrics = server.handle().metrics();
    folder.write("cert.pem", &next.certificate);
    until("a failure", || {
        metrics.get(Counter::CertificateReloadFailures) > 0
    })
    .await;
    get(addr, "localhost", &old, "/hello").await.unwrap();
    folder.write("key.pem", &next.key);
    until("a reload", || metrics.get(Counter::CertificateReloads) == 1).await;
    get(addr, "localhost", &new, "/hello").await.unwrap();
    say_hello(&mut lasting).await;
    // What does not change is not told again.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(metrics.get(Counter::CertificateReloads), 1);
    assert_eq!(metrics.get(Counter::CertificateReloadFailures), 1);
}

/// A session remembers that its client was trusted once.
#[tokio::test]
async fn sessions_end_with_the_authorities_that_vouched_for_them() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let folder = Folder::new("authorities");
    let ca = folder.write("ca.pem", clients.pem());
    let tls = authority
        .tls("localhost")
        .client_ca(&ca)
        .unwrap()
        .on_reload(|_| ());
    let server = TestServer::start(Server::new(routes()).bind_tls("127.0.0.1:0", tls));
    let addr = secure_addr(server.handle());
    let own = clients.sign("client.example");
    let config = Arc::new(client(&authority, rustls::ALL_VERSIONS, Some(&own)));
    for state in ["full", "resumed"] {
        let told = get(addr, "localhost", &config, "/tls").await.unwrap();
        assert!(told.contains(state), "{told}");
    }
    replace(&ca, Authority::new().pem());
    server.handle().reload().unwrap();
    let refused = get(addr, "localhost", &config, "/tls").await;
    assert!(refused.is_err(), "{refused:?}");
}

/// What cannot be used of one name's does not keep the others', or the authorities of clients, from being renewed.
#[tokio::test]
async fn one_bad_certificate_keeps_no_other_from_being_renewed() {
    let (before, after) = (Authority::new(), Authority::new());
    let folder = Folder::new("one-bad");
    let names = ["default.example", "a.example", "b.example"];
    let write = |name: &str, pair: &Pair| {
        replace(&folder.path(&format!("{name}.pem")), &pair.certificate);
        replace(&folder.path(&format!("{name}.key")), &pair.key);
    };
    let paths = |name: &str| {
        let path = |end: &str| folder.path(&format!("{name}.{end}"));
        (path("pem"), path("key"))
    };
    for name in names {
        write(name, &before.sign(name));
    }
    let ca = folder.write("ca.pem", before.pem());
    let (cert, key) = paths(names[0]);
    let mut tls = TlsConfig::from_pem(cert, key)
        .unwrap()
        .client_ca_optional(&ca)
        .unwrap();
    for name in &names[1..] {
        let (cert, key) = paths(name);
        tls = tls.sni(name, cert, key).unwrap();
    }
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = told.clone();
    let tls = tls.reload_interval(None).on_reload(move |outcome| {
        let outcome = outcome.map_err(ToString::to_string);
        telling.lock().unwrap().push(outcome);
    });
    let server = TestServer::start(Server::new(routes()).bind_tls("127.0.0.1:0", tls));
    let (addr, metrics) = (secure_addr(server.handle()), server.handle().metrics());
    let (old, new) = (any_client(&before), any_client(&after));
    let count = || {
        (
            metrics.get(Counter::CertificateReloads),
            metrics.get(Counter::CertificateReloadFailures),
        )
    };

    for name in names {
        write(name, &after.sign(name));
    }
    write("a.example", &after.sign_between("a.example", 2001, 2002));
    replace(&ca, "");
    let error = server.handle().reload().unwrap_err().to_string();
    assert!(
        error.contains("a.example.pem expired on Tue, 01 Jan 2002"),
        "{error}"
    );
    for (name, renewed) in names.into_iter().zip([true, false, true]) {
        let (yes, no) = if renewed { (&new, &old) } else { (&old, &new) };
        get(addr, name, yes, "/hello").await.unwrap();
        assert!(get(addr, name, no, "/hello").await.is_err(), "{name}");
    }
    // The authorities of before go on, too: their client is known.
    let own = before.sign("client.example");
    let known = Arc::new(client(&after, rustls::ALL_VERSIONS, Some(&own)));
    let is = get(addr, "b.example", &known, "/tls").await.unwrap();
    assert!(!is.ends_with("[]"), "{is}");
    let said = std::mem::take(&mut *told.lock().unwrap());
    assert_eq!(said.len(), 2, "one for each failure: {said:?}");
    let is_of_authorities = said[1].as_ref().unwrap_err().contains("ca.pem");
    assert!(is_of_authorities, "{said:?}");
    assert_eq!(count(), (1, 1));
    // What goes on failing is not told again.
    assert!(server.handle().reload().is_err());
    assert!(told.lock().unwrap().is_empty());
    assert_eq!(count(), (1, 1));

    // The first one, of all; one that has gone; and one of another name.
    write(names[0], &Pair::default());
    std::fs::remove_file(folder.path("a.example.key")).unwrap();
    write("b.example", &after.sign("c.example"));
    replace(&ca, before.pem());
    let error = server.handle().reload().unwrap_err().to_string();
    assert!(error.contains("default.example.pem"), "{error}");
    let said = std::mem::take(&mut *told.lock().unwrap());
    let said: Vec<_> = said.into_iter().map(Result::unwrap_err).collect();
    assert!(said[1].contains("a.example.key"), "{said:?}");
    assert!(said[2].ends_with("is not for `b.example`"), "{said:?}");
    for (name, config) in names.into_iter().zip([&new, &old, &new]) {
        get(addr, name, config, "/hello").await.unwrap();
    }
    for name in names {
        write(name, &after.sign(name));
    }
    server.handle().reload().unwrap();
    for name in names {
        get(addr, name, &new, "/hello").await.unwrap();
    }
    assert_eq!(*told.lock().unwrap(), [Ok(())]);
    assert_eq!(count(), (2, 2));
}

/// Whoever is told may do as he likes: nothing is locked meanwhile.
#[tokio::test]
async fn whoever_is_told_may_reload() {
    let authority = Authority::new();
    let folder = Folder::new("told");
    let (cert, key) = folder.write_pair(&authority.sign("localhost"));
    let known = Arc::new(OnceLock::<Handle>::new());
    let (sender, receiver) = std::sync::mpsc::channel();
    let (handle, again) = (known.clone(), Mutex::new(sender));
    let tls = TlsConfig::from_pem(&cert, &key)
        .unwrap()
        .reload_interval(None)
        .on_reload(move |outcome| {
            let again = again.lock().unwrap().clone();
            let reloaded = handle.get().unwrap().reload();
            again.send((outcome.is_ok(), reloaded.is_ok())).unwrap();
        });
    let server = TestServer::start(Server::new(routes()).bind_tls("127.0.0.1:0", tls));
    assert!(known.set(server.handle().clone()).is_ok());
    for (text, expected) in [
        (authority.sign("localhost"), true),
        (Pair::default(), false),
    ] {
        replace(&cert, &text.certificate);
        replace(&key, &text.key);
        let handle = server.handle().clone();
        // A thread of its own, which may be stuck.
        std::thread::spawn(move || handle.reload().is_ok());
        let told = receiver.recv_timeout(Duration::from_secs(20));
        assert_eq!(told, Ok((expected, expected)));
    }
}

/// Needs the feature `signal`, which the handler of SIGHUP belongs to.
#[cfg(feature = "signal")]
#[tokio::test]
async fn sighup_reads_certificates_again() {
    let (before, after) = (Authority::new(), Authority::new());
    let folder = Folder::new("sighup");
    let (cert, key) = folder.write_pair(&before.sign("localhost"));
    let tls = TlsConfig::from_pem(&cert, &key)
        .unwrap()
        .reload_interval(None)
        .on_reload(|_| ());
    let server = Server::new(routes())
        .bind_tls("127.0.0.1:0", tls)
        .workers(1);
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread =
        std::thread::spawn(move || server.run_with(|handle| sender.send(handle.clone()).unwrap()));
    let handle = receiver.recv().unwrap();
    let addr = secure_addr(&handle);
    folder.write_pair(&after.sign("localhost"));
    assert!(
        get(addr, "localhost", &any_client(&after), "/hello")
            .await
            .is_err()
    );
    let pid = std::process::id().to_string();
    let killed = std::process::Command::new("kill")
        .args(["-HUP", &pid])
        .status();
    assert!(killed.unwrap().success());
    let metrics = handle.metrics();
    until("a reload", || metrics.get(Counter::CertificateReloads) == 1).await;
    get(addr, "localhost", &any_client(&after), "/hello")
        .await
        .unwrap();
    handle.stop();
    thread.join().unwrap().unwrap();
}
