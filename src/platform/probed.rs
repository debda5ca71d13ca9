//! A platform whose sessions count as ready only once something listens where users are sent.
//!
//! Platforms say "running" before the desktop accepts connections. Here an object that is ready by its own word
//! is shown as *probing* until a TCP connection to it succeeded; then as ready. Only the way to ready is
//! watched over: what the record calls running and ready stays so (`lua/session_observe.lua`).
//!
//! Nothing is sent over the connection, and nothing read. Host and port come from the configuration, or from
//! the URL of the object; whoever may write that can have this process connect to where it points.

mod target;
mod tries;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use jiff::Timestamp;
use tokio::net::TcpStream;

use self::target::{Address, Targets};
use self::watch::ProbedWatch;
use super::kubernetes::name::Namespaces;
use super::{Fence, Platform, PlatformError, PlatformEvent, Telling};
use crate::config::{ProbeConfig, ProbeTarget};
use crate::domain::happening::Happening;
use crate::domain::platform_object::{Desired, PlatformObject};
use crate::domain::{Generation, SessionId};

/// Longest time a read waits for its probe: enough for a session that listens, so that creating one and connecting
/// at once works; others are left to the watch.
const INLINE: Duration = Duration::from_millis(300);

/// Shows the objects of `inner` as ready only once they are reached.
pub struct Probed {
    inner: Arc<dyn Platform>,
    targets: Arc<Targets>,
    timeout: Duration,
    interval: Duration,
}

impl Probed {
    /// Probes the objects of `inner` at `target`.
    pub(super) fn new(
        inner: Arc<dyn Platform>,
        target: &ProbeTarget,
        namespaces: Namespaces,
        config: &ProbeConfig,
    ) -> Self {
        Self {
            inner,
            targets: Arc::new(Targets::new(target.clone(), namespaces)),
            timeout: config.kubernetes_probe_timeout,
            interval: config.kubernetes_probe_interval,
        }
    }

    /// What was read, probed once. What the watch found is not asked for: it may be of an earlier run.
    async fn probed(&self, object: PlatformObject) -> PlatformObject {
        if !object.is_ready {
            return object;
        }
        let is_reached = match self.targets.address(&object) {
            Some(address) => connects(address, self.timeout.min(INLINE)).await,
            None => false,
        };
        if is_reached { object } else { probing(object) }
    }
}

impl Platform for Probed {
    fn read<'a>(&'a self, session: &'a SessionId) -> BoxFuture<'a, Result<PlatformObject, PlatformError>> {
        async move { Ok(self.probed(self.inner.read(session).await?).await) }.boxed()
    }

    fn write<'a>(
        &'a self,
        session: &'a SessionId,
        desired: Desired,
        generation: Generation,
        version: &'a str,
    ) -> BoxFuture<'a, Result<PlatformObject, PlatformError>> {
        let write = self.inner.write(session, desired, generation, version);
        async move { Ok(self.probed(write.await?).await) }.boxed()
    }

    fn watch(&self) -> BoxStream<'static, Result<PlatformEvent, PlatformError>> {
        let targets = Arc::clone(&self.targets);
        let watch = ProbedWatch::new(self.inner.watch(), targets, self.timeout, self.interval);
        watch.into_stream().boxed()
    }

    fn list_version<'a>(&'a self, session: &'a SessionId) -> BoxFuture<'a, Result<String, PlatformError>> {
        self.inner.list_version(session)
    }

    fn write_activity<'a>(
        &'a self,
        session: &'a SessionId,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<(), PlatformError>> {
        self.inner.write_activity(session, at)
    }

    fn tell(&self, session: &SessionId, uid: &str, happening: Happening) {
        self.inner.tell(session, uid, happening);
    }

    fn tellings(&self) -> BoxStream<'static, Telling> {
        self.inner.tellings()
    }

    fn has_successor(&self, session: &SessionId) -> bool {
        self.inner.has_successor(session)
    }

    fn fence(&self) -> Fence {
        self.inner.fence()
    }

    fn unmark<'a>(
        &'a self,
        session: &'a SessionId,
        version: &'a str,
    ) -> BoxFuture<'a, Result<PlatformObject, PlatformError>> {
        async move { Ok(self.probed(self.inner.unmark(session, version).await?).await) }.boxed()
    }
}

/// The object as it is shown until its probe succeeds.
fn probing(object: PlatformObject) -> PlatformObject {
    PlatformObject {
        is_ready: false,
        is_probing: true,
        ..object
    }
}

/// Whether somebody listens there.
async fn connects(address: Address, timeout: Duration) -> bool {
    let connect = TcpStream::connect((address.host.as_str(), address.port));
    matches!(tokio::time::timeout(timeout, connect).await, Ok(Ok(_)))
}

#[cfg(test)]
mod tests {
    #[test]
    fn whatever_a_platform_can_do_is_passed_on() {
        let platform = include_str!("../platform.rs");
        let body = platform.split_once("pub trait Platform").unwrap().1;
        let (body, _) = body.split_once("\n}\n").unwrap();
        let names = body.match_indices("    fn ").map(|(at, start)| {
            let name = &body[at + start.len()..];
            &name[..name.find(['(', '<']).unwrap()]
        });
        // What has a default answer would be left out without a word of the compiler.
        for name in names {
            let own = include_str!("probed.rs");
            assert!(own.contains(&format!("    fn {name}")), "{name} is not passed on");
        }
    }
}
