//! An HTTP/1.1 client that costs next to nothing: requests are bytes made beforehand, answers are
//! looked through only as far as needed. It speaks to our own servers, not to the world.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One kept-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    /// Bytes of the current answer.
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(16 * 1024),
        })
    }

    /// Sends a request and gives status and body of its answer.
    ///
    /// # Errors
    /// When the connection breaks, or the answer has no length.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<(u16, &[u8])> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let mut answer = None;
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await?;
            ensure!(read > 0, "the server closed the connection");
            if answer.is_none() {
                answer = head(&self.buffer)?;
            }
            if let Some((status, from, to)) = answer
                && self.buffer.len() >= to
            {
                return Ok((status, &self.buffer[from..to]));
            }
        }
    }
}

/// Status, and where the body begins and ends; none before the head is complete.
fn head(bytes: &[u8]) -> anyhow::Result<Option<(u16, usize, usize)>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&bytes[..end])?;
    let status = head.get(9..12).context("no status")?.parse()?;
    let length: usize = head
        .lines()
        .find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then_some(value)
        })
        .with_context(|| format!("an answer without content-length: {head}"))?
        .trim()
        .parse()?;
    Ok(Some((status, end + 4, end + 4 + length)))
}

/// A POST as it goes over the wire.
pub(crate) fn post(path: &str, body: &[u8]) -> Vec<u8> {
    request("POST", path, body)
}

/// A request as it goes over the wire.
pub(crate) fn request(method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}
