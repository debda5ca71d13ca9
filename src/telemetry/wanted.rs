//! What is recorded at all: what the directives ask for, and our own spans where traces are exported.
//!
//! One filter for everything, and not one per layer: sqlx asks whether a level is enabled without sending
//! anything then, after which filters of layers wrongly drop the next event (seen with tracing-subscriber
//! 0.3.23; the test of the canaries lost lines that it had to find).

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::{EnvFilter, Layer};

/// The filter in front of every layer.
pub(super) struct Wanted {
    pub(super) directives: EnvFilter,
    /// Whether our own spans are recorded whatever the directives say.
    pub(super) has_traces: bool,
}

impl Wanted {
    fn is_traced(&self, metadata: &Metadata<'_>) -> bool {
        self.has_traces && metadata.is_span() && metadata.target().starts_with("connection_tracker")
    }
}

impl<S: Subscriber> Layer<S> for Wanted {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        let interest = Layer::<S>::register_callsite(&self.directives, metadata);
        if self.is_traced(metadata) {
            Interest::always()
        } else {
            interest
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, context: Context<'_, S>) -> bool {
        self.is_traced(metadata) || Layer::<S>::enabled(&self.directives, metadata, context)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let hint = Layer::<S>::max_level_hint(&self.directives)?;
        Some(if self.has_traces {
            hint.max(LevelFilter::DEBUG)
        } else {
            hint
        })
    }

    // What follows is how directives about spans keep count of where they are.

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        Layer::<S>::on_new_span(&self.directives, attributes, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        Layer::<S>::on_record(&self.directives, id, values, context);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        Layer::<S>::on_enter(&self.directives, id, context);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        Layer::<S>::on_exit(&self.directives, id, context);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        Layer::<S>::on_close(&self.directives, id, context);
    }
}
