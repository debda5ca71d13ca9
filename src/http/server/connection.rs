//! One connection, HTTP/1.1 or HTTP/2 with prior knowledge: from its first byte to its close.
//!
//! hyper has one timer for "no header yet" and "nothing more to say": its header timeout. The pooled
//! connections of gateways need minutes there, and a stranger who says nothing must not have them. So
//! hyper gets the long time, and the time to the *first* whole header is measured here, from outside:
//! that also covers an HTTP/2 preface with silence after it, for which hyper has no timer at all.
//!
//! Which version is spoken is seen here too, and not left to hyper-util's automatic builder: that one
//! cuts a connection whose request is under way when a stop comes, and has no limit for headers but
//! that of every buffer, bodies included.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Limits;
use super::patient::Patient;
use crate::lifecycle::Tasks;

/// Longest header, start line and all: what is larger is a mistake or an attack. (hyper answers 431 and closes.)
const HEADER_BYTES: u32 = 32 * 1024;
/// Requests at once on one HTTP/2 connection; a gateway that needs more opens another, or sends batches.
const STREAMS: u32 = 256;
/// How often an HTTP/2 connection is asked whether its peer lives, and how long the answer may take: a peer
/// that vanished would otherwise keep its place for ever.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_ANSWER: Duration = Duration::from_secs(10);
/// How long, after a stop, a connection that has not asked anything yet may still do so.
const LAST_REQUEST: Duration = Duration::from_millis(500);
/// How soon the first letters are looked at again when not all of them came at once.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Serves connections of one server.
#[derive(Clone)]
pub(super) struct Connections {
    http1: http1::Builder,
    http2: http2::Builder<Streams>,
    router: Router,
    limits: Limits,
    stopping: CancellationToken,
}

impl Connections {
    pub(super) fn new(router: Router, limits: Limits, tasks: &Tasks) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(limits.keep_alive)
            .max_header_size(HEADER_BYTES as usize);
        let mut http2 = http2::Builder::new(Streams(tasks.clone()));
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEADER_BYTES)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_ANSWER);
        Self {
            http1,
            http2,
            // Its handlers are made ready once here, instead of with every request.
            router: router.with_state(()),
            limits,
            stopping: tasks.stopping(),
        }
    }

    /// Serves one connection to its end. How it ends is the affair of its peer: resets are as common as closes.
    pub(super) fn serve(&self, stream: TcpStream) -> impl Future<Output = ()> + Send + use<> {
        let this = self.clone();
        async move {
            let too_late = Instant::now() + this.limits.header_timeout;
            let version = tokio::select! {
                biased;
                version = version(&stream) => version,
                () = tokio::time::sleep_until(too_late) => return,
                // Its request may lie in the socket already, or come in a moment.
                () = a_moment_after(&this.stopping) => return,
            };
            let first = Arc::new(First::default());
            let entry = Entry {
                router: this.router,
                first: Arc::clone(&first),
            };
            let stream = TokioIo::new(Patient::new(stream, this.limits.keep_alive));
            match version {
                Ok(Version::Http1) => {
                    let served = this.http1.serve_connection(stream, entry);
                    drive(served, &first, too_late, &this.stopping).await;
                }
                Ok(Version::Http2) => {
                    let served = this.http2.serve_connection(stream, entry);
                    drive(served, &first, too_late, &this.stopping).await;
                }
                Err(_) => {}
            }
        }
    }
}

enum Version {
    Http1,
    Http2,
}

/// By the first letters, which stay unread: no method of HTTP/1.1 begins like the preface of HTTP/2.
async fn version(stream: &TcpStream) -> io::Result<Version> {
    const PREFACE: &[u8] = b"PRI";
    let mut start = [0; PREFACE.len()];
    loop {
        let length = stream.peek(&mut start).await?;
        if length == 0 || start[..length] != PREFACE[..length] {
            return Ok(Version::Http1);
        }
        if length == PREFACE.len() {
            return Ok(Version::Http2);
        }
        // The rest of three letters: seldom that they come apart, and what is there already wakes nobody.
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn a_moment_after(stopping: &CancellationToken) {
    stopping.cancelled().await;
    tokio::time::sleep(LAST_REQUEST).await;
}

/// Runs a connection: until its end, or until its first header is too late; after a stop only to the end of
/// what is in flight.
async fn drive<C: GracefulConnection>(
    served: C,
    first: &First,
    too_late: Instant,
    stopping: &CancellationToken,
) {
    let mut served = pin!(served);
    let mut too_late = pin!(tokio::time::sleep_until(too_late));
    let mut is_draining = false;
    loop {
        let has_begun = first.has_come();
        tokio::select! {
            biased;
            _ = served.as_mut() => return,
            () = stopping.cancelled(), if !is_draining => {
                is_draining = true;
                if first.has_come() {
                    served.as_mut().graceful_shutdown();
                } else {
                    // As above: it may still ask, for a moment.
                    let soon = Instant::now() + LAST_REQUEST;
                    let deadline = too_late.deadline().min(soon);
                    too_late.as_mut().reset(deadline);
                }
            }
            () = first.came.notified(), if is_draining && !has_begun => {
                served.as_mut().graceful_shutdown();
            }
            () = too_late.as_mut(), if !has_begun => {
                if !first.has_come() {
                    return;
                }
            }
        }
    }
}

/// Whether the first header of a connection was whole.
#[derive(Debug, Default)]
struct First {
    has_come: AtomicBool,
    came: Notify,
}

impl First {
    fn has_come(&self) -> bool {
        self.has_come.load(Ordering::Acquire)
    }

    fn note(&self) {
        if !self.has_come() {
            self.has_come.store(true, Ordering::Release);
            self.came.notify_one();
        }
    }
}

/// Where a request enters the router.
struct Entry {
    router: Router,
    first: Arc<First>,
}

impl Service<Request<Incoming>> for Entry {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = <Router as tower::Service<Request<Incoming>>>::Future;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.first.note();
        // A clone is a count; a router is always ready.
        tower::Service::call(&mut self.router.clone(), request)
    }
}

/// Runs the requests of HTTP/2 connections as tasks of the server, so that a stop waits for them too.
#[derive(Clone)]
struct Streams(Tasks);

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        self.0.spawn("stream", stream);
    }
}
