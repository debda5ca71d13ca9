//! Connections that come and go meanwhile, by single calls: what users feel is measured here.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::batch::Batch;
use crate::load::Load;
use crate::open;
use crate::record::{Kind, Outcome};

/// How long one stays: too short to need a heartbeat.
const STAY: Duration = Duration::from_secs(5);
/// Far from every other number of sessions that are opened one after another.
const STRIDE: usize = 7_919;

/// Opens and closes `rate` connections a second until the load is stopped; then closes those that are left.
pub async fn churn(load: Load, rate: u32) {
    let rate = rate.max(1);
    let names = &load.fleet.names;
    // Ids of its own, so that the fleet's are never met.
    let run = Uuid::new_v4().simple().to_string();
    let stay = STAY.min(load.interval / 2);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "seconds times a rate"
    )]
    let behind = ((stay.as_secs_f64() * f64::from(rate)) as usize).max(1);
    let pair = |number: usize| {
        let session = names.session(number.wrapping_mul(STRIDE) % names.sessions());
        (session, format!("{run}-{number}"))
    };
    let (start, mut line, mut opened) = (Instant::now(), load.singles(), 0_usize);
    for number in 0_u32.. {
        let due = start + Duration::from_secs(1) * number / rate;
        if !load.wait(due).await {
            break;
        }
        let (tracker, (session, id)) = (load.tracker.clone(), pair(opened));
        let request = open::request(opened);
        line.send(Kind::Open, due, async move {
            Outcome::of(&tracker.open(&session, &id, &request).await)
        })
        .await;
        if let Some(oldest) = opened.checked_sub(behind) {
            let (tracker, (session, id)) = (load.tracker.clone(), pair(oldest));
            line.send(Kind::Close, due, async move {
                Outcome::of(&tracker.close(&session, &id, "bench").await)
            })
            .await;
        }
        opened += 1;
    }
    line.finish().await;
    let left = (opened.saturating_sub(behind)..opened)
        .map(pair)
        .collect::<Vec<_>>();
    if !left.is_empty() {
        let sent = Batch::Close(left).until_answered(&load.tracker).await;
        // Told without a latency: it is no call of the schedule.
        let outcome = Outcome {
            is_lost: true,
            ..sent.outcome
        };
        load.recorder.record(Kind::CloseBatch, Duration::ZERO, outcome);
    }
}
