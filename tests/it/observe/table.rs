//! Every state against everything an object can show: the table as one function, compared case by case.

use connection_tracker::domain::platform_object::{Desired, PlatformObject};
use connection_tracker::domain::{Generation, SessionState};

use super::bench::{Bench, Stand};

/// The annotation, seen from the generation of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Annotation {
    Absent,
    Lower,
    Equal,
    Higher,
}

/// What the table makes of it.
#[derive(Debug, PartialEq, Eq)]
struct After {
    state: SessionState,
    /// Whether the generation was raised; else it is kept.
    is_raised: bool,
    is_fenced: bool,
    has_wake: bool,
}

fn after(state: SessionState, is_raised: bool) -> After {
    After {
        state,
        is_raised,
        is_fenced: false,
        has_wake: false,
    }
}

/// The table of the protocol, row by row.
fn expected(stand: Stand, desired: Desired, is_ready: bool, annotation: Annotation) -> After {
    use SessionState::{Hibernated, Hibernating, Running, Terminated, Waking};
    let is_reached = annotation >= Annotation::Equal;
    let runs = desired == Desired::Running;
    let fenced = || After {
        is_fenced: true,
        ..after(Running, false)
    };
    let waking = |is_raised| After {
        has_wake: true,
        ..after(Waking, is_raised)
    };
    match stand {
        Stand::Terminated => after(Terminated, false),
        _ if desired == Desired::Terminated => after(Terminated, true),
        Stand::Unknown => after(if runs { Running } else { Hibernated }, true),
        Stand::WakingAndLive | Stand::WakingAndEmpty if !is_reached => waking(false),
        Stand::WakingAndLive | Stand::WakingAndEmpty if runs && is_ready => fenced(),
        Stand::WakingAndLive | Stand::WakingAndEmpty if runs => waking(false),
        Stand::WakingAndLive | Stand::FencedAndLive if !runs => waking(true),
        Stand::WakingAndEmpty | Stand::Fenced | Stand::NotFenced if !runs => after(Hibernated, true),
        Stand::WakingAndLive | Stand::WakingAndEmpty | Stand::Fenced | Stand::FencedAndLive => fenced(),
        Stand::NotFenced if is_reached => fenced(),
        Stand::NotFenced => after(Running, false),
        Stand::Hibernating | Stand::Hibernated if !runs => after(Hibernated, false),
        Stand::Hibernating if !is_reached => after(Hibernating, false),
        Stand::Hibernating | Stand::Hibernated => after(Running, true),
    }
}

#[tokio::test]
async fn every_state_and_every_object_come_to_what_the_table_says() {
    let mut cases = 0;
    for stand in Stand::ALL {
        for desired in [Desired::Running, Desired::Hibernated, Desired::Terminated] {
            for is_ready in [true, false] {
                for annotation in [
                    Annotation::Absent,
                    Annotation::Lower,
                    Annotation::Equal,
                    Annotation::Higher,
                ] {
                    check(stand, desired, is_ready, annotation).await;
                    cases += 1;
                }
            }
        }
    }
    assert_eq!(cases, 9 * 3 * 2 * 4);
}

async fn check(stand: Stand, desired: Desired, is_ready: bool, annotation: Annotation) {
    let bench = Bench::start().await;
    let before = bench.bring(stand).await;
    let value = match annotation {
        Annotation::Absent => None,
        Annotation::Lower => Some(before.0.saturating_sub(1)),
        Annotation::Equal => Some(before.0),
        // Also above the clock, from which generations are made.
        Annotation::Higher => Some(before.0.max(2_000_000_000_000) + 1_000_000),
    };
    let case = format!("{stand:?} sees {desired:?}, ready {is_ready}, annotation {annotation:?}");
    bench
        .see(PlatformObject {
            desired,
            is_ready,
            annotation: value.map(Generation),
            ..bench.object("100")
        })
        .await;
    let record = bench.record().await;
    let seen = After {
        state: record.state,
        is_raised: record.generation > before,
        is_fenced: record.fields.contains_key("fenced"),
        has_wake: record.has_wake_entry,
    };
    assert_eq!(seen, expected(stand, desired, is_ready, annotation), "{case}");
    assert!(record.generation >= before, "{case}: a generation never falls");
    let of_this_record: Vec<_> = bench.wakes().await;
    let wanted: Vec<String> = record
        .has_wake_entry
        .then(|| format!("{}:{}", bench.session, record.generation))
        .into_iter()
        .collect();
    assert_eq!(
        of_this_record, wanted,
        "{case}: no wake of an older generation stays"
    );
    if record.state != SessionState::Terminated {
        let value = value.unwrap_or(0);
        assert!(
            bench.last_generation().await >= value,
            "{case}: the annotation is remembered"
        );
        assert!(
            !seen.is_raised || record.generation.0 > value,
            "{case}: {} was handed out at or below the annotation {value}",
            record.generation
        );
    }
}
