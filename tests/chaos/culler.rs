//! A naive culler beside the service under the same faults: it stops sessions under their users, the service does not.

use std::time::Duration;

use connection_tracker_chaos::fault::Kind;
use connection_tracker_chaos::mix;
use connection_tracker_chaos::oracle::judge;
use connection_tracker_chaos::run::Order;

use super::stage::{carry_out, order};

const LENGTH: Duration = Duration::from_secs(40);
const KINDS: [Kind; 1] = [Kind::PlatformHoldsPatches];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_naive_culler_stops_sessions_under_their_users_and_the_service_does_not() {
    let ours = order(1, LENGTH, mix::aimed(&KINDS, [].into()));
    let theirs = Order {
        is_naive: true,
        ..ours.clone()
    };
    let (ours, theirs) = tokio::join!(carry_out(&ours), carry_out(&theirs));
    let (ours, theirs) = (judge(&ours), judge(&theirs));
    eprintln!(
        "naive culler: {} of {} hibernations under a user; the service: {} of {}",
        theirs.counts.wrong_by_others,
        theirs.counts.hibernations_by_others,
        ours.violations
            .iter()
            .filter(|violation| violation.invariant == 1)
            .count(),
        ours.counts.hibernations
    );
    assert_eq!(ours.violations, []);
    assert!(theirs.counts.wrong_by_others > 0);
}
