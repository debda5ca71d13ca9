//! Entries of a history stream, made by hand, and a store to write them to.

use connection_tracker::config::PostgresConfig;
use connection_tracker::domain::connection::ConnectionDetails;
use connection_tracker::domain::event::{
    ConnectionEnded, ConnectionOpened, Event, HistoryEntry, SessionEvent, StreamId,
};
use connection_tracker::domain::{SessionId, UserId};
use connection_tracker::store::postgres::Postgres;
use sqlx::{PgPool, Row};

use crate::support::postgres;

/// 2026-11-22T10:00:00Z in ms.
pub(super) const T0: i64 = 1_795_341_600_000;

/// A migrated store in a database of its own, and a plain pool to look into it.
pub(super) async fn store() -> (Postgres, PgPool) {
    let url = postgres::database().await;
    let store = connect(&url);
    store.migrate().await.unwrap();
    (store, PgPool::connect(&url).await.unwrap())
}

pub(super) fn connect(url: &str) -> Postgres {
    let config = PostgresConfig {
        postgres_url: url.to_owned(),
        postgres_connections: 4,
    };
    Postgres::connect_lazy(&config).unwrap()
}

pub(super) fn session(id: &str) -> SessionId {
    SessionId::parse(id).unwrap()
}

pub(super) fn details(user: &str) -> ConnectionDetails {
    ConnectionDetails {
        connected_at: 0,
        user: UserId::parse(user).unwrap(),
        address: Some("192.0.2.0".parse().unwrap()),
        agent: Some("Browser/1.0".into()),
        protocol: Some("vnc".into()),
        gateway: Some("gw-1".into()),
        metadata: [("tab".to_owned(), "7".to_owned())].into(),
    }
}

/// A stream of one partition: each entry gets the next id, one millisecond later.
pub(super) struct Stream {
    partition: u16,
    pub(super) entries: Vec<HistoryEntry>,
}

impl Stream {
    pub(super) fn new(partition: u16) -> Self {
        Self {
            partition,
            entries: Vec::new(),
        }
    }

    /// The instant of the next entry, in ms.
    pub(super) fn now(&self) -> i64 {
        T0 + i64::try_from(self.entries.len()).unwrap()
    }

    fn push(&mut self, session_id: &str, event: Event) {
        let ms = u64::try_from(self.now()).unwrap();
        self.entries.push(HistoryEntry {
            partition: self.partition,
            stream_id: StreamId { ms, seq: 0 },
            epoch: "epoch-1".into(),
            session: session(session_id),
            event,
        });
    }

    /// Opens a connection now and returns when that was.
    pub(super) fn open(&mut self, session: &str, id: &str, active: u32) -> i64 {
        let connected_at = self.now();
        let opened = ConnectionOpened {
            id: id.into(),
            connected_at,
            active,
            details: details("user-1"),
        };
        self.push(session, Event::Opened(opened));
        connected_at
    }

    /// Ends the connection opened at `connected_at`.
    pub(super) fn end(&mut self, session: &str, id: &str, connected_at: i64, reason: &str, active: u32) {
        let at = self.now();
        let ended = ConnectionEnded {
            id: id.into(),
            connected_at,
            last_seen_at: at - 1,
            ended_at: at,
            reason: reason.into(),
            active,
            details: details("user-1"),
        };
        self.push(session, Event::Ended(ended));
    }

    pub(super) fn session_event(&mut self, session: &str, kind: &str, generation: u64) {
        let event = SessionEvent {
            kind: kind.into(),
            at: self.now(),
            generation,
            actor: "sweeper".into(),
            reason: "idle".into(),
            inputs: serde_json::json!({ "active_connections": 0 }),
        };
        self.push(session, Event::Session(event));
    }
}

/// Everything the history holds, as text that two databases can be compared by.
pub(super) async fn contents(pool: &PgPool) -> Vec<String> {
    let mut all = Vec::new();
    for query in [
        "SELECT to_jsonb(t)::text FROM connections t ORDER BY 1",
        "SELECT to_jsonb(t)::text FROM session_events t ORDER BY 1",
        "SELECT to_jsonb(t)::text FROM sessions t ORDER BY 1",
        "SELECT (to_jsonb(t) - 'at')::text FROM dead_letters t ORDER BY 1",
    ] {
        let rows = sqlx::query(query).fetch_all(pool).await.unwrap();
        all.extend(rows.iter().map(|row| row.get::<String, _>(0)));
    }
    all
}

pub(super) async fn count(pool: &PgPool, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
}
