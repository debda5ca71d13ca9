//! Requests and connections of the API.
//!
//! The labels of a request are the template of its route, its method and the class of its status. The
//! first two are taken from the table of routes before a request comes, never from the request.

use std::collections::HashMap;

use prometheus_client::metrics::family::Family;

use super::catalogue::Catalogue;
use super::label::{self, Counters, Each};
use super::{Counter, Gauge, Histogram};

/// From a heartbeat to the longest wait.
const REQUEST_SECONDS: [f64; 12] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0,
];
/// Route and method of a request that no route takes.
const OTHER: &str = "other";

label::labels! {
    /// How a request ended.
    pub enum Status("status") {
        /// Done.
        Success = "2xx",
        /// Sent elsewhere.
        Redirect = "3xx",
        /// The caller's affair.
        ClientError = "4xx",
        /// Ours.
        ServerError = "5xx",
        /// The caller hung up before the answer.
        Aborted = "aborted",
    }
}

label::labels! {
    /// What a request is, where some must be turned away.
    pub enum Class("class") {
        /// Lists and history: turned away first.
        Read = "read",
        /// Opens: turned away next.
        Open = "open",
        /// Heartbeats and closes: turned away last.
        Keep = "keep",
        /// Waits, which are counted apart.
        Wait = "wait",
    }
}

type Labels<const N: usize> = [(&'static str, String); N];

/// Requests and connections of the API.
#[derive(Clone)]
pub struct HttpMetrics {
    requests: Family<Labels<3>, Counter>,
    durations: Family<Labels<2>, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    connections: Gauge,
    /// Connections that were accepted.
    pub accepted: Counter,
    /// Connections that were closed at once because too many are open.
    pub refused: Counter,
    /// Requests turned away because too many are in flight.
    pub shed: Counters<Class>,
}

/// The metrics of every route of one router.
pub struct Routes {
    known: HashMap<String, HashMap<String, RouteMetrics>>,
    other: RouteMetrics,
}

/// The metrics of one method of one route.
#[derive(Clone)]
pub struct RouteMetrics {
    requests: Counters<Status>,
    duration: Histogram,
    in_flight: Gauge,
}

/// A request under way; it counts as aborted unless it is answered.
pub struct InFlight<'a> {
    route: &'a RouteMetrics,
    began: std::time::Instant,
    status: Status,
}

/// An open connection; it counts until it is dropped.
pub struct OpenConnection(Gauge);

impl HttpMetrics {
    pub(super) fn new(catalogue: &mut Catalogue) -> Self {
        let requests = Family::default();
        let by_route = || vec![("route", Vec::new()), ("method", Vec::new())];
        let mut labels = by_route();
        labels.push((
            <Status as label::Label>::NAME,
            <Status as label::Label>::ALL
                .iter()
                .map(|status| label::Label::as_str(*status))
                .collect(),
        ));
        catalogue.add(
            "counter",
            "tracker_http_requests_total",
            "Requests by route, method and class of the status",
            labels,
            requests.clone(),
        );
        let make: fn() -> Histogram = || Histogram::new(REQUEST_SECONDS);
        let durations = Family::new_with_constructor(make);
        catalogue.add(
            "histogram",
            "tracker_http_request_duration_seconds",
            "How long requests took, aborted ones included",
            by_route(),
            durations.clone(),
        );
        Self {
            requests,
            durations,
            in_flight: catalogue.gauge("tracker_http_in_flight_requests", "Requests under way"),
            connections: catalogue.gauge(
                "tracker_http_open_connections",
                "Connections of callers that are open",
            ),
            accepted: catalogue.counter(
                "tracker_http_connections_accepted_total",
                "Connections of callers that were accepted",
            ),
            refused: catalogue.counter(
                "tracker_http_connections_refused_total",
                "Connections of callers that were closed at once because too many are open",
            ),
            shed: catalogue.counters(
                "tracker_http_shed_total",
                "Requests turned away because too many are under way, by class",
            ),
        }
    }

    /// Counts a connection until the value is dropped.
    #[must_use]
    pub fn connection(&self) -> OpenConnection {
        self.accepted.inc();
        self.connections.inc();
        OpenConnection(self.connections.clone())
    }

    /// The metrics of these routes (template and method), all at zero.
    #[must_use]
    pub fn routes(&self, templates: impl IntoIterator<Item = (String, &'static str)>) -> Routes {
        let mut known: HashMap<String, HashMap<String, RouteMetrics>> = HashMap::new();
        for (template, method) in templates {
            let metrics = self.route(&template, method);
            known
                .entry(template)
                .or_default()
                .insert(method.to_owned(), metrics);
        }
        Routes {
            known,
            other: self.route(OTHER, OTHER),
        }
    }

    fn route(&self, route: &str, method: &str) -> RouteMetrics {
        let pair = |name, value: &str| (name, value.to_owned());
        RouteMetrics {
            requests: Each::new(|status: Status| {
                let status = label::Label::as_str(status);
                let labels = [
                    pair("route", route),
                    pair("method", method),
                    pair("status", status),
                ];
                self.requests.get_or_create_owned(&labels)
            }),
            duration: self
                .durations
                .get_or_create_owned(&[pair("route", route), pair("method", method)]),
            in_flight: self.in_flight.clone(),
        }
    }
}

impl Routes {
    /// The metrics of a request that matched `template`; one without a route, or with a method that the
    /// route does not take, counts as `other`.
    #[must_use]
    pub fn of(&self, template: Option<&str>, method: &str) -> &RouteMetrics {
        template
            .and_then(|template| self.known.get(template)?.get(method))
            .unwrap_or(&self.other)
    }
}

impl RouteMetrics {
    /// Begins a request.
    #[must_use]
    pub fn begin(&self) -> InFlight<'_> {
        self.in_flight.inc();
        InFlight {
            route: self,
            began: std::time::Instant::now(),
            status: Status::Aborted,
        }
    }
}

impl InFlight<'_> {
    /// Ends it with the status of its answer; gives how long it took.
    #[must_use]
    pub fn answered(mut self, status: u16) -> std::time::Duration {
        self.status = match status {
            0..300 => Status::Success,
            300..400 => Status::Redirect,
            400..500 => Status::ClientError,
            _ => Status::ServerError,
        };
        self.began.elapsed()
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.route.in_flight.dec();
        self.route.requests.inc(self.status);
        self.route.duration.observe(self.began.elapsed().as_secs_f64());
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}
