//! Batches: their shape, their limits, and how many items make several of them.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;

use crate::error::CallError;
use crate::wire::{BatchAnswer, OpenItem, OpenRequest, Target};

/// The service takes 4 MiB; what is left is for the envelope.
const MAX_BYTES: usize = 4 * 1024 * 1024 - 4 * 1024;

/// What one batch may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The last part of the path.
    pub(super) call: &'static str,
    items: usize,
}

impl Limits {
    pub(crate) const OPEN: Self = Self {
        call: "open",
        items: 1_000,
    };
    pub(crate) const HEARTBEAT: Self = Self {
        call: "heartbeat",
        items: 10_000,
    };
    pub(crate) const CLOSE: Self = Self {
        call: "close",
        items: 10_000,
    };
}

/// What a batch is made of.
pub(crate) trait Item {
    /// How it stands in the list of its session.
    type Wire<'a>: Serialize
    where
        Self: 'a;
    fn session(&self) -> &str;
    fn connection(&self) -> &str;
    fn wire(&self) -> Self::Wire<'_>;
    /// Bytes it takes in a body, at most; the name of its session is counted apart.
    fn bytes(&self) -> usize;
}

impl Item for (&str, &str) {
    type Wire<'a>
        = &'a str
    where
        Self: 'a;
    fn session(&self) -> &str {
        self.0
    }
    fn connection(&self) -> &str {
        self.1
    }
    fn wire(&self) -> &str {
        self.1
    }
    fn bytes(&self) -> usize {
        // The quotes and the comma; ids have nothing to escape.
        self.1.len() + 3
    }
}

/// An open inside a batch: the body of a PUT plus its id.
#[derive(Serialize)]
pub(crate) struct OpenWire<'a> {
    id: &'a str,
    #[serde(flatten)]
    request: &'a OpenRequest,
}

impl Item for OpenItem<'_> {
    type Wire<'a>
        = OpenWire<'a>
    where
        Self: 'a;
    fn session(&self) -> &str {
        self.session
    }
    fn connection(&self) -> &str {
        self.connection
    }
    fn wire(&self) -> OpenWire<'_> {
        OpenWire {
            id: self.connection,
            request: self.request,
        }
    }
    fn bytes(&self) -> usize {
        // Written twice rather than guessed: escapes can make text six times as long.
        serde_json::to_vec(&self.wire()).map_or(MAX_BYTES, |json| json.len() + 1)
    }
}

/// `{"gateway": "gw-1", "sessions": {"s1": [..]}}`
#[derive(Serialize)]
struct Body<'a, W: Serialize> {
    gateway: &'a str,
    sessions: BTreeMap<&'a str, Vec<W>>,
}

impl<'a, W: Serialize> Body<'a, W> {
    fn new<T: Item<Wire<'a> = W>>(gateway: &'a str, items: &'a [T]) -> Self {
        let mut sessions: BTreeMap<&str, Vec<W>> = BTreeMap::new();
        for item in items {
            sessions.entry(item.session()).or_default().push(item.wire());
        }
        Self { gateway, sessions }
    }
}

/// A batch within the limits.
///
/// Its body is made before anything is awaited: futures that hold the borrowed items and are generic
/// over them could not be spawned.
#[derive(Debug)]
pub(crate) struct Part {
    pub(super) body: Vec<u8>,
    /// Which of the items it holds.
    pub(crate) range: Range<usize>,
}

/// Cuts `items` into parts the service takes, in order.
pub(super) fn cut<T: Item>(gateway: &str, items: &[T], limits: Limits) -> Vec<Part> {
    let part = |range: Range<usize>| {
        let body = Body::new(gateway, &items[range.clone()]);
        Part {
            body: serde_json::to_vec(&body).expect("maps of strings always serialise"),
            range,
        }
    };
    let mut parts = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, item) in items.iter().enumerate() {
        // Each item is counted with its session's name, brackets and comma, as though no two shared one.
        let size = item.bytes() + item.session().len() + 6;
        if at > start && (at - start == limits.items || bytes + size > MAX_BYTES) {
            parts.push(part(start..at));
            (start, bytes) = (at, 0);
        }
        bytes += size;
    }
    if start < items.len() {
        parts.push(part(start..items.len()));
    }
    parts
}

/// The answers to the parts of one call, on their way to be one answer.
#[derive(Default)]
pub(super) struct Answers {
    whole: BatchAnswer,
    answered: bool,
    failed: Vec<Range<usize>>,
    first_error: Option<CallError>,
}

impl Answers {
    pub(super) fn add(&mut self, range: Range<usize>, result: Result<BatchAnswer, CallError>) {
        match result {
            Ok(part) => {
                self.answered = true;
                let whole = &mut self.whole;
                whole.accepted += part.accepted;
                whole.rejected.extend(part.rejected);
                whole.retry.extend(part.retry);
                whole.next_heartbeat_in_ms = earlier(whole.next_heartbeat_in_ms, part.next_heartbeat_in_ms);
                whole.window_ms = earlier(whole.window_ms, part.window_ms);
            }
            Err(error) => {
                self.failed.push(range);
                self.first_error.get_or_insert(error);
            }
        }
    }

    /// The first error, when no part was answered.
    pub(super) fn or_first_error(mut self) -> Result<Self, CallError> {
        match self.first_error.take() {
            Some(error) if !self.answered => Err(error),
            _ => Ok(self),
        }
    }

    /// One answer; what had none is to be sent again.
    pub(super) fn merge<T: Item>(self, items: &[T]) -> BatchAnswer {
        let mut whole = self.whole;
        whole.retry.extend(
            self.failed
                .into_iter()
                .flat_map(|range| &items[range])
                .map(|item| Target {
                    session_id: item.session().to_owned(),
                    connection_id: item.connection().to_owned(),
                }),
        );
        whole
    }
}

fn earlier(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.into_iter().chain(b).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(parts: &[Part]) -> Vec<usize> {
        parts.iter().map(|part| part.range.len()).collect()
    }

    #[test]
    fn heartbeats_are_cut_at_ten_thousand_and_opens_at_one_thousand() {
        let beats = vec![("s", "c"); 20_001];
        assert_eq!(sizes(&cut("gw", &beats, Limits::HEARTBEAT)), [10_000, 10_000, 1]);
        let request = OpenRequest::new("u");
        let opens = vec![
            OpenItem {
                session: "s",
                connection: "c",
                request: &request
            };
            2_000
        ];
        assert_eq!(sizes(&cut("gw", &opens, Limits::OPEN)), [1_000, 1_000]);
        assert!(cut::<(&str, &str)>("gw", &[], Limits::CLOSE).is_empty());
    }

    #[test]
    fn no_body_is_longer_than_four_mebibytes_even_of_text_that_must_be_escaped() {
        let request = OpenRequest {
            user_agent: Some("\u{1}".repeat(4_000)),
            ..OpenRequest::new("u")
        };
        let opens = vec![
            OpenItem {
                session: "s",
                connection: "c",
                request: &request
            };
            900
        ];
        let parts = cut("gw", &opens, Limits::OPEN);
        assert!(parts.len() > 1);
        assert_eq!(sizes(&parts).iter().sum::<usize>(), 900);
        assert!(parts.iter().all(|part| part.body.len() <= 4 * 1024 * 1024));
    }

    #[test]
    fn a_body_groups_items_by_session() {
        let parts = cut("gw", &[("s1", "a"), ("s2", "b"), ("s1", "c")], Limits::CLOSE);
        let body: serde_json::Value = serde_json::from_slice(&parts[0].body).unwrap();
        assert_eq!(
            body,
            serde_json::json!({"gateway": "gw", "sessions": {"s1": ["a", "c"], "s2": ["b"]}})
        );
    }

    #[test]
    fn items_of_a_part_without_an_answer_are_to_be_sent_again() {
        let items = [("s", "a"), ("s", "b"), ("s", "c")];
        let mut answers = Answers::default();
        let answer = |pace| BatchAnswer {
            accepted: 1,
            next_heartbeat_in_ms: Some(pace),
            ..BatchAnswer::default()
        };
        answers.add(0..1, Ok(answer(900)));
        answers.add(1..2, Err(CallError::Foreign { status: 502 }));
        answers.add(2..3, Ok(answer(800)));
        let whole = answers.or_first_error().unwrap().merge(&items);
        assert_eq!((whole.accepted, whole.next_heartbeat_in_ms), (2, Some(800)));
        assert_eq!(
            whole.retry,
            [Target {
                session_id: "s".into(),
                connection_id: "b".into()
            }]
        );
    }
}
