//! Overload: which requests are let in, by class; and how long each may take.
//!
//! Overload is measured by what it consists of, requests in flight: whatever is slow (Redis, Postgres, the
//! platform, this machine), they pile up here. All classes but waits share one count, and each is let in
//! up to its share of it, so that reads can never take the room of heartbeats.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

use super::body::Stall;
use super::class::{self, Class};
use super::problem::Problem;
use crate::config::HttpConfig;
use crate::telemetry::metrics::{self, HttpMetrics, Metrics};

/// How often it is said that requests are shed: overload lasts, and a line per request would add to it.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What is in flight in one replica; clones share it.
#[derive(Clone)]
pub struct Load(Arc<Shared>);

struct Shared {
    metrics: Option<HttpMetrics>,
    limit: u32,
    waits: u32,
    stall: Stall,
    in_flight: AtomicU32,
    waiting: AtomicU32,
    shed: [AtomicU64; Class::ALL.len()],
    started: Instant,
    /// When shedding is worth a line again, in ms after the start.
    tell_at: AtomicU64,
}

impl Load {
    /// Nothing in flight; what is shed is counted in `metrics` too.
    #[must_use]
    pub fn new(config: &HttpConfig, metrics: Option<&Metrics>) -> Self {
        Self(Arc::new(Shared {
            metrics: metrics.map(|metrics| metrics.http.clone()),
            limit: config.http_in_flight,
            waits: config.http_waits,
            stall: Stall(config.http_body_timeout),
            in_flight: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            shed: Class::ALL.map(|_| AtomicU64::new(0)),
            started: Instant::now(),
            tell_at: AtomicU64::new(0),
        }))
    }

    /// Requests in flight but waits, by weight: a batch counts for 32.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.0.in_flight.load(Ordering::Relaxed)
    }

    /// Waits in flight.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.0.waiting.load(Ordering::Relaxed)
    }

    /// Requests shed since the start, by class (`read`, `open`, `keep`, `wait`).
    #[must_use]
    pub fn shed(&self) -> [(&'static str, u64); Class::ALL.len()] {
        Class::ALL.map(|class| (class.name(), self.0.shed[class as usize].load(Ordering::Relaxed)))
    }

    fn count(&self, class: Class) -> (&AtomicU32, u32) {
        match class {
            Class::Read => (&self.0.in_flight, self.0.limit / 4),
            Class::Open => (&self.0.in_flight, self.0.limit / 2),
            Class::Keep => (&self.0.in_flight, self.0.limit),
            Class::Wait => (&self.0.waiting, self.0.waits),
        }
    }

    /// Its place, if there is room. The last one let in may reach over the limit by its weight: else a limit
    /// below the weight of a batch would let none in.
    fn admit(&self, class: Class, weight: u32) -> Option<Place> {
        let (count, limit) = self.count(class);
        // Looked at before it is raised: what is turned away must not take room even for a moment.
        if count.load(Ordering::Relaxed) >= limit {
            self.note_shed(class);
            return None;
        }
        count.fetch_add(weight, Ordering::Relaxed);
        Some(Place {
            load: self.clone(),
            class,
            weight,
        })
    }

    fn note_shed(&self, class: Class) {
        let shed = self.0.shed[class as usize].fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(metrics) = &self.0.metrics {
            metrics.shed.inc(class.into());
        }
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let now = ms(self.0.started.elapsed());
        let tell_at = self.0.tell_at.load(Ordering::Relaxed);
        let next = now.saturating_add(ms(TELL_EVERY));
        let is_mine = now >= tell_at
            && self
                .0
                .tell_at
                .compare_exchange(tell_at, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if is_mine {
            tracing::warn!(
                class = class.name(),
                shed,
                in_flight = self.in_flight(),
                waiting = self.waiting(),
                "overloaded: requests are shed; is Redis, Postgres or the platform slow? else add replicas"
            );
        }
    }
}

/// A request in flight; its room is free again when it is dropped.
struct Place {
    load: Load,
    class: Class,
    weight: u32,
}

impl Drop for Place {
    fn drop(&mut self) {
        let (count, _) = self.load.count(self.class);
        count.fetch_sub(self.weight, Ordering::Relaxed);
    }
}

/// Lets a request in or sheds it, and ends one that takes too long with a problem, as every other error.
pub(super) async fn shed(State(load): State<Load>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let (class, weight) = class::of(request.method(), path);
    let Some(place) = load.admit(class, weight) else {
        return Problem::overloaded("too much is in flight here").into_response();
    };
    let mut timeout = class.timeout();
    if !request.body().is_end_stream() {
        // A body may take its time beside; that it moves at all is watched where it is read.
        timeout += load.0.stall.0;
        request.extensions_mut().insert(load.0.stall);
    }
    match tokio::time::timeout(timeout, next.run(request)).await {
        // What is written piece by piece is in flight to its end.
        Ok(response) if response.body().size_hint().exact().is_none() => {
            response.map(|body| Body::new(Written { body, _place: place }))
        }
        Ok(response) => response,
        Err(_) => Problem::timed_out().into_response(),
    }
}

/// A body with the place of its request.
struct Written {
    body: Body,
    _place: Place,
}

impl HttpBody for Written {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl From<Class> for metrics::Class {
    fn from(class: Class) -> Self {
        match class {
            Class::Read => Self::Read,
            Class::Open => Self::Open,
            Class::Keep => Self::Keep,
            Class::Wait => Self::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Settings {
        #[command(flatten)]
        http: HttpConfig,
    }

    fn load(in_flight: u32, waits: u32) -> Load {
        let flags = [
            format!("--http-in-flight={in_flight}"),
            format!("--http-waits={waits}"),
        ];
        let line = std::iter::once("test".to_owned()).chain(flags);
        Load::new(&Settings::parse_from(line).http, None)
    }

    #[test]
    fn each_class_has_its_share_and_gives_its_place_back() {
        let load = load(8, 1);
        let mut places: Vec<Place> = Vec::new();
        for (class, admitted) in [(Class::Read, 2), (Class::Open, 2), (Class::Keep, 4)] {
            places.extend((0..admitted).map(|_| load.admit(class, 1).expect("there is room")));
            assert!(load.admit(class, 1).is_none(), "{class:?} has its share");
        }
        assert!(load.admit(Class::Read, 1).is_none());
        assert!(load.admit(Class::Wait, 1).is_some(), "waits are counted apart");
        assert_eq!(load.shed(), [("read", 2), ("open", 1), ("keep", 1), ("wait", 0)]);
        drop(places);
        assert_eq!(load.in_flight(), 0);
        assert!(load.admit(Class::Read, 1).is_some());
    }

    #[test]
    fn waits_have_a_limit_of_their_own() {
        let load = load(8, 2);
        let _waits = [
            load.admit(Class::Wait, 1).unwrap(),
            load.admit(Class::Wait, 1).unwrap(),
        ];
        assert!(load.admit(Class::Wait, 1).is_none());
        assert_eq!((load.waiting(), load.in_flight()), (2, 0));
        assert!(load.admit(Class::Read, 1).is_some(), "and take no room of others");
    }

    #[test]
    fn a_batch_counts_for_many_and_is_let_in_even_where_the_limit_is_small() {
        let load = load(40, 1);
        let first = load.admit(Class::Keep, 32).unwrap();
        let second = load.admit(Class::Keep, 32).expect("there is room for some of it");
        assert!(load.admit(Class::Keep, 1).is_none());
        drop((first, second));
        assert!(load.admit(Class::Read, 1).is_some());
    }
}
