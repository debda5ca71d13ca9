//! Users and sessions that do not read, or do not write: who is gone is told from who waits.

use std::time::Duration;

use tokio_tungstenite::tungstenite::Message;

use super::world::{Echo, LONG_SILENCE, SILENCE, User, gateway, one_session};
use crate::sessions::steps::asleep;
use crate::support::{TestCluster, Timings};

#[tokio::test]
async fn a_user_who_is_gone_is_noticed_while_their_session_goes_on_talking() {
    let (cluster, _echo, gateway) = one_session(Timings::STEADY, SILENCE).await;
    // Nobody reads it: what the session says fills every buffer on the way, and no ping gets through.
    let _gone = User::arrive(&gateway, "s1", "film").await;
    let rows = cluster.api().ended("s1", 1).await;
    assert_eq!(rows[0]["end_reason"], "user_silent");
}

#[tokio::test]
async fn a_user_is_not_cut_because_their_session_takes_nothing_for_a_while() {
    let (cluster, _echo, gateway) = one_session(Timings::STEADY, SILENCE).await;
    let mut ann = User::arrive(&gateway, "s1", "busy").await;
    ann.hear().await.unwrap();
    // More than all buffers hold, so that this ends only when the session reads again.
    let begun = tokio::time::Instant::now();
    for _ in 0..48 {
        ann.say(Message::Binary(vec![0; 1 << 20].into())).await.unwrap();
    }
    assert!(begun.elapsed() > SILENCE, "it was never blocked");
    ann.talk().await.unwrap();
    assert_eq!(cluster.api().count("s1").await, 1);
}

#[tokio::test]
async fn whoever_is_sent_away_while_they_talk_still_hears_why() {
    let (cluster, _echo, gateway) = one_session(Timings::SHORT, LONG_SILENCE).await;
    let mut ann = User::arrive(&gateway, "s1", "busy").await;
    ann.hear().await.unwrap();
    cluster.platform.delete("s1").await;
    let heard = loop {
        // What fails to be said makes no difference to what there is to be heard.
        let _ = ann.say(Message::Binary(vec![0; 64 << 10].into())).await;
        if let Ok(heard) = tokio::time::timeout(Duration::from_millis(1), ann.hear()).await {
            break heard;
        }
    };
    assert_eq!(heard, Err(4410));
}

#[tokio::test]
async fn a_session_that_closes_is_heard_in_its_own_words() {
    let (cluster, _echo, gateway) = one_session(Timings::STEADY, LONG_SILENCE).await;
    let mut ann = User::arrive(&gateway, "s1", "rude").await;
    ann.hear().await.unwrap();
    assert_eq!(ann.hear().await, Err(4001));
    let rows = cluster.api().ended("s1", 1).await;
    assert_eq!(rows[0]["end_reason"], "session_left");
}

#[tokio::test]
async fn what_a_user_says_before_their_session_is_ready_reaches_it_in_order() {
    let cluster = TestCluster::one().await.armed().await;
    asleep(&cluster, "s1").await;
    let echo = Echo::start().await;
    let gateway = gateway(cluster.api().base(), &echo).await;
    let mut ann = User::arrive(&gateway, "s1", "vnc").await;
    for word in ["one", "two", "three"] {
        ann.say(Message::text(word)).await.unwrap();
    }
    assert_eq!(ann.hear().await.as_deref(), Ok("/s1/vnc"));
    for word in ["one", "two", "three"] {
        assert_eq!(ann.hear().await.as_deref(), Ok(word));
    }
}
