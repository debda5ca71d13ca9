//! Export of traces by OTLP over HTTP: requests, calls of scripts, calls of the platform.
//!
//! Spans are gathered and sent by a thread of their own. While the collector is away they are dropped, and
//! that is logged once; nothing waits for it.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use opentelemetry::KeyValue;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;

use super::log::AnyLayer;

/// How long the end of the process may wait for the last spans.
const LAST_SPANS: Duration = Duration::from_secs(2);
/// How long one request to the collector may take.
const EXPORT_LIMIT: Duration = Duration::from_secs(5);

/// What gathers and sends; sends the last spans when dropped.
pub(super) struct Traces(SdkTracerProvider);

impl Drop for Traces {
    fn drop(&mut self) {
        // An error is one of the collector, which was told already.
        let _ = self.0.shutdown_with_timeout(LAST_SPANS);
    }
}

/// Starts sending spans to `<endpoint>/v1/traces`.
pub(super) fn start(endpoint: &str) -> anyhow::Result<(AnyLayer, Traces)> {
    // reqwest panics without one; fails only when one was installed before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .with_timeout(EXPORT_LIMIT)
        .build()
        .with_context(|| format!("TRACKER_TELEMETRY_OTLP_ENDPOINT '{endpoint}' cannot be used"))?;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let instance = format!("{}:{}", host.trim(), std::process::id());
    let resource = Resource::builder()
        .with_service_name("connection-tracker")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", instance))
        .build();
    let provider = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_batch_exporter(Exporter {
            inner: exporter,
            runtime: tokio::runtime::Handle::current(),
            is_failing: AtomicBool::new(false),
        })
        .build();
    // Lines of the log go along as events of the span they were written in: nothing personal is in them.
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("connection-tracker"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .boxed();
    Ok((spans, Traces(provider)))
}

/// Runs the client on the runtime of the process, and says once that the collector is away.
#[derive(Debug)]
struct Exporter {
    inner: opentelemetry_otlp::SpanExporter,
    runtime: tokio::runtime::Handle,
    is_failing: AtomicBool,
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let mut sending = pin!(self.inner.export(batch));
        // Polled by a thread that knows no runtime; timers and sockets need to be told theirs.
        let sent = poll_fn(|context| {
            let _entered = self.runtime.enter();
            sending.as_mut().poll(context)
        })
        .await;
        let was_failing = self.is_failing.swap(sent.is_err(), Ordering::Relaxed);
        match sent {
            Err(error) if !was_failing => {
                tracing::warn!(%error, spans, "traces cannot be exported; they are dropped until the collector answers");
            }
            Ok(()) if was_failing => tracing::info!("traces are exported again"),
            _ => {}
        }
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Makes `span` a child of the span that `traceparent` names.
pub(super) fn continue_trace<'a>(span: &tracing::Span, header: impl Fn(&str) -> Option<&'a str>) {
    let given = |name: &str| Some((name.to_owned(), header(name)?.to_owned()));
    let headers: HashMap<String, String> = ["traceparent", "tracestate"]
        .into_iter()
        .filter_map(given)
        .collect();
    // Fails only where traces are not exported.
    let _ = span.set_parent(TraceContextPropagator::new().extract(&headers));
}
