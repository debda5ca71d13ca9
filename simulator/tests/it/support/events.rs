//! What a watch tells, one event at a time.

use reqwest::Response;
use serde_json::Value;

use super::{Lab, PATIENCE, SESSIONS};

/// The events of a watch, one at a time.
pub(crate) struct Events {
    response: Response,
    buffer: Vec<u8>,
}

impl Events {
    pub(crate) async fn of(lab: &Lab, query: &str) -> Self {
        Self::at(lab, SESSIONS, query).await
    }

    pub(crate) async fn at(lab: &Lab, collection: &str, query: &str) -> Self {
        let response = lab.open(&format!("{collection}?watch=true&{query}")).await;
        assert_eq!(response.status().as_u16(), 200);
        Self {
            response,
            buffer: Vec::new(),
        }
    }

    /// The next event; None when the answer ended in order, an error when it broke.
    pub(crate) async fn try_next(&mut self) -> reqwest::Result<Option<Value>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Ok(Some(serde_json::from_slice(&line).unwrap()));
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk())
                .await
                .expect("no event came in time")?;
            match chunk {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }

    pub(crate) async fn next(&mut self) -> Value {
        self.try_next().await.unwrap().expect("the watch ended")
    }

    /// Type, name and version of the next event.
    pub(crate) async fn next_brief(&mut self) -> (String, String, String) {
        let event = self.next().await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = &event["object"]["metadata"];
        (
            text(&event["type"]),
            text(&metadata["name"]),
            text(&metadata["resourceVersion"]),
        )
    }
}
