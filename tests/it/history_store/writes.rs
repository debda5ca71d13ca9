//! What is written stands once, whatever is replayed, lost or refused.

use connection_tracker::domain::access::Scope;
use connection_tracker::domain::connection::ConnectionDetails;
use connection_tracker::domain::event::{Event, StreamId};
use connection_tracker::store::postgres::{ConnectionFilter, DeadLetter, Postgres};
use jiff::Timestamp;

use super::events::{Stream, T0, contents, count, session, store};

/// Sessions that wake, are used, and sleep, with connections that overlap and ids that come again.
fn busy_stream(partition: u16) -> Stream {
    let mut stream = Stream::new(partition);
    busy(&mut stream, partition);
    stream
}

fn busy(stream: &mut Stream, partition: u16) {
    for round in 0..12_u64 {
        for name in ["a", "b", "c"] {
            let id = format!("s-{partition}-{name}");
            stream.session_event(&id, "waking", 100 + round * 10);
            let first = stream.open(&id, "c1", 1);
            let second = stream.open(&id, &format!("c2-{round}"), 2);
            stream.session_event(&id, "running", 100 + round * 10);
            stream.end(&id, "c1", first, "client_closed", 1);
            stream.end(&id, &format!("c2-{round}"), second, "expired", 0);
            stream.session_event(&id, "would_hibernate", 0);
            stream.session_event(&id, "hibernated", 105 + round * 10);
        }
    }
}

/// Writes `stream` in batches of `size`, each of which begins `overlap` entries before the last one ended.
async fn drain(store: &Postgres, stream: &Stream, size: usize, overlap: usize) {
    let mut from = 0;
    while from < stream.entries.len() {
        let to = (from + size).min(stream.entries.len());
        store
            .append(&stream.entries[from.saturating_sub(overlap)..to], &[])
            .await
            .unwrap();
        from = to;
    }
}

#[tokio::test]
async fn replays_by_two_writers_in_any_split_leave_what_one_clean_pass_leaves() {
    let streams = [busy_stream(3), busy_stream(200)];
    let (clean, clean_pool) = store().await;
    for stream in &streams {
        drain(&clean, stream, usize::MAX, 0).await;
    }
    let expected = contents(&clean_pool).await;
    assert_eq!(
        count(&clean_pool, "SELECT count(*) FROM connections").await,
        2 * 3 * 12 * 2
    );
    assert_eq!(
        count(&clean_pool, "SELECT count(*) FROM session_events").await,
        2 * 3 * 12 * 4
    );

    for (one, other) in [
        ((1, 0), (7, 3)),
        ((5, 5), (50, 20)),
        ((1000, 0), (1000, 0)),
        ((13, 1), (1, 1)),
    ] {
        let (first, pool) = store().await;
        let second = first.clone();
        for _pass in 0..2 {
            tokio::join!(
                async {
                    drain(&first, &streams[0], one.0, one.1).await;
                    drain(&first, &streams[1], one.0, one.1).await;
                },
                async {
                    drain(&second, &streams[0], other.0, other.1).await;
                    drain(&second, &streams[1], other.0, other.1).await;
                },
            );
            assert_eq!(contents(&pool).await, expected, "split {one:?} beside {other:?}");
        }
    }
}

#[tokio::test]
async fn an_opening_its_end_and_the_same_id_again_in_one_batch_are_two_rows() {
    let (store, pool) = store().await;
    let mut stream = Stream::new(1);
    let first = stream.open("s", "c", 1);
    stream.end("s", "c", first, "expired", 0);
    let second = stream.open("s", "c", 1);
    store.append(&stream.entries, &[]).await.unwrap();

    let rows = store
        .connections(&Scope::All, &ConnectionFilter::default(), 10, None)
        .await
        .unwrap()
        .items;
    let seen: Vec<_> = rows
        .iter()
        .map(|row| (row.connected_at.as_millisecond(), row.end_reason.as_deref()))
        .collect();
    assert_eq!(seen, [(second, None), (first, Some("expired"))]);
    let active = count(&pool, "SELECT active_connections FROM sessions").await;
    assert_eq!(active, 1);
}

#[tokio::test]
async fn an_end_without_its_opening_makes_the_whole_row() {
    let (store, _) = store().await;
    let mut stream = Stream::new(1);
    stream.end("s", "c", T0 - 5_000, "client_closed", 0);
    store.append(&stream.entries, &[]).await.unwrap();

    let rows = store
        .connections(&Scope::All, &ConnectionFilter::default(), 10, None)
        .await
        .unwrap()
        .items;
    let [row] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    assert_eq!(
        (row.id.as_str(), row.session_id.as_str(), row.user_id.as_str()),
        ("c", "s", "user-1")
    );
    assert_eq!(row.client_ip.as_deref(), Some("192.0.2.0"));
    assert_eq!(row.user_agent.as_deref(), Some("Browser/1.0"));
    assert_eq!(
        (row.protocol.as_deref(), row.gateway.as_deref()),
        (Some("vnc"), Some("gw-1"))
    );
    assert_eq!(row.connected_at.as_millisecond(), T0 - 5_000);
    assert_eq!(row.last_seen_at.as_millisecond(), T0 - 1);
    assert_eq!(row.disconnected_at.map(Timestamp::as_millisecond), Some(T0));
    assert_eq!(row.end_reason.as_deref(), Some("client_closed"));
}

#[tokio::test]
async fn an_opening_after_its_end_does_not_reopen_and_a_second_end_changes_nothing() {
    let (store, _) = store().await;
    let mut stream = Stream::new(1);
    let opened = stream.open("s", "c", 1);
    stream.end("s", "c", opened, "client_closed", 0);
    stream.end("s", "c", opened, "expired", 0);
    let other = stream.open("other", "c", 1);
    stream.end("other", "c", other, "client_closed", 0);
    stream.end("other", "c", other, "expired", 0);
    for batch in [1..2, 0..1, 2..3, 0..1, 3..6, 3..4] {
        store.append(&stream.entries[batch], &[]).await.unwrap();
    }

    let rows = store
        .connections(&Scope::All, &ConnectionFilter::default(), 10, None)
        .await
        .unwrap()
        .items;
    let ends: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.end_reason.as_deref(),
                row.disconnected_at.map(Timestamp::as_millisecond),
            )
        })
        .collect();
    assert_eq!(
        ends,
        [
            (Some("client_closed"), Some(other + 1)),
            (Some("client_closed"), Some(opened + 1))
        ]
    );
}

#[tokio::test]
async fn a_session_row_tells_the_newest_and_never_goes_back() {
    let (store, pool) = store().await;
    let mut stream = Stream::new(1);
    stream.session_event("s", "waking", 7);
    let opened = stream.open("s", "c", 1);
    stream.end("s", "c", opened, "client_closed", 0);
    stream.session_event("s", "hibernated", 9);
    store.append(&stream.entries, &[]).await.unwrap();
    let newest = contents(&pool).await;
    for entry in &stream.entries {
        store.append(std::slice::from_ref(entry), &[]).await.unwrap();
        assert_eq!(contents(&pool).await, newest, "after a replay of {entry:?}");
    }

    let row: (String, i64, i64, bool, bool) = sqlx::query_as(
        "SELECT state, generation, active_connections,
                (extract(epoch FROM last_connection) * 1000)::bigint = $1,
                (extract(epoch FROM last_disconnect) * 1000)::bigint = $2
         FROM sessions WHERE id = 's'",
    )
    .bind(opened)
    .bind(T0 + 2)
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(row, ("hibernated".into(), 9, 0, true, true));
}

#[tokio::test]
async fn entries_that_postgres_refuses_become_dead_letters_and_the_rest_lands() {
    let (store, pool) = store().await;
    let mut stream = Stream::new(5);
    let early = stream.open("early", "c", 1);
    stream.end("early", "c", early, "client_closed", 0);
    busy(&mut stream, 5);
    let healthy = stream.entries.len();
    for id in ["nul-agent", "nul-metadata", "endless-id", "generation", "fine"] {
        stream.open(id, "c", 1);
    }
    let poison = &mut stream.entries[healthy..];
    let details = |event: &mut Event, change: fn(&mut ConnectionDetails)| match event {
        Event::Opened(opened) => change(&mut opened.details),
        other => panic!("{other:?}"),
    };
    details(&mut poison[0].event, |details| {
        details.agent = Some("a\0b".into());
    });
    details(&mut poison[1].event, |details| {
        details.metadata.insert("k\0".into(), "v".into());
    });
    if let Event::Opened(opened) = &mut poison[2].event {
        // Not compressible, so that it does not fit in an index.
        opened.id = (0..20_000_u32)
            .map(|n| n.wrapping_mul(2_654_435_761).to_string())
            .collect();
    }
    let mut events = Stream::new(5);
    events.session_event("generation", "running", u64::MAX);
    poison[3].event = events.entries.remove(0).event;
    stream.session_event("early", "hibernated", 5);

    let unreadable = DeadLetter {
        partition: 5,
        stream_id: StreamId { ms: 1, seq: 2 },
        epoch: "\0".repeat(4_000),
        fields: serde_json::json!({ "data": "not\0json" }),
        error: "no type".into(),
    };
    for _replay in 0..2 {
        store
            .append(&stream.entries, std::slice::from_ref(&unreadable))
            .await
            .unwrap();
    }

    assert_eq!(count(&pool, "SELECT count(*) FROM dead_letters").await, 5);
    assert_eq!(
        count(&pool, "SELECT count(*) FROM connections").await,
        3 * 12 * 2 + 2
    );
    assert_eq!(
        count(&pool, "SELECT count(*) FROM session_events").await,
        3 * 12 * 4 + 1
    );
    let early_sessions = "SELECT count(*) FROM sessions WHERE id = 'early' AND state = 'hibernated'
         AND last_connection IS NOT NULL AND last_disconnect IS NOT NULL";
    assert_eq!(
        count(&pool, early_sessions).await,
        1,
        "the parts are written in their order"
    );
    let agent: String = sqlx::query_scalar(
        "SELECT fields #>> '{data,details,agent}' FROM dead_letters WHERE fields ->> 'session' = 'nul-agent'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(agent, "a\u{fffd}b");
    assert_eq!(
        store
            .session_events(&session("fine"), 5, None)
            .await
            .unwrap()
            .items
            .len(),
        1
    );
}

#[tokio::test]
async fn a_writer_that_takes_a_batch_apart_and_one_that_does_not_never_deadlock() {
    let (store, pool) = store().await;
    for round in 0..10 {
        let mut stream = Stream::new(9);
        // Against the order of the keys: a batch taken apart reaches the last ones first.
        for number in (0..200).rev() {
            let connected_at = T0 - 1_000_000 + number;
            stream.end(
                &format!("s-{round}-{number:03}"),
                "c",
                connected_at,
                "client_closed",
                0,
            );
        }
        let healthy = stream.entries.clone();
        stream.session_event("s", "run\0ning", round + 1);
        stream.entries[200].epoch = format!("epoch-{round}");
        let (apart, whole, again) = tokio::join!(
            store.append(&stream.entries, &[]),
            store.append(&healthy, &[]),
            store.append(&stream.entries, &[]),
        );
        assert!(
            apart.is_ok() && whole.is_ok() && again.is_ok(),
            "{apart:?} {whole:?} {again:?}"
        );
    }
    assert_eq!(count(&pool, "SELECT count(*) FROM connections").await, 2_000);
    assert_eq!(count(&pool, "SELECT count(*) FROM dead_letters").await, 10);
}
