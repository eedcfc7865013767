//! The proxy itself, in front of an echo.

use crate::fault_proxy::{FaultProxy, Way};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// A proxy in front of somebody who sends everything back.
async fn echo() -> FaultProxy {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    FaultProxy::start(address).await.unwrap()
}

async fn back(stream: &mut TcpStream, octets: &[u8]) -> Vec<u8> {
    let (mut from, mut to) = stream.split();
    let mut came = vec![0; octets.len()];
    let both = async {
        let (sent, read) = tokio::join!(to.write_all(octets), from.read_exact(&mut came));
        (sent.unwrap(), read.unwrap())
    };
    timeout(Duration::from_secs(10), both).await.unwrap();
    came
}

#[tokio::test]
async fn frozen_split_and_healed() {
    let proxy = echo().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(back(&mut stream, b"one").await, b"one");
    proxy.set(Way::Pass, Way::Frozen);
    stream.write_all(b"two").await.unwrap();
    let mut came = [0; 3];
    let nothing = timeout(Duration::from_millis(200), stream.read_exact(&mut came)).await;
    assert!(nothing.is_err());
    // Whoever comes now is let in.
    let mut other = TcpStream::connect(proxy.address()).await.unwrap();
    proxy.heal();
    stream.read_exact(&mut came).await.unwrap();
    assert_eq!(&came, b"two");
    assert_eq!(back(&mut other, b"three").await, b"three");

    proxy.split();
    let reset = timeout(Duration::from_secs(5), stream.read(&mut came)).await;
    let reset = reset.unwrap().unwrap_err();
    assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
    let mut refused = TcpStream::connect(proxy.address()).await.unwrap();
    let refused = timeout(Duration::from_secs(5), refused.read(&mut came)).await;
    assert!(!matches!(refused.unwrap(), Ok(1..)));
    proxy.heal();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(back(&mut stream, b"four").await, b"four");
    assert_eq!(proxy.connections(), 4);
    // An end goes through, and all of it ends with the proxy.
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut came).await.unwrap(), 0);
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(back(&mut stream, b"five").await, b"five");
    drop(proxy);
    let ended = timeout(Duration::from_secs(5), stream.read(&mut came)).await;
    assert!(!matches!(ended.unwrap(), Ok(1..)));
}

#[tokio::test]
async fn slow() {
    let proxy = echo().await;
    proxy.set(Way::Slow(10_000), Way::Pass);
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let since = Instant::now();
    let octets = vec![7; 5_000];
    assert_eq!(back(&mut stream, &octets).await, octets);
    let took = since.elapsed();
    assert!(took > Duration::from_millis(400), "{took:?}");
}

#[tokio::test]
async fn garbled_as_the_seed_says() {
    let garbled = |seed| async move {
        let proxy = echo().await;
        proxy.set(Way::Pass, Way::Garbled { seed, one_in: 100 });
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        let came = back(&mut stream, &[0; 10_000]).await;
        let flipped = came.iter().filter(|octet| **octet != 0).count();
        assert_eq!(flipped as u64, proxy.garbled());
        assert!((50..200).contains(&flipped), "{flipped}");
        assert!(came.iter().all(|octet| octet.count_ones() < 2));
        came
    };
    let first = garbled(1).await;
    assert!(first == garbled(1).await);
    assert!(first != garbled(2).await);
}
