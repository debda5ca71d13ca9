//! A wake past its start limit that nobody waits for: when it may be given up.

use connection_tracker::domain::SessionState;
use connection_tracker::store::redis::{Grant, SessionKey};

use super::bench::{Bench, Stand};

const PAST_THE_START_LIMIT_MS: i64 = 300_001;
const PAST_THE_WINDOW_MS: i64 = 60_001;

#[tokio::test]
async fn a_wake_is_not_given_up_while_a_silent_connection_may_speak_again() {
    let bench = Bench::start().await;
    let generation = bench.bring(Stand::WakingAndLive).await;
    // It runs (an older hibernation may still be on its way), and the wake has not been written yet.
    assert!(bench.see(bench.object("900")).await);
    let keys = bench.store.keys();
    let record = keys.of_session(&bench.session, SessionKey::Session);
    let connections = keys.of_session(&bench.session, SessionKey::Connections);
    let since = bench.record().await.ms("since").unwrap();
    let due_at = (since - PAST_THE_START_LIMIT_MS).to_string();
    let _: i64 = bench.command(&["HSET", &record, "due_at", &due_at]).await;
    let silent = (since - PAST_THE_WINDOW_MS).to_string();
    let _: i64 = bench.command(&["ZADD", &connections, &silent, "c1"]).await;
    bench.age(PAST_THE_START_LIMIT_MS).await;

    // The sweep looks first, and may expire nobody yet.
    let look = [(bench.session.clone(), Grant::look(0))];
    let review = bench.store.session_review_many(&look, 1).await.remove(0).unwrap();
    assert_eq!(review.stale, 1);
    let looked_at = bench.record().await;
    assert_eq!(looked_at.state, SessionState::Waking);
    assert_eq!(looked_at.generation, generation);

    // Once it may, the connection ends and the wake is given up, in one step.
    bench.review().await;
    let given_up = bench.record().await;
    assert_eq!(given_up.active, 0);
    assert_eq!(given_up.state, SessionState::Running);
    let (kind, _, reason) = bench.last_event().await;
    assert_eq!((kind.as_str(), reason.as_str()), ("running", "wake_given_up"));
}
