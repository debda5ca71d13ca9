//! A storm of wakes: sleeping sessions are opened at once, and waited for until each is ready.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::batch::Batch;
use crate::load::Load;
use crate::open;
use crate::record::{Kind, Outcome, reason};

/// One long poll.
const POLL: Duration = Duration::from_secs(60);
/// A session that is not ready by then never will be: the service itself gives a start five minutes.
const LONGEST: Duration = Duration::from_secs(600);
/// Calls that may be unanswered at once: each takes a connection, and so a file.
const AT_ONCE: usize = 1_000;

/// Opens `count` sessions, `<prefix>-<number>`, and closes those connections when each is ready. Gives how many
/// were awake already.
pub(crate) async fn storm(load: &Load, prefix: &str, count: usize) -> usize {
    let run = Uuid::new_v4().simple().to_string();
    let pairs: Vec<_> = (0..count)
        .map(|number| (format!("{prefix}-{number}"), format!("{run}-{number}")))
        .collect();
    let (due, tasks, room) = (
        Instant::now(),
        TaskTracker::new(),
        Arc::new(Semaphore::new(AT_ONCE)),
    );
    let handles: Vec<_> = pairs
        .iter()
        .cloned()
        .enumerate()
        .map(|(number, (session, connection))| {
            let (load, room) = (load.clone(), Arc::clone(&room));
            tasks.spawn(async move {
                let _slot = room.acquire().await;
                load.stop
                    .run_until_cancelled(one(&load, due, number, &session, &connection))
                    .await
                    .unwrap_or(false)
            })
        })
        .collect();
    let mut awake = 0;
    for handle in handles {
        awake += usize::from(handle.await.unwrap_or(false));
    }
    let outcome = Batch::Close(pairs).until_answered(&load.tracker).await.outcome;
    load.recorder.record(
        Kind::CloseBatch,
        Duration::ZERO,
        Outcome {
            is_lost: true,
            ..outcome
        },
    );
    awake
}

/// Whether it was awake already.
async fn one(load: &Load, due: Instant, number: usize, session: &str, connection: &str) -> bool {
    let opened = load
        .tracker
        .open(session, connection, &open::request(number))
        .await;
    load.recorder
        .record(Kind::WakeOpen, due.elapsed(), Outcome::of(&opened));
    let Ok(opened) = opened else { return false };
    if opened.session.ready {
        return true;
    }
    let mut outcome = Outcome::default();
    loop {
        let is_over = due.elapsed() > LONGEST;
        match load.tracker.wait(session, Some(connection), POLL).await {
            Ok(waited) if waited.ready => {
                outcome.accepted = 1;
                break;
            }
            _ if is_over => {
                outcome.errors.push("not ready within ten minutes".to_owned());
                outcome.is_lost = true;
                break;
            }
            Ok(waited) => tokio::time::sleep(waited.ask_again_in).await,
            Err(error) => {
                outcome.errors.push(reason(&error));
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
    load.recorder.record(Kind::WakeReady, due.elapsed(), outcome);
    false
}
