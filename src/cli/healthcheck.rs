//! `healthcheck`: asks a replica on this host whether it is alive, for images that hold nothing else to ask with.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A replica that takes longer is of no use; container engines give up after 30 s by themselves.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longer than any answer of the operations server to these questions.
const ANSWER_LIMIT: u64 = 4_096;

#[derive(Debug, clap::Args)]
pub(super) struct Healthcheck {
    /// Address of /livez and /readyz, as `serve` was told
    #[arg(
        long,
        env = "TRACKER_HTTP_OPERATIONS_ADDRESS",
        default_value = "127.0.0.1:8081"
    )]
    operations_address: SocketAddr,
    /// Ask whether it is ready to be sent requests, not only whether it is alive
    #[arg(long)]
    ready: bool,
}

impl Healthcheck {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let address = reachable(self.operations_address);
        let path = if self.ready { "/readyz" } else { "/livez" };
        let answer = tokio::time::timeout(PATIENCE, ask(address, path))
            .await
            .with_context(|| format!("http://{address}{path} did not answer within {PATIENCE:?}"))?
            .with_context(|| format!("http://{address}{path} cannot be asked; is `serve` running here?"))?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.lines().next().unwrap_or_default();
        ensure!(
            status.split(' ').nth(1) == Some("200"),
            "{status}: {}",
            body.trim_end()
        );
        Ok(())
    }
}

async fn ask(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    // 1.0: the end of the answer is the end of the connection.
    let request = format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_LIMIT).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Where a server that listens on every address is reached from its own host.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}
