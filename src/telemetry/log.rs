//! The log: text on a terminal, JSON otherwise; what is logged can be changed while the process runs.
//!
//! Directives come from a file that is looked at every two seconds, because that is how a changed ConfigMap
//! arrives: the links of its folder are turned, and nothing tells the process.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use super::wanted::Wanted;
use crate::config::{LogFormat, TelemetryConfig};

/// How often the file of directives is looked at: soon enough for somebody who waits for it, and one small
/// read each time.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What lies below log and traces.
type Base = Layered<reload::Layer<Wanted, Registry>, Registry>;
/// A layer of any kind.
pub(super) type AnyLayer = Box<dyn Layer<Base> + Send + Sync>;

/// The log of this process, as far as it can be changed.
pub struct Log {
    wanted: reload::Handle<Wanted, Registry>,
    has_traces: bool,
    /// `TRACKER_TELEMETRY_LOG`: in force where the file says nothing.
    directives: String,
    file: Option<PathBuf>,
    #[cfg(feature = "otlp")]
    traces: Option<super::export::Traces>,
}

/// Installs log and traces of this process; called once, by `main`, within a runtime.
///
/// # Errors
/// Directives that do not parse, a log that is installed already, an endpoint for traces that cannot be
/// used.
pub fn install(config: &TelemetryConfig) -> anyhow::Result<Log> {
    let has_traces = config.otlp_endpoint.is_some();
    let (wanted, handle) = reload::Layer::new(Wanted {
        directives: parse(&config.log)?,
        has_traces,
    });
    let is_terminal = std::io::stderr().is_terminal();
    let is_text = match config.log_format {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => is_terminal,
    };
    let lines: AnyLayer = if is_text {
        fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(is_terminal)
            .boxed()
    } else {
        // The list of spans and not the current one: the request id is in the outermost.
        fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_writer(std::io::stderr)
            .boxed()
    };
    #[cfg(feature = "otlp")]
    let (layers, traces) = match &config.otlp_endpoint {
        Some(endpoint) => {
            let (spans, traces) = super::export::start(endpoint)?;
            (vec![lines, spans], Some(traces))
        }
        None => (vec![lines], None),
    };
    #[cfg(not(feature = "otlp"))]
    let layers = {
        anyhow::ensure!(
            config.otlp_endpoint.is_none(),
            "TRACKER_TELEMETRY_OTLP_ENDPOINT is set, but this build cannot export traces; unset it, or build with \
             --features otlp"
        );
        vec![lines]
    };
    tracing_subscriber::registry()
        .with(wanted)
        .with(layers)
        .try_init()?;
    log_panics();
    Ok(Log {
        wanted: handle,
        has_traces,
        directives: config.log.clone(),
        file: config.log_file.clone(),
        #[cfg(feature = "otlp")]
        traces,
    })
}

fn parse(directives: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(directives).map_err(|error| {
        anyhow::anyhow!("the directives '{directives}' cannot be read ({error}); write them like info,connection_tracker=debug")
    })
}

/// A panic becomes a line like every other, with the request it happened in.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("no text");
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(location, "panic: {text}");
    }));
}

/// What was last found in the file.
#[derive(PartialEq, Eq)]
enum Found {
    Nothing,
    Text(String),
    Unreadable(std::io::ErrorKind),
}

impl Log {
    /// Reads the file of directives whenever it changed, and at SIGHUP, until `stopping`. Without such a
    /// file there is nothing to do.
    ///
    /// # Errors
    /// When SIGHUP cannot be listened to.
    pub async fn follow(self, stopping: CancellationToken) -> anyhow::Result<()> {
        let Some(file) = &self.file else {
            stopping.cancelled().await;
            return Ok(());
        };
        let mut hangup = signal(SignalKind::hangup())?;
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = Found::Nothing;
        loop {
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                _ = looks.tick() => {}
                _ = hangup.recv() => {}
            }
            let found = match tokio::fs::read_to_string(file).await {
                Ok(text) => Found::Text(directives(&text)),
                Err(error) => Found::Unreadable(error.kind()),
            };
            if found != last {
                self.take(&found);
                last = found;
            }
        }
    }

    /// Puts into force what the file says; whatever cannot be used changes nothing and is said once.
    fn take(&self, found: &Found) {
        let text = match found {
            Found::Text(text) if text.is_empty() => &self.directives,
            Found::Text(text) => text,
            Found::Unreadable(kind) => {
                return tracing::warn!(%kind, "the file of TRACKER_TELEMETRY_LOG_FILE cannot be read; the log stays as it is");
            }
            Found::Nothing => return,
        };
        let taken = parse(text).and_then(|directives| {
            let has_traces = self.has_traces;
            Ok(self.wanted.reload(Wanted {
                directives,
                has_traces,
            })?)
        });
        match taken {
            Ok(()) => tracing::info!(directives = text, "what is logged was changed"),
            Err(error) => tracing::warn!("the log stays as it is: {error:#}"),
        }
    }

    /// Hands over what sends the traces; it sends the last of them when it is dropped.
    #[cfg(feature = "otlp")]
    pub fn traces(&mut self) -> Option<impl Drop + use<>> {
        self.traces.take()
    }
}

/// The directives of a file: one or several a line, and lines that begin with # for people.
fn directives(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_directives_may_have_lines_and_remarks() {
        assert_eq!(
            directives("# why\ninfo\n\n  sqlx=off,hyper=off \n"),
            "info,sqlx=off,hyper=off"
        );
        assert_eq!(directives("# nothing\n"), "");
    }
}
