//! `release`: before the service is uninstalled, everything it put to sleep runs and nothing of it is left on the objects.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::app;
use crate::config::Config;
use crate::domain::SessionId;
use crate::domain::mode::{Adopt, Mode};
use crate::lifecycle::Tasks;
use crate::service::mode::ModeService;
use crate::service::release::{self, Report, Scope};
use crate::service::wake::Waker;
use crate::store::postgres::Postgres;
use crate::store::redis::RedisStore;
use crate::telemetry::chain;
use crate::telemetry::metrics::Metrics;

/// How long wakes that were begun may take to give back their slots when all is done.
const GRACE: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(super) struct Release {
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Wake nothing: only observe mode, and our annotations off the objects
    #[arg(long)]
    keep_asleep: bool,
    /// Go on where Redis or Postgres is away: by what the objects say alone; stop every replica before
    #[arg(long)]
    without_stores: bool,
    #[command(flatten)]
    config: Config,
}

impl Release {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let (tasks, metrics) = (Tasks::new(), Metrics::new());
        let platform = app::platform(&self.config, &metrics).await?;
        let store = self.observe(&metrics).await?.map(|store| {
            let slots = self.config.sweeper.sweeper_wakes;
            let waker = Waker::new(store.clone(), platform.clone(), tasks.clone(), slots);
            (store, waker)
        });
        let scope = Scope {
            keeps_asleep: self.keep_asleep,
            is_dry: self.dry_run,
            within: self.config.session.start_limit,
        };
        let report = release::Release::new(store, platform, scope).run(&say).await;
        tasks.stop();
        tasks.finish(GRACE).await?;
        self.summarize(&report?)
    }

    /// Observe mode in Postgres and in every partition; gives the store where all of that is so.
    async fn observe(&self, metrics: &Metrics) -> anyhow::Result<Option<RedisStore>> {
        const HINT: &str =
            "with --without-stores this goes on by what the objects say alone; stop every replica first";
        match self.try_to_observe(metrics).await {
            Ok(store) => Ok(Some(store)),
            Err(error) if self.without_stores => {
                say(&format!("{}; going on without it", chain(&*error)));
                Ok(None)
            }
            Err(error) => Err(error.context(HINT)),
        }
    }

    async fn try_to_observe(&self, metrics: &Metrics) -> anyhow::Result<RedisStore> {
        let store = RedisStore::new(&self.config, metrics)?;
        let postgres = Postgres::connect_lazy(&self.config.postgres)?;
        if self.dry_run {
            postgres.mode().await.context("Postgres cannot be asked")?;
            say("would set the mode to observe");
        } else {
            let mode = ModeService::new(store.clone(), postgres.clone());
            let record = mode
                .change(Mode::Observe, Adopt::None, "release", Some("released"))
                .await?;
            // A replica that runs copies it within seconds; where none does, this was the copy.
            let is_behind = |mark: crate::store::redis::Watermark| mark.mode_version < record.version;
            for mark in store.partition_watermark_all().await {
                if is_behind(mark.context("Redis cannot be asked")?) {
                    bail!("Redis does not take the mode");
                }
            }
            say("the mode is observe: nothing is put to sleep any more");
        }
        postgres.close().await;
        Ok(store)
    }

    fn summarize(&self, report: &Report) -> anyhow::Result<()> {
        let (woken, unmarked) = (&report.woken, &report.unmarked);
        if self.dry_run {
            for session in woken {
                say(&format!("would wake {session}"));
            }
            for session in unmarked {
                say(&format!("would take the annotation off {session}"));
            }
        }
        say(&format!(
            "{} objects: {} {}, {} {}, {} left asleep, {} not released",
            report.objects,
            woken.len(),
            if self.dry_run { "to wake" } else { "woken" },
            unmarked.len(),
            if self.dry_run {
                "to take the annotation off"
            } else {
                "annotations taken off"
            },
            report.left_asleep,
            report.failed.len(),
        ));
        if report.failed.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = report.failed.iter().map(line).collect();
        bail!(
            "not released: {}; put right what is said of each, then run this again:\n{}",
            names.len(),
            names.join("\n")
        )
    }
}

fn line((session, why): &(SessionId, String)) -> String {
    format!("  {session}: {why}")
}

/// To whoever ran the command; when nobody reads any more, the work goes on.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
