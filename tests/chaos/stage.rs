//! Short runs of the harness against the binary of this build.

use std::path::PathBuf;
use std::time::Duration;

use connection_tracker_chaos::history::History;
use connection_tracker_chaos::mix::Mix;
use connection_tracker_chaos::run::{Order, Times, run};

/// An order for a short run with this mix.
pub(crate) fn order(seed: u64, length: Duration, mix: Mix) -> Order {
    #[expect(
        clippy::disallowed_methods,
        reason = "where the test server is; not a setting of the service"
    )]
    let postgres_url = std::env::var("TRACKER_TEST_POSTGRES_URL")
        .expect("TRACKER_TEST_POSTGRES_URL names a Postgres server whose user may create databases");
    Order {
        seed,
        length,
        desks: 40,
        ..Order::new(
            PathBuf::from(env!("CARGO_BIN_EXE_connection-tracker")),
            postgres_url,
            mix,
        )
    }
}

/// Carries it out; what fails here is the harness, not the service.
pub(crate) async fn carry_out(order: &Order) -> History {
    run(order, Times::COUNTING)
        .await
        .unwrap_or_else(|error| panic!("seed {}: the harness failed: {error:#}", order.seed))
}
