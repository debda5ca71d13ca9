//! Heartbeats of all open connections, spread evenly over the interval, in batches or one by one.

use tokio::time::Instant;

use crate::batch::Batch;
use crate::load::Load;
use crate::record::Outcome;

/// Sends heartbeats until the load is stopped, then waits for the answers that are out.
///
/// Each block (each connection, with `single`) has its own place in the interval and keeps it.
pub async fn beat(load: Load, single: bool) {
    let start = Instant::now();
    let places = if single {
        load.fleet.connections()
    } else {
        load.fleet.blocks()
    };
    let mut line = if single { load.singles() } else { load.batches() };
    'rounds: for round in 0_u32.. {
        for place in 0..places {
            #[expect(clippy::cast_precision_loss, reason = "a place in seconds, to a microsecond")]
            let share = place as f64 / places as f64;
            let due = start + load.interval * round + load.interval.mul_f64(share);
            if !load.wait(due).await {
                break 'rounds;
            }
            let block = if single { load.fleet.block_of(place) } else { place };
            if !load.fleet.is_beating(block) {
                continue;
            }
            let (own, kind, beat) = (load.clone(), load.heartbeat_kind(), load.begin_beat());
            line.send(kind, due, async move {
                let _beat = beat;
                if single {
                    one(&own, place).await
                } else {
                    many(&own, place).await
                }
            })
            .await;
        }
    }
    line.finish().await;
}

async fn one(load: &Load, number: usize) -> Outcome {
    if load.fleet.present(number..number + 1).is_empty() {
        return Outcome::default();
    }
    let (session, connection) = load.fleet.pair(number);
    Outcome::of(&load.tracker.heartbeat(&session, &connection).await)
}

async fn many(load: &Load, block: usize) -> Outcome {
    let pairs = load.fleet.pairs(load.fleet.numbers(block));
    if pairs.is_empty() {
        return Outcome::default();
    }
    Batch::Heartbeat(pairs)
        .until_answered(&load.tracker)
        .await
        .outcome
}
