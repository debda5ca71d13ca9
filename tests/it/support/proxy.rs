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
    /// Requests arrive and are carried out; their answers are lost.
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
    if faults.wait_for(|fault| *fault != Fault::Hang).await.is_err() {
        return;
    }
    if !is_over(*faults.borrow()) {
        let Ok(mut server) = TcpStream::connect(&target).await else {
            return;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let mut until = faults.clone();
        tokio::select! {
            () = pump(from_client, to_server, faults.clone(), Way::There) => {}
            () = pump(from_server, to_client, faults.clone(), Way::Back) => {}
            _ = until.wait_for(|fault| is_over(*fault)) => {}
        }
    }
    if *faults.borrow() == Fault::Reset {
        let _ = client.set_zero_linger();
    }
}

fn is_over(fault: Fault) -> bool {
    matches!(fault, Fault::Cut | Fault::Reset)
}

#[derive(PartialEq, Eq)]
enum Way {
    There,
    Back,
}

async fn pump(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut faults: watch::Receiver<Fault>, way: Way) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else {
            return;
        };
        let Ok(fault) = faults.wait_for(|fault| *fault != Fault::Hang).await.map(|f| *f) else {
            return;
        };
        match fault {
            Fault::Delay(by) => tokio::time::sleep(by).await,
            Fault::DropReplies if way == Way::Back => continue,
            _ => {}
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
