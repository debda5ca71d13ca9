//! A TCP proxy in front of a server that cuts, hangs, resets, delays, loses one direction, or loses one answer.
//!
//! One proxy is one link. What is behind it can be changed, as the address of a service in a cluster is when
//! another server takes over.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::log::lock;

/// What happens to what passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Everything passes.
    Pass,
    /// Connections are closed, new ones as soon as they are made.
    Cut,
    /// The same by RST.
    Reset,
    /// Connections are accepted and nothing is forwarded; it is when the fault ends.
    Hang,
    /// Everything comes so much later, each way.
    Delay(Duration),
    /// One way only: requests are lost, and with them, in the end, the connection.
    DropRequests,
    /// One way only: requests arrive and are carried out; their answers are lost, and with them, in the end,
    /// the connection.
    DropReplies,
    /// The next answer of each connection is lost and the connection closed at once: what it answered was
    /// carried out.
    LoseReply,
}

/// A proxy; gone when dropped.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
    target: watch::Sender<String>,
    /// Faults that hold at the same time, each with the number of its [`Held`].
    holding: Mutex<Vec<(u64, Fault)>>,
    _stop: DropGuard,
}

/// A fault for as long as this is kept, beside others on the same link; see [`FaultProxy::during`].
#[derive(Debug)]
pub struct Held<'a> {
    proxy: &'a FaultProxy,
    number: u64,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.proxy
            .hold(|holding| holding.retain(|(number, _)| *number != self.number));
    }
}

impl FaultProxy {
    /// Listens on a free port and forwards to `target` (`host:port`). Must be called in a tokio runtime.
    ///
    /// # Errors
    /// No port of this machine can be listened on.
    pub async fn start(target: String) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (fault, faults) = watch::channel(Fault::Pass);
        let (target, targets) = watch::channel(target);
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let inner = tasks.clone();
        let until = stop.clone();
        tasks.spawn(until.clone().run_until_cancelled_owned(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else {
                    continue;
                };
                let serve = serve(client, targets.clone(), faults.clone());
                inner.spawn(until.clone().run_until_cancelled_owned(serve));
            }
        }));
        Ok(Self {
            address,
            fault,
            target,
            holding: Mutex::default(),
            _stop: stop.drop_guard(),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, also for connections that are open.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Until what is returned is dropped. Of several faults at once a cut wins, else the one that came last.
    #[must_use]
    pub fn during(&self, fault: Fault) -> Held<'_> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        self.hold(|holding| holding.push((number, fault)));
        Held { proxy: self, number }
    }

    fn hold(&self, change: impl FnOnce(&mut Vec<(u64, Fault)>)) {
        let mut holding = lock(&self.holding);
        change(&mut holding);
        let cut = holding.iter().find(|(_, fault)| *fault == Fault::Cut);
        let wins = cut.or(holding.last()).map_or(Fault::Pass, |(_, fault)| *fault);
        self.set(wins);
    }

    /// From now on new connections lead there; those that are open are closed.
    pub fn lead_to(&self, target: String) {
        self.target.send_replace(target);
    }
}

/// Until either side ends, or the fault or another target says so.
async fn serve(
    mut client: TcpStream,
    mut targets: watch::Receiver<String>,
    mut faults: watch::Receiver<Fault>,
) {
    // Not even connected while it hangs: the server must not see a client it will not hear.
    other_than(&mut faults, Fault::Hang).await;
    if !is_over(*faults.borrow()) {
        let target = targets.borrow_and_update().clone();
        let Ok(mut server) = TcpStream::connect(&target).await else {
            return;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::select! {
            () = pump(from_client, to_server, faults.clone(), Way::There) => {}
            () = pump(from_server, to_client, faults.clone(), Way::Back) => {}
            () = over(faults.clone()) => {}
            _ = targets.changed() => {}
        }
    }
    if *faults.borrow() == Fault::Reset {
        let _ = client.set_zero_linger();
    }
}

fn is_over(fault: Fault) -> bool {
    matches!(fault, Fault::Cut | Fault::Reset)
}

async fn over(mut faults: watch::Receiver<Fault>) {
    let _ = faults.wait_for(|fault| is_over(*fault)).await;
}

/// Waits until the fault is another one (or the proxy is gone, which ends everything).
async fn other_than(faults: &mut watch::Receiver<Fault>, this: Fault) {
    let _ = faults.wait_for(|fault| *fault != this).await;
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

impl Way {
    /// Whether what passes this way is lost.
    fn loses(self, fault: Fault) -> bool {
        match self {
            Self::There => fault == Fault::DropRequests,
            Self::Back => fault == Fault::DropReplies,
        }
    }
}

/// What is on its way, and when it arrives: a long line is slow, not narrow.
type UnderWay = VecDeque<(Instant, Vec<u8>)>;

async fn arrives(under_way: &UnderWay) {
    match under_way.front() {
        Some((at, _)) => tokio::time::sleep_until(*at).await,
        None => std::future::pending().await,
    }
}

async fn pump(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut faults: watch::Receiver<Fault>, way: Way) {
    let mut buffer = vec![0; 64 * 1024];
    let mut lost = None;
    let mut until = faults.clone();
    let mut under_way = UnderWay::new();
    loop {
        let length = tokio::select! {
            () = arrives(&under_way) => {
                let (_, bytes) = under_way.pop_front().expect("something arrives");
                other_than(&mut faults, Fault::Hang).await;
                if to.write_all(&bytes).await.is_err() {
                    return;
                }
                continue;
            }
            read = from.read(&mut buffer) => match read {
                Ok(length @ 1..) => length,
                _ => return,
            },
            // A stream with a hole in it is none: TCP could only end it here.
            () = other_than(&mut until, lost.unwrap_or(Fault::Pass)), if lost.is_some() => return,
        };
        other_than(&mut faults, Fault::Hang).await;
        let fault = *faults.borrow();
        let delay = match fault {
            Fault::LoseReply if way == Way::Back => return,
            Fault::Delay(by) => by,
            _ if way.loses(fault) => {
                lost = Some(fault);
                continue;
            }
            _ if lost.is_some() => return,
            _ => Duration::ZERO,
        };
        if delay.is_zero() && under_way.is_empty() {
            if to.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        } else {
            // Nothing overtakes what is under way.
            let earliest = under_way.back().map_or(Instant::now(), |(at, _)| *at);
            let at = (Instant::now() + delay).max(earliest);
            under_way.push_back((at, buffer[..length].to_vec()));
        }
    }
}
