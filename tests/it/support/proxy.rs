//! A TCP proxy in front of a dependency that cuts, hangs, resets, delays, or swallows the answers.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// What happens to what passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
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
    /// Requests arrive and are carried out; their answers are lost, and with them, in the end, the connection.
    DropReplies,
}

/// A proxy; gone when dropped.
pub(crate) struct FaultProxy {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
    _stop: DropGuard,
}

impl FaultProxy {
    /// Listens on a free port and forwards to `target` (`host:port`).
    pub(crate) async fn start(target: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (fault, faults) = watch::channel(Fault::Pass);
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let inner = tasks.clone();
        let until = stop.clone();
        tasks.spawn(until.clone().run_until_cancelled_owned(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else {
                    continue;
                };
                let serve = serve(client, target.clone(), faults.clone());
                inner.spawn(until.clone().run_until_cancelled_owned(serve));
            }
        }));
        Self {
            address,
            fault,
            _stop: stop.drop_guard(),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, also for connections that are open.
    pub(crate) fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

/// Until either side ends or the fault says so.
async fn serve(mut client: TcpStream, target: String, mut faults: watch::Receiver<Fault>) {
    // Not even connected while it hangs: the server must not see a client it will not hear.
    other_than(&mut faults, Fault::Hang).await;
    if !is_over(*faults.borrow()) {
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

#[derive(PartialEq, Eq)]
enum Way {
    There,
    Back,
}

async fn pump(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut faults: watch::Receiver<Fault>, way: Way) {
    let mut buffer = vec![0; 64 * 1024];
    let mut has_lost = false;
    let mut until = faults.clone();
    loop {
        let length = tokio::select! {
            read = from.read(&mut buffer) => match read {
                Ok(length @ 1..) => length,
                _ => return,
            },
            // A stream with a hole in it is none: TCP could only end it here.
            () = other_than(&mut until, Fault::DropReplies), if has_lost => return,
        };
        other_than(&mut faults, Fault::Hang).await;
        let fault = *faults.borrow();
        match fault {
            Fault::Delay(by) => tokio::time::sleep(by).await,
            Fault::DropReplies if way == Way::Back => {
                has_lost = true;
                continue;
            }
            _ if has_lost => return,
            _ => {}
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
