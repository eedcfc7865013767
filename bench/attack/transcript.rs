//! What is no handshake, or ends where it must not: TL-3, TL-4, TL-7.

use crate::Context;
use crate::crowd;
use crate::dribble::client_hello;
use crate::outcome::Outcome;
use crate::target::{handshake, within};
use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// TL-3.
pub(crate) async fn records_without_end(context: Arc<Context>) -> Outcome {
    let mut outcome = crowd::each(&context, |context, number| async move {
        // Warning, ChangeCipherSpec, an empty handshake record, an empty record of data.
        let record: &[u8] = match number % 4 {
            0 => &[21, 3, 3, 0, 2, 1, 90],
            1 => &[20, 3, 3, 0, 1, 1],
            2 => &[22, 3, 3, 0, 0],
            _ => &[23, 3, 3, 0, 0],
        };
        let mut sent = Vec::new();
        if number.is_multiple_of(8) {
            sent = client_hello(&context.target.honest).unwrap_or_default();
        }
        sent.extend(record.repeat(50_000 / record.len()));
        refused(&context, number, &[&sent]).await
    })
    .await;
    outcome.add(renegotiation(&context).await);
    outcome
}

/// OpenSSL's client asks for a renegotiation: it gets none.
async fn renegotiation(context: &Context) -> Outcome {
    let mut outcome = Outcome::default();
    let addr = context.target.addr.to_string();
    let mut command = tokio::process::Command::new("openssl");
    command.args([
        "s_client",
        "-connect",
        &addr,
        "-tls1_2",
        "-servername",
        "localhost",
    ]);
    let spawned = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut client = match spawned {
        Ok(client) => client,
        Err(error) => return Outcome::failed(format!("openssl: {error}")),
    };
    if let Some(stdin) = &mut client.stdin {
        // When it has made its handshake.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let _ = stdin.write_all(b"R\n").await;
    }
    match tokio::time::timeout(Duration::from_secs(5), client.wait_with_output()).await {
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let is_1_2 = String::from_utf8_lossy(&output.stdout).contains("TLSv1.2");
            // A second handshake would have the certificate verified a second time.
            match said.split_once("RENEGOTIATING") {
                Some((_, after))
                    if is_1_2
                        && after.contains("no renegotiation")
                        && !after.contains("verify") =>
                {
                    outcome.count("renegotiations_refused");
                }
                Some((_, after)) => {
                    outcome.complain(format!("renegotiated: {}", after.escape_debug()))
                }
                None => outcome.complain(format!("openssl did not ask: {}", said.escape_debug())),
            }
        }
        Ok(Err(error)) => outcome.complain(error.to_string()),
        Err(_) => outcome.complain("openssl waits"),
    }
    outcome
}

/// TL-4: the server does not gather 16 MiB.
pub(crate) async fn message_without_end(context: Arc<Context>) -> Outcome {
    crowd::each(&context, |context, number| async move {
        let mut first = vec![22, 3, 3, 64, 0, 1, 255, 255, 255];
        first.resize(5 + 16 * 1024, 0);
        let mut next = vec![22, 3, 3, 64, 0];
        next.resize(5 + 16 * 1024, 0);
        let mut pieces: Vec<&[u8]> = vec![&first];
        pieces.resize(1024, &next);
        refused(&context, number, &pieces).await
    })
    .await
}

/// TL-7.
pub(crate) async fn truncated(context: Arc<Context>) -> Outcome {
    crowd::each(&context, |context, number| async move {
        if number.is_multiple_of(2) {
            let mut sent = client_hello(&context.target.honest).unwrap_or_default();
            sent.extend_from_slice(&[21, 3, 3, 0, 2, 1, 0]);
            return refused(&context, number, &[&sent]).await;
        }
        let mut outcome = Outcome::default();
        match cut_off(&context, number).await {
            Ok(answer) if answer.starts_with(b"HTTP/1.1 200") => {
                outcome.complain("half a body was answered 200")
            }
            Ok(_) => outcome.count("not_answered"),
            Err(error) => outcome.complain(error.to_string()),
        }
        outcome
    })
    .await
}

/// A body that ends with the connection, and no `close_notify`; gives what the server says to it.
async fn cut_off(context: &Context, number: usize) -> io::Result<Vec<u8>> {
    let stream = context.target.connect_from(number).await?;
    let mut stream = handshake(stream, context.target.honest.clone()).await?;
    let request: &[u8] = match number % 4 {
        1 => b"POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf",
        _ => b"POST /sink HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    };
    stream.write_all(request).await?;
    stream.flush().await?;
    stream.get_mut().0.shutdown().await?;
    let mut answer = Vec::new();
    // What is no clean end on the server's side either is as good as nothing.
    let read = within(stream.read_to_end(&mut answer)).await;
    match read {
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(error),
        _ => Ok(answer),
    }
}

/// The server ends the connection, soon; nothing but records of a handshake and an alert comes from it.
async fn refused(context: &Context, number: usize, pieces: &[&[u8]]) -> Outcome {
    let mut outcome = Outcome::default();
    let begun = Instant::now();
    let stream = match context.target.connect_from(number).await {
        Ok(stream) => stream,
        Err(error) => return Outcome::failed(error.to_string()),
    };
    match within(send_and_read(stream, pieces)).await {
        Ok(answer) => {
            outcome.count("ended");
            if answer.windows(3).any(|three| three == [21, 3, 3]) || answer.starts_with(&[21]) {
                outcome.count("alerts");
            }
            outcome.raise("longest_seconds", begun.elapsed().as_secs_f64());
        }
        Err(error) => outcome.complain(format!("{number}: {error}")),
    }
    outcome
}

async fn send_and_read(stream: TcpStream, pieces: &[&[u8]]) -> io::Result<Vec<u8>> {
    let (mut read, mut write) = stream.into_split();
    let mut answer = Vec::new();
    let mut buf = [0; 4096];
    let sending = async {
        for piece in pieces {
            if write.write_all(piece).await.is_err() {
                break;
            }
        }
    };
    let reading = async {
        // A reset is an end, too.
        while let Ok(len @ 1..) = read.read(&mut buf).await {
            answer.extend_from_slice(&buf[..len]);
        }
    };
    tokio::join!(sending, reading);
    Ok(answer)
}
