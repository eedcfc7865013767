//! A server of the cluster, as a process.

use super::Failure;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(crate) struct Node {
    pub(crate) port: u16,
    child: Child,
}

impl Node {
    /// Starts one at a free port, whose broker is at this one.
    pub(crate) fn start(server: &Path, backplane: &str) -> Result<Self, Failure> {
        Self::start_with(server, backplane, &[])
    }

    /// The same, with more to say to it.
    pub(crate) fn start_with(
        server: &Path,
        backplane: &str,
        more: &[&str],
    ) -> Result<Self, Failure> {
        let mut command = Command::new(server);
        command.args(["--addr", "127.0.0.1:0", "--backplane", backplane]);
        command.args(["--max-connections", "20000", "--register-on=false"]);
        command.args(more);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let started = command.stderr(Stdio::null()).spawn();
        let mut child =
            started.map_err(|error| format!("cannot start {}: {error}", server.display()))?;
        let mut port = None;
        if let Some(stdout) = child.stdout.take() {
            let mut lines = BufReader::new(stdout).lines();
            for line in lines.by_ref() {
                let line = line?;
                let at = line.find("127.0.0.1:");
                let digits = at.map(|at| {
                    let rest = &line[at + "127.0.0.1:".len()..];
                    rest.bytes()
                        .take_while(u8::is_ascii_digit)
                        .collect::<Vec<_>>()
                });
                port = digits.and_then(|digits| wireline::wire::number::decimal(&digits));
                if port.is_some() {
                    break;
                }
            }
            // Nobody reads what it says later, but it has to be taken.
            std::thread::spawn(move || lines.for_each(drop));
        }
        let port = port.and_then(|port| u16::try_from(port).ok());
        let port = port.ok_or("the server does not say where it listens")?;
        Ok(Self { port, child })
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What a request is answered, on a connection of its own: the status, the content.
    pub(crate) async fn ask(&self, path: &str) -> Result<(String, String), Failure> {
        let asked = async {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
            let request =
                format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = timeout(Duration::from_secs(5), asked).await??;
        let answer = String::from_utf8(answer)?;
        let (head, content) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
        let status = head.split(' ').nth(1).ok_or("no status")?;
        Ok((status.to_owned(), content.to_owned()))
    }

    /// The content, when the status is 200.
    pub(crate) async fn get(&self, path: &str) -> Result<String, Failure> {
        match self.ask(path).await? {
            (status, content) if status == "200" => Ok(content),
            (status, _) => Err(format!("{path}: {status}").into()),
        }
    }

    /// A figure of `/metrics`, summed over its labels.
    pub(crate) async fn metric(&self, name: &str) -> Result<f64, Failure> {
        let text = self.get("/metrics").await?;
        let of_it = text.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with([' ', '{']))
        });
        let value = |line: &str| {
            let last = line.rsplit(' ').next()?;
            serde_json::from_str::<f64>(last).ok()
        };
        let values: Vec<f64> = of_it.filter_map(value).collect();
        if values.is_empty() {
            return Err(format!("there is no metric {name}").into());
        }
        Ok(values.iter().sum())
    }

    /// Its number in the cluster.
    pub(crate) async fn number(&self) -> Result<u64, Failure> {
        let stats: Value = serde_json::from_str(&self.get("/api/stats").await?)?;
        let number = stats["cluster"]["node"].as_u64();
        number.ok_or_else(|| "it is no node of a cluster".into())
    }

    /// Where a topic stands: its epoch, and the offset of its last message.
    pub(crate) async fn stands(&self, topic: &str) -> Result<(u64, u64), Failure> {
        let path = format!("/api/history?topic={topic}&limit=1");
        let found: Value = serde_json::from_str(&self.get(&path).await?)?;
        let at = |name: &str| found[name].as_u64().ok_or("no history");
        Ok((at("epoch")?, at("offset")?))
    }

    /// The numbers of the connections that are present in a topic, sorted.
    pub(crate) async fn present(&self, topic: &str) -> Result<Vec<u64>, Failure> {
        let text = self
            .get(&format!("/api/presence?topic={topic}&limit=1000"))
            .await?;
        let found: Value = serde_json::from_str(&text)?;
        let members = found["members"].as_array().ok_or("no members")?;
        let mut numbers: Vec<u64> = members
            .iter()
            .filter_map(|member| member["conn_id"].as_u64())
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
