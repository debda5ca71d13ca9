//! A client that sends bytes, and sees how its connection ends.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::support::{Api, SOON};

/// One connection.
pub(super) struct Raw {
    stream: TcpStream,
    connected: Instant,
}

impl Raw {
    pub(super) async fn try_connect(api: &Api) -> std::io::Result<Self> {
        let address = api.base().strip_prefix("http://").unwrap();
        Ok(Self {
            stream: TcpStream::connect(address).await?,
            connected: Instant::now(),
        })
    }

    pub(super) async fn connect(api: &Api) -> Self {
        Self::try_connect(api).await.unwrap()
    }

    /// One that has hardly room for what it is told.
    pub(super) async fn connect_narrow(api: &Api) -> Self {
        let address = api.base().strip_prefix("http://").unwrap().parse().unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(8 * 1024).unwrap();
        Self {
            stream: socket.connect(address).await.unwrap(),
            connected: Instant::now(),
        }
    }

    /// Whether the peer is gone, seen without reading what it said.
    pub(super) fn is_gone(&self) -> bool {
        let sent = self.stream.try_write(b"x");
        sent.is_err_and(|error| error.kind() != std::io::ErrorKind::WouldBlock)
    }

    /// Sends bytes; whether they arrive is seen in what comes back.
    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Sends a request without a body.
    pub(super) async fn ask(&mut self, method: &str, path: &str) {
        let request = format!("{method} {path} HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n");
        self.send(request).await;
    }

    /// Sends a request with a JSON body.
    pub(super) async fn ask_with(&mut self, method: &str, path: &str, body: &str) {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        self.send(head + body).await;
    }

    /// The next answer, head and body, in small letters.
    pub(super) async fn answer(&mut self) -> String {
        let mut bytes = Vec::new();
        let whole = async {
            while !is_whole(&bytes) {
                let length = self.stream.read_buf(&mut bytes).await.unwrap_or(0);
                assert!(length > 0, "closed after {:?}", String::from_utf8_lossy(&bytes));
            }
        };
        let in_time = tokio::time::timeout(SOON, whole).await;
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        assert!(in_time.is_ok(), "no whole answer: {text:?}");
        text
    }

    /// How long after its beginning the connection was closed, by FIN or RST, and what came before.
    pub(super) async fn closed(&mut self) -> (Duration, String) {
        let mut bytes = Vec::new();
        let end = async { while self.stream.read_buf(&mut bytes).await.unwrap_or(0) > 0 {} };
        let in_time = tokio::time::timeout(SOON, end).await;
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        assert!(in_time.is_ok(), "was never closed; heard {text:?}");
        (self.connected.elapsed(), text)
    }

    /// Whether the connection is open and nothing came.
    pub(super) fn is_open(&self) -> bool {
        let nothing = self.stream.try_read(&mut [0; 1]);
        nothing.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.split("content-length: ").nth(1).map_or(0, |rest| {
        rest.lines().next().unwrap().trim().parse::<usize>().unwrap()
    });
    body.len() >= length
}
