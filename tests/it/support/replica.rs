//! A replica inside the test process.

use connection_tracker::app::App;

use super::http::{Answer, Api};
use super::settings::Flags;

/// One replica in this process.
pub(crate) struct Replica {
    app: Option<App>,
    pub(crate) api: Api,
    operations: Api,
}

impl Replica {
    /// Starts it; see [`Self::readiness`].
    pub(crate) async fn start(flags: &Flags) -> Self {
        let app = App::start(&flags.config()).await.unwrap();
        Self {
            // One that only sweeps has none.
            api: Api::new(
                app.http_address
                    .map(|address| format!("http://{address}"))
                    .unwrap_or_default(),
            ),
            operations: Api::new(format!("http://{}", app.operations_address)),
            app: Some(app),
        }
    }

    /// Asks it to stop and waits for its end.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        let app = self.app.take().expect("it was not stopped before");
        app.stop();
        app.finish().await
    }

    /// Ends everything of it at once.
    pub(crate) fn kill(&mut self) {
        if let Some(app) = self.app.take() {
            app.kill();
        }
    }

    /// Answer of /readyz.
    pub(crate) async fn readiness(&self) -> u16 {
        self.operations.get("/readyz").await.status
    }

    /// Answer of /metrics.
    pub(crate) async fn metrics(&self) -> Answer {
        self.operations.get("/metrics").await
    }

    /// Requests of one route (its template) so far, whatever became of them.
    pub(crate) async fn calls(&self, route: &str) -> u64 {
        self.counter("tracker_http_requests_total", &format!("route=\"{route}\""))
            .await
    }

    /// A counter, over all series with this label.
    pub(crate) async fn counter(&self, name: &str, label: &str) -> u64 {
        let text = self.metrics().await.body;
        let lines = text.as_str().unwrap().lines();
        lines
            .filter(|line| line.starts_with(name) && line.contains(label))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    }

    /// Answer of /livez.
    pub(crate) async fn liveness(&self) -> u16 {
        self.operations.get("/livez").await.status
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.kill();
    }
}
