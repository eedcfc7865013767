//! A proxy that changes an octet here and there of what a server answers.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) struct Garbler {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Garbler {
    pub(crate) async fn start(server: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut seed = seed;
            while let Ok((client, _)) = listener.accept().await {
                seed += 1000;
                tokio::spawn(garble(client, server, seed));
            }
        });
        Self { address, task }
    }
}

impl Drop for Garbler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn garble(client: TcpStream, server: SocketAddr, mut seed: u64) {
    let server = TcpStream::connect(server).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move {
        let _ = copy(&mut from_client, &mut to_server).await;
    });
    let mut octets = [0; 4096];
    while let Ok(count @ 1..) = from_server.read(&mut octets).await {
        for octet in &mut octets[..count] {
            // SplitMix64, one octet in 2,048.
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            if mixed.is_multiple_of(2048) {
                *octet ^= u8::try_from((mixed >> 32) & 0xff).unwrap().max(1);
            }
        }
        if to_client.write_all(&octets[..count]).await.is_err() {
            return;
        }
    }
}
