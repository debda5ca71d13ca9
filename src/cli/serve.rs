//! `serve`: one replica, until it is told to stop.

use crate::app::App;
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(super) struct Serve {
    #[command(flatten)]
    config: Config,
}

impl Serve {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let app = App::start(&self.config).await?;
        app.stop_on_signals()?;
        app.finish().await
    }
}
