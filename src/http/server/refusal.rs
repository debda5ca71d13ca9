//! The answer to a connection for which there is no room: the problem `overloaded`, in HTTP/1.1, and a close.
//!
//! It is written without looking at the request. To a client that speaks HTTP/2 it is a protocol error,
//! which says as quickly that there is nothing to be had here.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::http::Problem;

/// How long the peer may take to hear the answer.
const HEARING: Duration = Duration::from_secs(1);

/// Answers and closes.
pub(super) async fn refuse(mut stream: TcpStream) {
    // Whoever does not listen is closed all the same.
    let _ = tokio::time::timeout(HEARING, say(&mut stream)).await;
}

async fn say(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(answer().as_bytes()).await?;
    stream.shutdown().await?;
    // What the peer sent is read to its end: closing over unread bytes makes a reset that overtakes the answer.
    let mut unread = [0; 1024];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

fn answer() -> String {
    let problem = Problem::overloaded("there is no room for another connection");
    let body = serde_json::to_string(&problem).unwrap_or_default();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: {}\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        problem.retry_after.unwrap_or(1),
        body.len(),
    )
}
