//! What a process tells of itself: log, metrics, traces. What is told where, and what never, is decided here.
//!
//! Nothing personal goes into any of them: no user id, address, agent, metadata or token, and no
//! connection id (within its scope that is a capability). Session ids and request ids may appear in log and
//! traces, never as labels of metrics.

#[cfg(feature = "otlp")]
mod export;
mod log;
pub mod metrics;
mod wanted;

pub use log::{Log, install};

/// An error with everything below it, in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let cause = source.to_string();
        // Some errors say what their source says.
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        next = source.source();
    }
    text
}

/// Makes `span` part of the trace that the caller names in its headers (`traceparent`, `tracestate`);
/// nothing where traces are not exported.
#[cfg(feature = "otlp")]
pub fn continue_trace<'a>(span: &tracing::Span, header: impl Fn(&str) -> Option<&'a str>) {
    export::continue_trace(span, header);
}

/// Makes `span` part of the trace that the caller names; this build exports none.
#[cfg(not(feature = "otlp"))]
pub fn continue_trace<'a>(_: &tracing::Span, _: impl Fn(&str) -> Option<&'a str>) {}
