//! Reading back in pages.

use std::collections::BTreeSet;

use connection_tracker::domain::UserId;
use connection_tracker::domain::access::Scope;
use connection_tracker::domain::event::Event;
use connection_tracker::store::postgres::{ConnectionCursor, ConnectionFilter, SessionEventCursor};

use super::events::{Stream, T0, session, store};

#[tokio::test]
async fn pages_of_connections_are_complete_and_stable_while_rows_are_added() {
    let (store, _) = store().await;
    let mut stream = Stream::new(1);
    let mut expected = BTreeSet::new();
    for number in 0..25 {
        stream.open("s", &format!("c-{number}"), 1);
        expected.insert(format!("c-{number}"));
    }
    // The same instant for several: the page must not break between them.
    for entry in &mut stream.entries[5..15] {
        if let Event::Opened(opened) = &mut entry.event {
            opened.connected_at = T0 + 5;
        }
    }
    store.append(&stream.entries, &[]).await.unwrap();

    let mut seen = Vec::new();
    let mut after: Option<ConnectionCursor> = None;
    loop {
        let page = store
            .connections(&Scope::All, &ConnectionFilter::default(), 4, after.as_ref())
            .await
            .unwrap();
        seen.extend(page.items.into_iter().map(|row| row.id));
        assert!(seen.len() <= 25, "rows repeat: {seen:?}");
        let Some(next) = page.next else { break };
        after = Some(ConnectionCursor::parse(&next.to_string()).unwrap());
        let added = stream.entries.len();
        stream.open("s", &format!("later-{added}"), 1);
        store.append(&stream.entries[added..], &[]).await.unwrap();
    }
    assert_eq!(seen.len(), 25, "{seen:?}");
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), expected);
}

#[tokio::test]
async fn connections_are_found_by_session_user_and_time() {
    let (store, _) = store().await;
    let mut stream = Stream::new(1);
    for (session, id) in [("s1", "a"), ("s2", "b"), ("s1", "c"), ("s2", "d")] {
        stream.open(session, id, 1);
    }
    store.append(&stream.entries, &[]).await.unwrap();

    let at = |ms| Some(jiff::Timestamp::from_millisecond(ms).unwrap());
    let all = ConnectionFilter::default;
    let cases = [
        (
            ConnectionFilter {
                session: Some(session("s1")),
                ..all()
            },
            "ca",
        ),
        (
            ConnectionFilter {
                user: Some(UserId::parse("user-1").unwrap()),
                ..all()
            },
            "dcba",
        ),
        (
            ConnectionFilter {
                user: Some(UserId::parse("nobody").unwrap()),
                ..all()
            },
            "",
        ),
        (
            ConnectionFilter {
                from: at(T0 + 1),
                to: at(T0 + 3),
                ..all()
            },
            "cb",
        ),
        (
            ConnectionFilter {
                session: Some(session("s2")),
                to: at(T0 + 3),
                ..all()
            },
            "b",
        ),
        (
            ConnectionFilter {
                from: Some(jiff::Timestamp::MIN),
                to: Some(jiff::Timestamp::MAX),
                ..all()
            },
            "dcba",
        ),
    ];
    for (filter, expected) in cases {
        let page = store.connections(&Scope::All, &filter, 10, None).await.unwrap();
        let ids: String = page.items.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids, expected, "{filter:?}");
        assert_eq!(page.next, None);
    }
}

#[tokio::test]
async fn the_history_of_a_session_merges_its_events_with_its_connections_newest_first() {
    let (store, _) = store().await;
    let mut stream = Stream::new(1);
    stream.session_event("s", "waking", 5);
    let first = stream.open("s", "c1", 1);
    stream.open("other", "x", 1);
    let second = stream.open("s", "c2", 2);
    stream.session_event("s", "running", 5);
    stream.end("s", "c1", first, "client_closed", 1);
    stream.end("s", "c2", second, "expired", 0);
    stream.session_event("s", "hibernating", 6);
    // One step of a script: everything in it carries the same instant.
    let instant = T0 + 7;
    for entry in &mut stream.entries[5..] {
        match &mut entry.event {
            Event::Ended(ended) => ended.ended_at = instant,
            Event::Session(event) => event.at = instant,
            Event::Opened(_) | Event::Seen(_) => {}
        }
    }
    store.append(&stream.entries, &[]).await.unwrap();

    let expected = [
        "hibernating",
        "expired",
        "closed",
        "running",
        "opened",
        "opened",
        "waking",
    ];
    for limit in [1, 2, 3, 7, 50] {
        let mut events = Vec::new();
        let mut before: Option<SessionEventCursor> = None;
        loop {
            let page = store
                .session_events(&session("s"), limit, before.as_ref())
                .await
                .unwrap();
            events.extend(page.items);
            assert!(events.len() <= expected.len(), "events repeat: {events:?}");
            let Some(next) = page.next else { break };
            before = Some(SessionEventCursor::parse(&next.to_string()).unwrap());
        }
        let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!(kinds, expected, "pages of {limit}");
        assert_eq!(events[0].generation, Some(6));
        assert_eq!(
            (events[1].actor.as_str(), events[1].connection_id.as_deref()),
            ("sweeper", Some("c2"))
        );
        assert_eq!(events[2].reason.as_deref(), Some("client_closed"));
        assert_eq!(events[2].inputs["client_ip"], "192.0.2.0");
    }
}
