//! `bench`: load on an installation at a told rate. What it does is in the crate `connection-tracker-bench`.

#[derive(Debug, clap::Args)]
pub(super) struct Bench {
    #[command(flatten)]
    options: connection_tracker_bench::Options,
}

impl Bench {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        connection_tracker_bench::run(&self.options).await
    }
}
