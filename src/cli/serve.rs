//! `serve`: one replica, until it is told to stop.

use crate::app::App;
use crate::config::Config;
use crate::telemetry::Log;

#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    #[command(flatten)]
    config: Config,
}

impl Serve {
    #[cfg_attr(
        not(feature = "otlp"),
        expect(unused_mut, reason = "only what exports traces is taken out of it")
    )]
    pub(super) async fn run(self, mut log: Log) -> anyhow::Result<()> {
        // Dropped last: the end of the replica is part of the trace.
        #[cfg(feature = "otlp")]
        let _traces = log.traces();
        let app = App::start(&self.config).await?;
        app.follow_log(log);
        app.stop_on_signals()?;
        app.finish().await
    }
}
